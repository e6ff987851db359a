#!/usr/bin/env python3
"""Checks the shape of the source tree: check_tree.py [ROOT].

- every #include is an edge that tests/structure/layers.txt allows, and leads to a file;
- no cycle among files, nor among the folders of layers.txt;
- generated proto headers only where "proto" is allowed;
- sources have at most 400 lines, headers at most 150;
- no file names a place on somebody's machine.

Prints one line a violation, with file and line, and exits 1 if there is any.
"""

import os
import re
import sys

MAX_LINES = {".h": 150, ".cuh": 150, ".cc": 400, ".cu": 400}
ROOTS = ("config", "kernels", "engine", "server", "client", "tests")
SKIPPED_FOLDERS = {".git", "build", "__pycache__"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
GENERATED = re.compile(r"\.pb\.h$")
# The home and working folders of people and machines; system paths such as /usr or /etc are fine.
MACHINE_PATH = re.compile(r"(?<![\w./*-])/(?:home|root|Users|work|mnt/[a-z])/\w")


class Layers:
    """The two tables of layers.txt."""

    def __init__(self, text):
        self.folders = {}
        self.libraries = {}
        table = None
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            if line in ("[folders]", "[libraries]"):
                table = getattr(self, line[1:-1])
                continue
            name, colon, values = line.partition(":")
            if table is None or not colon or name in table:
                raise ValueError(f"layers.txt:{number}: not an entry, or a second one: {line}")
            table[name] = values.split()

    def allowed(self, folder):
        """The entries that `folder` may include besides itself, or None if nothing says."""
        if folder in self.folders:
            return self.folders[folder]
        if folder.startswith("tests/"):
            mirrored = folder[len("tests/"):]
            while mirrored and mirrored not in self.folders:
                mirrored = os.path.dirname(mirrored)
            if mirrored:
                return [mirrored + "/", "tests/support"] + self.folders[mirrored]
        return None

    def permits(self, folder, target):
        """Whether a file in `folder` may include a header of the folder `target`."""
        return folder == target or any(
            target == entry or (entry.endswith("/") and (target + "/").startswith(entry))
            for entry in self.allowed(folder) or [])

    def library(self, include):
        """The key of `libraries` that `include` falls under, or None."""
        for prefix in self.libraries:
            if re.match(re.escape(prefix) + r"(/|\.h|_\w+\.h|_\w+\.pb\.h)", include):
                return prefix
        return None

    def permits_library(self, folder, prefix):
        mirrored = folder[len("tests/"):] if folder.startswith("tests/") else folder
        users = self.libraries[prefix]
        return any((name + "/").startswith(user + "/") for name in (folder, mirrored)
                   for user in users)


def includes_of(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def check_includes(layers, sources):
    """Violations of the tables in `sources`, a dict of path to text; and the include graph."""
    problems = []
    graph = {}
    for path, text in sorted(sources.items()):
        folder = os.path.dirname(path)
        graph[path] = []
        if layers.allowed(folder) is None:
            problems.append(f"{path}:1: layers.txt says nothing about {folder}")
            continue
        for number, quoted, include in includes_of(text):
            where = f"{path}:{number}: "
            library = layers.library(include)
            if include in sources:
                graph[path].append(include)
                target = os.path.dirname(include)
                if not layers.permits(folder, target):
                    problems.append(f"{where}{folder} may not include {include}")
            elif library is not None:
                if not layers.permits_library(folder, library):
                    problems.append(f"{where}{folder} may not use {library}: {include}")
            elif GENERATED.search(include):
                if not layers.permits(folder, "proto"):
                    problems.append(f"{where}{folder} may not include generated {include}")
            elif quoted:
                problems.append(f"{where}no such file or known library: {include}")
    return problems, graph


def folder_graph(layers):
    """Folder to the folders it may include, as layers.txt says."""
    return {folder: [target for target in layers.folders
                     if target != folder and layers.permits(folder, target)]
            for folder in layers.folders}


def check_cycles(graph):
    """One line for each edge that closes a cycle."""
    problems = []
    state = {}

    def visit(path, trail):
        state[path] = "open"
        for target in graph[path]:
            if state.get(target) == "open":
                cycle = trail[trail.index(target):] + [target]
                problems.append(f"{path}:1: closes a cycle: {' -> '.join(cycle)}")
            elif target not in state:
                visit(target, trail + [target])
        state[path] = "done"

    for path in sorted(graph):
        if path not in state:
            visit(path, [path])
    return problems


def check_lengths(sources):
    problems = []
    for path, text in sorted(sources.items()):
        limit = MAX_LINES[os.path.splitext(path)[1]]
        lines = text.count("\n")
        if lines > limit:
            problems.append(f"{path}:{lines}: {lines} lines, limit {limit}")
    return problems


def check_machine_paths(texts):
    return [f"{path}:{number}: names a place on one machine: {line.strip()[:80]}"
            for path, text in sorted(texts.items())
            for number, line in enumerate(text.splitlines(), 1) if MACHINE_PATH.search(line)]


def read_tree(root):
    """Path to text, for every text file under `root`."""
    texts = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in SKIPPED_FOLDERS]
        for name in files:
            path = os.path.join(folder, name)
            if os.path.islink(path) or os.path.getsize(path) > 1 << 20:
                continue
            with open(path, "rb") as file:
                data = file.read()
            try:
                texts[os.path.relpath(path, root)] = data.decode("utf-8")
            except UnicodeDecodeError:
                pass  # a binary file
    return texts


def check(layers, texts):
    sources = {path: text for path, text in texts.items()
               if path.split("/")[0] in ROOTS and os.path.splitext(path)[1] in MAX_LINES}
    problems, graph = check_includes(layers, sources)
    return (problems + check_cycles(graph) + check_cycles(folder_graph(layers)) +
            check_lengths(sources) + check_machine_paths(texts))


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    texts = read_tree(root)
    problems = check(Layers(texts["tests/structure/layers.txt"]), texts)
    for problem in problems:
        print(problem)
    print(f"{len(texts)} files read, {len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
