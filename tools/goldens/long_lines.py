"""The part of text.py and translation.py about lines of 100 kB.

tests/data/text/long_lines.json says how to make those that mix scripts: from a text, so many times
in a row; or from all lines of lines.json, with what is put between them and without what is taken
out of the result. long_lines_golden.json of each folder has, for each line, the number and a checksum
of its ids, and a checksum of the text that these give back; in tests/data/translation then also for
the repeated texts of lines.json.
"""

import os
import random
import unicodedata

from files import write_json
from lines import LINES, REPEATED, SCRIPTS, checksum, checksum_of_ids, letters_of

# What ends a word, or may be the beginning of a token that is found before any model runs.
ENDS = [" ", "\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u00a0", "\u1680", "\u2009",
        "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", "▁", "<", ">", "[", "_"]


def word_of_letters():
    """Letters alone, which byte-level BPE takes for one word."""
    rng = random.Random(20261130)
    is_letter = lambda c: unicodedata.category(c).startswith("L")
    parts = []
    for _, ranges, words in SCRIPTS * 4:
        parts.append("".join(filter(is_letter, rng.choice(words.split()))))
        parts += rng.choices(list(filter(is_letter, letters_of(ranges))), k=2)
    rng.shuffle(parts)
    return "".join(parts)


WORD = word_of_letters()
RECIPES = [
    {"between": " ", "without": []},
    {"between": "", "without": ENDS},  # one word for whatever splits at spaces
    {"text": WORD, "times": 100000 // len(WORD.encode()) + 1},
    {"text": WORD[:40] + " \u0301\u0308" + WORD[40:80] + "</s>  ", "times": 460},
]


def make(recipe):
    if "text" in recipe:
        return recipe["text"] * recipe["times"]
    line = recipe["between"].join(LINES)
    for part in recipe["without"]:
        line = line.replace(part, "")
    return line


def write_golden(folder, encode, decode, repeated=False):
    lines = [make(recipe) for recipe in RECIPES]
    if repeated:
        lines += [text * times for text, times in REPEATED]
    ids = [encode(line) for line in lines]
    write_json(os.path.join(folder, "long_lines_golden.json"), {
        "ids": [[len(i), checksum_of_ids(i)] for i in ids],
        "decoded": [checksum(decode(i).encode()) for i in ids]})
