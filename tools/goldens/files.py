"""Where the goldens lie, and how their JSON is written."""

import json
import pathlib

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests/data"
GOLDENS = DATA / "goldens"
TEXT = str(DATA / "text")
TRANSLATION = str(DATA / "translation")


def write_json(path, value):
    """All on one line."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def compact(folder):
    """Puts each of the folder's JSON files on one line."""
    for path in pathlib.Path(folder).glob("*.json"):
        write_json(path, json.loads(path.read_text(encoding="utf-8")))


def write_cases(path, cases):
    """`cases`: lists by their names. One line a case."""
    groups = []
    for group, entries in cases.items():
        lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
        groups.append(f'"{group}":[\n{lines}\n]')
    path.write_text("{" + ",\n".join(groups) + "}\n")
