#!/usr/bin/env python3
"""check_tree.py must find what it is there to find: each case breaks a sound tree in one way."""

import unittest

import check_tree

LAYERS = """
[folders]
low:
low/cpu:      low
engine/types: low
engine/a:     engine/types
engine/b:     engine/types engine/a
engine:       engine/
server:       engine proto   # the edge
tests/support: engine/

[libraries]
absl:    engine server
grpcpp:  server
"""

SOUND = {
    "low/op.h": "#pragma once\n#include <cstdint>\n",
    "low/cpu/op.cc": '#include "low/op.h"\n',
    "engine/types/t.h": '#include "low/op.h"\n',
    "engine/a/a.h": '#include "absl/status/status.h"\n#include "engine/types/t.h"\n',
    "engine/b/b.cc": '#include "engine/a/a.h"\n#include <vector>\n',
    "engine/engine.h": '#include "engine/b/b.h"\n',
    "engine/b/b.h": "",
    "server/main.cc": '#include <grpcpp/grpcpp.h>\n#include "engine/engine.h"\n'
                      '#include "x/v1/x.pb.h"\n',
    "tests/engine/b/b_test.cc": '#include "engine/b/b.h"\n#include "engine/a/a.h"\n'
                                '#include "tests/support/s.h"\n#include "absl/status/status.h"\n',
    "tests/support/s.h": '#include "engine/types/t.h"\n',
    "tests/server/m_test.cc": '#include "x/v1/x.grpc.pb.h"\n',
}


def problems(changes, layers=LAYERS):
    """What the checker says about SOUND with `changes`, all files counted as sources."""
    texts = {**SOUND, **changes}
    tables = check_tree.Layers(layers)
    found, graph = check_tree.check_includes(tables, texts)
    return (found + check_tree.check_cycles(graph) +
            check_tree.check_cycles(check_tree.folder_graph(tables)) +
            check_tree.check_lengths(texts) + check_tree.check_machine_paths(texts))


class CheckTreeTest(unittest.TestCase):

    def expect(self, changes, *fragments, layers=LAYERS):
        found = problems(changes, layers)
        self.assertEqual(len(found), 1, found)
        for fragment in fragments:
            self.assertIn(fragment, found[0])

    def test_sound_tree(self):
        self.assertEqual(problems({}), [])

    def test_upward_include(self):
        self.expect({"engine/types/u.h": "\n  #  include \"engine/a/a.h\"\n"},
                    "engine/types/u.h:2:", "engine/types may not include engine/a/a.h")

    def test_low_may_not_include_its_subfolder(self):
        self.expect({"low/x.h": '#include "low/cpu/op.h"\n', "low/cpu/op.h": ""},
                    "low may not include low/cpu/op.h")

    def test_angle_brackets_do_not_hide_an_edge(self):
        self.expect({"low/x.h": "#include <engine/types/t.h>\n"}, "low may not include")

    def test_prefix_of_a_folder_name_is_not_the_folder(self):
        self.expect({"engineering/x.h": ""}, "says nothing about engineering")

    def test_generated_headers_stay_at_the_edge(self):
        self.expect({"engine/a/x.cc": '#include "x/v1/x.pb.h"\n'}, "generated x/v1/x.pb.h")
        self.expect({"tests/engine/a/x_test.cc": "#include <x/v1/x.grpc.pb.h>\n"}, "generated")

    def test_library_of_another_folder(self):
        self.expect({"low/x.h": '#include "absl/strings/str_cat.h"\n'}, "low may not use absl")
        self.expect({"engine/a/x.h": "#include <grpcpp/server.h>\n"}, "may not use grpcpp")

    def test_missing_file(self):
        self.expect({"engine/a/x.h": '#include "engine/a/gone.h"\n'}, "no such file")

    def test_tests_obey_what_they_test(self):
        self.expect({"tests/engine/a/x_test.cc": '#include "engine/b/b.h"\n'},
                    "tests/engine/a may not include")

    def test_cycle_of_files(self):
        self.expect({"engine/a/x.h": '#include "engine/a/y.h"\n',
                     "engine/a/y.h": '#include "engine/a/z.h"\n',
                     "engine/a/z.h": '#include "engine/a/x.h"\n'},
                    "engine/a/x.h -> engine/a/y.h -> engine/a/z.h -> engine/a/x.h")

    def test_file_that_includes_itself(self):
        self.expect({"engine/a/x.h": '#include "engine/a/x.h"\n'}, "closes a cycle")

    def test_cycle_of_folders(self):
        self.expect({}, "closes a cycle: engine/a -> engine/b -> engine/a",
                    layers=LAYERS.replace("engine/a:     engine/types",
                                          "engine/a:     engine/types engine/b"))

    def test_lengths(self):
        self.assertEqual(problems({"low/x.h": "\n" * 150, "low/x.cc": "\n" * 400}), [])
        self.expect({"low/x.h": "\n" * 151}, "151 lines, limit 150")
        self.expect({"low/x.cc": "\n" * 401}, "401 lines, limit 400")

    def test_machine_paths(self):
        self.expect({"low/x.h": "// see " + "/ho" + "me/me/x\n"}, "low/x.h:1: names a place")
        self.assertEqual(problems({"low/x.h": "// a/work/b, /usr/share, https://x.y/home/z\n"}), [])

    def test_bad_tables(self):
        for text in ("a: b\n", "[folders]\na b\n", "[folders]\na:\na: b\n"):
            with self.assertRaises(ValueError):
                check_tree.Layers(text)


if __name__ == "__main__":
    unittest.main()
