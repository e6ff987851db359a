#!/usr/bin/env python3
"""Generates sentence pairs for inverse text normalisation: class, spoken form and written form.

Every split draws from its own random stream; "test" also has its own sentence templates. The same
arguments always give the same lines.
"""

import argparse
import random
import re
import sys
from typing import Iterator, NamedTuple

import digit_strings
import entities
import held_out
import measures
import templates
import words as vocabulary
from entities import Entity

CLASSES = list(templates.TRAIN)

_ENTITIES = {
    "CARDINAL": entities.cardinal, "BETWEEN": entities.between, "ORDINAL": entities.ordinal,
    "DATE": entities.date, "YEAR": entities.year, "DECADE": entities.decade, "AGE": entities.age,
    "TIME": entities.time, "MONEY": entities.money, "PERCENT": entities.percent,
    "MONEY_ADJECTIVE": lambda rng: entities.money(rng, adjective=True),
    "DECIMAL": entities.decimal, "FRACTION": entities.fraction, "MIXED": entities.mixed_fraction,
    "LENGTH": measures.length, "HEIGHT": measures.height, "WEIGHT": measures.weight,
    "VOLUME": measures.volume, "AREA": measures.area, "SPEED": measures.speed,
    "TEMPERATURE": measures.temperature, "TECHNICAL": measures.technical,
    "MEASURE": measures.measure, "MEASURE_ADJECTIVE": measures.measure_adjective,
    "PHONE": digit_strings.phone, "CODE": digit_strings.code, "LABEL": digit_strings.label,
}  # fmt: skip

# What stands between any two words.
_FREE = [
    entities.cardinal, entities.cardinal, entities.ordinal, entities.date, entities.date,
    entities.year, entities.time, entities.time, entities.money, entities.money, entities.percent,
    entities.decimal, entities.fraction, entities.mixed_fraction, measures.measure,
    measures.measure, digit_strings.phone,
]  # fmt: skip

_PLACES = """museum station library market beach airport theater stadium hospital harbor garden
bridge castle school office warehouse hotel kitchen gallery church forest lake square
village factory""".split()
_EVENTS = """meeting concert wedding conference exam party workshop race festival interview lecture
election auction trial rehearsal reunion ceremony game tournament exhibition strike storm""".split()
_PERSONS = """brother sister mother father uncle aunt boss neighbor doctor teacher grandmother
friend grandfather dentist landlord daughter son husband wife cousin coach colleague""".split()
_COMPANY_ENDINGS = ["", "", " motors", " foods", " airlines", " labs", " bank", " systems"]
# Words of number expressions that stand for themselves when they are alone.
_DISTRACTORS = """one two five second first third may march half quarter point double oh to past
till pounds dollar dollars percent hundred thousand million hundreds thousands seconds
minutes hours dozen couple morning morning afternoon afternoon evening evening night
tonight noon midnight o'clock plus minus negative foot feet inch yard mile miles meter
degrees gram liter volt square points quarters tenth triple am pm fifties""".split()


class Example(NamedTuple):
    kind: str
    spoken: str
    written: str


def _words(rng: random.Random) -> str:
    run = [vocabulary.any_word(rng) for _ in range(rng.randint(1, 7))]
    if len(run) > 2 and rng.random() < 0.35:
        run[rng.randrange(1, len(run) - 1)] = rng.choice(_DISTRACTORS)
    return " ".join(run)


def _noun(rng: random.Random, pool: list[str]) -> str:
    return vocabulary.made_up_word(rng) if rng.random() < 0.15 else rng.choice(pool)


_WORDS = {
    "thing": lambda rng: _noun(rng, vocabulary.SINGULAR),
    "things": lambda rng: _noun(rng, vocabulary.PLURAL),
    "people": lambda rng: _noun(rng, vocabulary.PLURAL),
    "team": lambda rng: _noun(rng, vocabulary.PLURAL),
    "adj": lambda rng: _noun(rng, vocabulary.ADJECTIVES),
    "adv": lambda rng: rng.choice(vocabulary.ADVERBS),
    "verb": lambda rng: _noun(rng, vocabulary.BASE),
    "ved": lambda rng: _noun(rng, vocabulary.PAST),
    "place": lambda rng: _noun(rng, _PLACES),
    "event": lambda rng: _noun(rng, _EVENTS),
    "person": lambda rng: rng.choice(_PERSONS),
    "small": lambda rng: rng.choice(entities.say.SMALL[2:10]),
    "day": lambda rng: rng.choice(vocabulary.WEEKDAYS),
    "month": lambda rng: rng.choice(vocabulary.MONTHS),
    "street": lambda rng: rng.choice(vocabulary.STREETS).capitalize()
    + rng.choice((" Street", " Avenue", " Road", " Lane", " Drive")),
    "City": lambda rng: vocabulary.proper_name(rng, vocabulary.CITIES),
    "Country": lambda rng: vocabulary.proper_name(rng, vocabulary.COUNTRIES),
    "Company": lambda rng: (
        vocabulary.proper_name(rng, vocabulary.SURNAMES) + rng.choice(_COMPANY_ENDINGS).title()
    ),
    "words": _words,
}


def _person_name(rng: random.Random) -> str:
    first = vocabulary.proper_name(rng, vocabulary.FIRST_NAMES)
    kind = rng.random()
    if kind < 0.6:
        return first
    last = vocabulary.proper_name(rng, vocabulary.SURNAMES)
    return f"{first} {last}" if kind < 0.9 else rng.choice(("Mr ", "Mrs ", "Dr ")) + last


_WORDS["Name"] = _person_name

Segment = str | Entity
_CHOICE = re.compile(r"\(([^()]*)\)")
_HOLE = re.compile(r"\{(\w+)\}")


def _fill(rng: random.Random, template: str) -> list[Segment]:
    """Text and number expressions in turn."""
    while (choice := _CHOICE.search(template)) is not None:
        picked = rng.choice(choice.group(1).split("|"))
        template = template[: choice.start()] + picked + template[choice.end() :]
    segments: list[Segment] = []
    for i, part in enumerate(_HOLE.split(template)):
        if i % 2 == 0 or part == "a":
            segments.append(part if i % 2 == 0 else "{a}")
        elif part in _ENTITIES:
            segments.append(_ENTITIES[part](rng))
        else:
            segments.append(_WORDS[part](rng))
    return segments


def _core(rng: random.Random, source: dict[str, list[str]], kind: str) -> list[Segment]:
    """One sentence without its last punctuation mark, perhaps with more words around it."""
    segments = _fill(rng, rng.choice(source[kind]))
    if isinstance(segments[-1], str):
        segments[-1] = segments[-1].rstrip(".?")
    if rng.random() < 0.2:
        opener = _fill(rng, rng.choice(templates.OPENERS))
        segments = _start_upper(opener) + [", "] + _start_lower(segments)
    if rng.random() < 0.2:
        segments += [rng.choice((" ", ", "))] + _fill(rng, rng.choice(templates.TAILS))
    return segments


def _change_start(segments: list[Segment], change) -> list[Segment]:
    for i, segment in enumerate(segments):
        if isinstance(segment, Entity):
            return segments[:i] + [Entity(*map(change, segment))] + segments[i + 1 :]
        if segment:
            return segments[:i] + [change(segment)] + segments[i + 1 :]
    return segments


def _start_upper(segments: list[Segment]) -> list[Segment]:
    return _change_start(segments, lambda text: text[:1].upper() + text[1:])


def _start_lower(segments: list[Segment]) -> list[Segment]:
    """Only where the template's own words begin; names and "I" keep their capital."""
    first = segments[0]
    if isinstance(first, Entity) or not first or first.split(" ")[0] in ("I", "I'll", "I'm"):
        return segments
    return _change_start(segments, lambda text: text[:1].lower() + text[1:])


def _salad(rng: random.Random) -> list[Segment]:
    """Random words around expressions that need no context."""
    segments: list[Segment] = [_words(rng) if rng.random() < 0.9 else ""]
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        segments += [" ", rng.choice(_FREE)(rng, free=True), " ", _words(rng)]
    if rng.random() < 0.15:
        segments = segments[:-2]
    return _start_upper(segments) if segments[0] else _start_upper(segments[2:])


_JOINTS = [". ", ", and ", ", but ", ", so ", " and then ", " because ", "? ", "; "]


def _join(rng: random.Random, cores: list[list[Segment]], punctuated: bool) -> list[Segment]:
    """One text of several sentences. Without punctuation a word must stand between them."""
    joined = list(cores[0])
    for core in cores[1:]:
        joint = rng.choice(_JOINTS)
        if joint in (". ", "? "):
            joined += [joint] + ([] if punctuated else [rng.choice(("so ", "also ", "well "))])
            joined += core
        else:
            joined += [joint] + _start_lower(core)
    return joined


class _Style(NamedTuple):
    capitals: bool
    punctuation: bool
    hyphens: bool


def _style(rng: random.Random) -> _Style:
    capitals, punctuation = rng.choices(
        ((False, False), (True, True), (True, False), (False, True)), (64, 26, 5, 5)
    )[0]
    return _Style(capitals, punctuation, rng.random() < (0.5 if punctuation else 0.04))


def _render(rng: random.Random, segments: list[Segment], style: _Style) -> tuple[str, str]:
    spoken, written = "", ""
    for i, segment in enumerate(segments):
        if isinstance(segment, Entity):
            words, figures = segment
            if words == figures:  # stays as it is
                words = figures = words if style.capitals else words.lower()
            else:
                words = words if style.hyphens else words.replace("-", " ")
                words = words if style.capitals else words.lower()
                words = words if style.punctuation else words.replace(",", "")
            spoken += words
            written += figures
            continue
        if segment == "{a}":
            following = segments[i + 2] if isinstance(segments[i + 1], str) else segments[i + 1]
            start = following.spoken.lower()
            segment = "an" if start[0] in "aei" or start.startswith("oh") else "a"
            if start.startswith("eu"):
                segment = "a"
        text = segment
        if style.capitals:
            text = re.sub(r"\bi\b", "I", text)
        else:
            text = text.lower()
        if not style.punctuation:
            text = re.sub(r"[,.?!;:]+", "", text)
        # "a.m." at the end takes no second full stop.
        spoken += text[1:] if text.startswith(".") and spoken.endswith(".") else text
        written += text
    return " ".join(spoken.split()), " ".join(written.split())


def example(rng: random.Random, split: str) -> Example:
    """One pair of the "train", "dev" or "test" split; only training has salads and long texts."""
    style = _style(rng)
    source = _TEST if split == "test" else _TRAIN
    kind = rng.choice(CLASSES)
    shape = rng.random() if split == "train" else 1.0
    if shape < 0.25:
        kind, segments = "mixed", _salad(rng)
    elif shape < 0.35:
        count = rng.choice((2, 2, 2, 3, 3, 4, 5))
        cores = [_core(rng, source, rng.choice(CLASSES)) for _ in range(count)]
        kind, segments = "mixed", _join(rng, cores, style.punctuation)
    else:
        segments = _core(rng, source, kind)
    if rng.random() < 0.03:
        kind = "nothing"
        segments = [Entity(s.written, s.written) if isinstance(s, Entity) else s for s in segments]
    end = rng.choice((".", ".", ".", ".", "?", "!")) if rng.random() < 0.9 else ""
    spoken, written = _render(rng, _start_upper(segments) + [end], style)
    return Example(kind, spoken, written)


def _lines(source: dict[str, str]) -> dict[str, list[str]]:
    return {kind: text.strip().split("\n") for kind, text in source.items()}


_TRAIN = _lines(templates.TRAIN)
_TEST = _lines(held_out.TEST)


def examples(split: str, seed: int) -> Iterator[Example]:
    rng = random.Random(f"{split} {seed}")
    while True:
        yield example(rng, split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "dev", "test"), default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    arguments = parser.parse_args()
    stream = examples(arguments.split, arguments.seed)
    for _ in range(arguments.count):
        sys.stdout.write("\t".join(next(stream)) + "\n")


if __name__ == "__main__":
    main()
