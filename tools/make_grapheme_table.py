#!/usr/bin/env python3
"""Writes engine/text/grapheme_table.cc: the character classes that split text into grapheme clusters.

Usage: python3 tools/make_grapheme_table.py > engine/text/grapheme_table.cc
Needs the `regex` package, which carries the Unicode Character Database.
"""

import regex

TABLES = [
    ("kExtendingRanges", r"[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}]"),
    ("kPrependRanges", r"\p{GCB=Prepend}"),
    ("kControlRanges", r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]"),
]


def ranges_of(pattern):
    matches = regex.compile(pattern).match
    ranges = []
    for code_point in range(0x110000):
        if 0xD800 <= code_point < 0xE000 or not matches(chr(code_point)):
            continue
        if ranges and ranges[-1][1] == code_point - 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    return ranges


def main():
    print("// Written by tools/make_grapheme_table.py from the Unicode Character Database.")
    print('#include "engine/text/grapheme_table.h"\n')
    print("namespace transept {\nnamespace {\n")
    print("// clang-format off")
    for name, pattern in TABLES:
        ranges = ranges_of(pattern)
        print(f"constexpr CodePointRange {name}[] = {{")
        for i in range(0, len(ranges), 5):
            print("    " + " ".join(f"{{0x{a:04X}, 0x{b:04X}}}," for a, b in ranges[i : i + 5]))
        print("};\n")
    print("// clang-format on")
    print("}  // namespace")
    print()
    for name, _ in TABLES:
        print(f"absl::Span<const CodePointRange> {name[1:]}() {{ return {name}; }}")
    print("\n}  // namespace transept")


if __name__ == "__main__":
    main()
