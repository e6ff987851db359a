"""Phone numbers, codes and numbers that name things, as (spoken, written) pairs."""

import random

import spoken as say
from entities import Entity


def _digit_string(rng: random.Random, count: int) -> str:
    text = rng.choice("23456789")
    while len(text) < count:
        kind = rng.random()
        text += text[-1] if kind < 0.2 else rng.choice("0123456789" if kind < 0.8 else "05")
    return text


def phone(rng: random.Random, free: bool = False) -> Entity:
    kind = rng.random()
    number = _digit_string(rng, 10)
    if rng.random() < 0.3:
        number = number[:3] + "555" + number[6:]
    a, b, c = number[:3], number[3:6], number[6:]
    gap = rng.choice((" ", " ", " ", ", "))

    def spell(text: str) -> str:
        return say.digits(rng, text, repeats=True)

    if kind < 0.4:
        return Entity(spell(b) + gap + spell(c), f"{b}-{c}")
    if kind < 0.75:
        return Entity(gap.join(map(spell, (a, b, c))), f"{a}-{b}-{c}")
    if kind < 0.85:
        free_code = rng.choice(("800", "800", "888", "877"))
        first = "one eight hundred" if free_code == "800" and rng.random() < 0.6 else (
            "one " + spell(free_code))  # fmt: skip
        return Entity(gap.join((first, spell(b), spell(c))), f"1-{free_code}-{b}-{c}")
    if kind < 0.88:
        return Entity(gap.join((spell("1"), spell(a), spell(b), spell(c))), f"1-{a}-{b}-{c}")
    if kind < 0.92:
        country = rng.choice(("44", "49", "33", "61", "91"))
        number = country + _digit_string(rng, rng.choice((9, 10)))
        return Entity("plus " + spell(number), "+" + number)
    return code(rng)


def code(rng: random.Random, free: bool = False) -> Entity:
    """A digit string of a length that no phone number has."""
    text = rng.choice("0123456789") + _digit_string(
        rng, rng.choices((3, 4, 5, 6, 8, 9, 12), (24, 28, 10, 18, 9, 8, 3))[0] - 1
    )
    return Entity(say.digits(rng, text, repeats=rng.random() < 0.6), text)


def label(rng: random.Random, free: bool = False) -> Entity:
    """A number that names a room, flight, road or house; read in pairs or by digits."""
    n = rng.choice((rng.randint(101, 999), rng.randint(1010, 9999)))
    if rng.random() < 0.3:
        return Entity(say.digits(rng, str(n)), str(n))
    if n % 100 == 0:
        n += rng.randint(1, 99)
    return Entity(say.pairs(rng, n), str(n))
