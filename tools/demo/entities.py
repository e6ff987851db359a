"""Number expressions as (spoken, written) pairs; README.md states the written style.

Spoken forms carry hyphens ("twenty-three") and capital month names; the caller drops them where the
sentence is plain recogniser output. `free` asks for a form that is clear without any context.
"""

import random
from typing import NamedTuple

import spoken as say
from words import MONTHS, WEEKDAYS


class Entity(NamedTuple):
    spoken: str
    written: str


def whole_number(rng: random.Random, free: bool = False, low: int = 1) -> int:
    """A whole number from `low`; small ones are likelier, round ones too."""
    digits = rng.choices((1, 2, 3, 4, 5, 6, 7, 8, 9), (16, 34, 20, 14, 7, 6, 1, 1, 1))[0]
    n = rng.randrange(10 ** (digits - 1), 10**digits)
    if digits >= 3 and rng.random() < 0.4:
        step = 10 ** rng.randint(1, digits - 1)
        n = max(step, n // step * step)
    if digits >= 3 and rng.random() < 0.1:
        n = n // 100 * 100 + rng.randrange(10)
    if free and 2000 <= n < 2100:
        n += 100
    return max(n, low)


def say_number(rng: random.Random, n: int, free: bool = False) -> str:
    if 1100 <= n < 10000 and n % 100 == 0 and n % 1000 and rng.random() < 0.4:
        if not free or n >= 2100:
            return say.hundreds(n)
    return say.cardinal(rng, n)


def _big(rng: random.Random, article: bool = True) -> Entity:
    """Millions and above that keep the word, such as "3.5 million"."""
    scale = rng.choices(("million", "billion", "trillion"), (6, 3, 1))[0]
    kind = rng.random()
    if kind < 0.5:
        n = rng.choice((rng.randint(1, 20), rng.randint(10, 999)))
        return Entity(say.cardinal(rng, n, article=False) + " " + scale, f"{n} {scale}")
    if kind < 0.6 and article:
        return Entity("a " + scale, "1 " + scale)
    if kind < 0.7:
        n = rng.randint(1, 30)
        return Entity(f"{say.two_digits(n)} and a half {scale}", f"{n}.5 {scale}")
    number = decimal_text(rng, 1, rng.choice((10, 100)), rng.choice((1, 1, 2)))
    words = say.decimal(rng, number, article)
    return Entity(f"{words} {scale}", f"{number} {scale}")


def decimal_text(rng: random.Random, low: int, high: int, places: int) -> str:
    fraction = "".join(rng.choice("0123456789") for _ in range(places))
    return f"{rng.randrange(low, high)}.{fraction}"


def cardinal(rng: random.Random, free: bool = False) -> Entity:
    if rng.random() < 0.12:
        return _big(rng)
    n = whole_number(rng, free, low=10 if free else 1)
    if rng.random() < 0.06:
        n = -(n % 10000) or -1
    words = say_number(rng, n, free)
    if n % 10**6 == 0 and n > 0:
        return Entity(words, f"{n // 10**6:,} million" if n < 10**9 else f"{n:,}")
    if 0 <= n < 10:
        return Entity(words, words)
    return Entity(words, f"{n:,}")


def between(rng: random.Random, free: bool = False) -> Entity:
    """Two cardinals of the same kind, to follow "between"."""
    step = rng.choice((1, 1, 10, 100, 1000))
    low = rng.randint(10 if step == 1 else 1, 80)
    high = low + rng.randint(1, 19)
    spoken = [say.cardinal(rng, n * step, article=False) for n in (low, high)]
    return Entity(" and ".join(spoken), f"{low * step:,} and {high * step:,}")


def ordinal(rng: random.Random, free: bool = False) -> Entity:
    n = rng.choices(
        (rng.randint(1, 9), rng.randint(10, 99), rng.randint(100, 999), 1000), (25, 60, 14, 1)
    )[0]
    if free:
        n = max(n, 10)
    if n >= 100 and rng.random() < 0.4:
        n = n // 100 * 100 + rng.choice((0, 0, 50, 1, 25))
    words = say.ordinal(rng, n)
    return Entity(words, words if n < 10 else ordinal_figure(n))


def ordinal_figure(n: int) -> str:
    suffix = "th" if n // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{suffix}"


def _year_number(rng: random.Random) -> int:
    spans = ((1950, 1999), (2000, 2035), (1700, 1949), (1010, 1699), (2036, 2099))
    return rng.randint(*rng.choices(spans, (38, 38, 14, 6, 4))[0])


def year(rng: random.Random, free: bool = False) -> Entity:
    if rng.random() < 0.04:
        n = rng.randint(10, 3000)
        words = say.pairs(rng, n) if n >= 110 and not 1000 <= n < 1010 else say.cardinal(rng, n)
        return Entity(f"{words} {rng.choice(('bc', 'BC', 'b c'))}", f"{n} BC")
    n = _year_number(rng)
    words = say.year(rng, n)
    # "Nineteen hundred" and "two thousand four" are years only where the context says so.
    if free and (n % 100 == 0 or words.startswith("two thousand")):
        n = rng.randint(1911, 1999)
        words = say.year(rng, n)
    return Entity(words, str(n))


_DECADES = "twenties thirties forties fifties sixties seventies eighties nineties".split()


def age(rng: random.Random, free: bool = False) -> Entity:
    """To follow "in her"."""
    name = rng.choice(_DECADES)
    return Entity(name, f"{_DECADES.index(name) + 2}0s")


def decade(rng: random.Random, free: bool = False) -> Entity:
    """To follow "the", such as "nineteen eighties" or "eighties"."""
    century = rng.choice((20, 19, 19, 19, 18))
    if century < 20 and rng.random() < 0.1:
        return Entity(f"{say.two_digits(century)} hundreds", f"{century}00s")
    short = age(rng)
    if rng.random() < 0.4:
        return short
    return Entity(f"{say.two_digits(century)} {short.spoken}", f"{century}{short.written}")


def date(rng: random.Random, free: bool = False) -> Entity:
    month = rng.choice(MONTHS)
    n = rng.randint(1, 31)
    if rng.random() < 0.1:
        number = _year_number(rng)
        joiner = rng.choice((" ", " ", " of "))
        return Entity(month + joiner + say.year(rng, number), f"{month} {number}")
    day = say.ordinal(rng, n)
    forms = (f"{month} {day}", f"{month} the {day}", f"the {day} of {month}", f"{day} of {month}",
             f"{month} {say.two_digits(n)}")  # fmt: skip
    words = rng.choices(forms, (30, 8, 37, 15, 10))[0]
    written = f"{month} {n}"
    if rng.random() < 0.2:
        weekday = rng.choice(WEEKDAYS)
        words = weekday + rng.choice((" ", " ", ", ")) + words
        written = f"{weekday}, {written}"
    if rng.random() < 0.35:
        number = _year_number(rng)
        words += rng.choice((" ", " ", ", ")) + say.year(rng, number)
        written += f", {number}"
    return Entity(words, written)


_AM = ["am", "am", "a m", "a.m.", "AM"]
_PM = ["pm", "pm", "p m", "p.m.", "PM"]


def time(rng: random.Random, free: bool = False) -> Entity:
    """`free` leaves out "four thirty" and "fourteen thirty"."""
    if not free and rng.random() < 0.08:
        hour, minute = rng.randint(13, 23), rng.choice((5, 10, 15, 20, 30, 40, 45, 50, 55, 0))
        words = say.pairs(rng, hour * 100 + minute) + (" hours" if minute == 0 else "")
        return Entity(words, f"{hour}:{minute:02}")
    hour = rng.randint(1, 12)
    minute = rng.choice((0, 0, 15, 30, 30, 45, rng.randrange(60), rng.randrange(60)))
    if minute == 0:
        return _full_hour(rng, hour)
    relative = rng.random() < 0.45
    words = _relative_time(rng, hour, minute) if relative else say.pairs(rng, hour * 100 + minute)
    if rng.random() < 0.5 or (free and not relative):
        return _with_half_day(rng, words, hour, minute, dayparts=rng.random() < 0.3)
    return Entity(words, f"{hour}:{minute:02}")


def _relative_time(rng: random.Random, hour: int, minute: int) -> str:
    """"Half past four", "twenty to six"."""
    if minute == 30:
        return f"half past {say.SMALL[hour]}"
    to = minute > 30
    distance = 60 - minute if to else minute
    if distance == 15:
        amount = rng.choice(("quarter", "a quarter"))
    else:
        unit = " minutes" if distance % 5 or rng.random() < 0.3 else ""
        amount = say.two_digits(distance) + unit.removesuffix("s" if distance == 1 else "")
    if to:
        return f"{amount} {rng.choice(('to', 'to', 'to', 'till'))} {say.SMALL[hour % 12 + 1]}"
    return f"{amount} {rng.choice(('past', 'past', 'past', 'after'))} {say.SMALL[hour]}"


def _full_hour(rng: random.Random, hour: int) -> Entity:
    if rng.random() < 0.7:
        return _with_half_day(rng, say.SMALL[hour], hour, 0, dayparts=rng.random() < 0.3)
    words = say.SMALL[hour] + rng.choice((" o'clock", " o'clock", " o clock"))
    if rng.random() < 0.6:
        return Entity(words, f"{hour}:00")
    return _with_half_day(rng, words, hour, 0, dayparts=True)


def _with_half_day(
    rng: random.Random, words: str, hour: int, minute: int, dayparts: bool
) -> Entity:
    """Adds am or pm, or if `dayparts` what people say instead."""
    morning = rng.random() < 0.5
    parts = []
    if dayparts and morning:
        parts = ["in the morning"] if hour < 12 else []
    elif dayparts:
        parts += ["in the afternoon"] if hour == 12 or hour < 6 else []
        parts += ["in the evening"] if 5 <= hour < 11 else []
        parts += ["at night"] if 8 <= hour < 12 else []
    parts = parts or (_AM if morning else _PM)
    figure = f"{hour}:{minute:02}" if minute else str(hour)
    return Entity(f"{words} {rng.choice(parts)}", f"{figure} {'AM' if morning else 'PM'}")


class _Currency(NamedTuple):
    symbol: str
    one: str
    many: str
    cents: str  # "" where people do not use them
    weight: int


_CURRENCIES = [
    _Currency("$", "dollar", "dollars", "cents", 60),
    _Currency("€", "euro", "euros", "cents", 15),
    _Currency("£", "pound", "pounds", "pence", 12),
    _Currency("$", "buck", "bucks", "", 4),
    _Currency("£", "quid", "quid", "", 3),
    _Currency("¥", "yen", "yen", "", 4),
]


def money(rng: random.Random, free: bool = False, adjective: bool = False) -> Entity:
    """An amount; an `adjective` stands before a noun, as in "a ten dollar bill"."""
    currency = rng.choices(_CURRENCIES, [c.weight for c in _CURRENCIES])[0]
    unit = currency.one if adjective else currency.many
    kind = rng.random()
    if kind < 0.15:
        big = _big(rng, article=not adjective)
        return Entity(f"{big.spoken} {unit}", currency.symbol + big.written)
    n = whole_number(rng) if rng.random() < 0.6 else rng.randint(1, 99)
    if n % 10**6 == 0:
        n += 1000
    if adjective:
        return Entity(f"{say.cardinal(rng, n, article=False)} {unit}", f"{currency.symbol}{n:,}")
    if currency.cents and kind < 0.5:
        return _with_cents(rng, currency, n if kind > 0.2 else 0)
    if kind < 0.53:
        low = rng.randint(1, 20)
        high = low + rng.randint(1, 30)
        words = f"{say.two_digits(low)} to {say.two_digits(high)} {unit}"
        return Entity(words, f"{currency.symbol}{low} to {currency.symbol}{high}")
    unit = currency.one if n == 1 else unit
    return Entity(f"{say_number(rng, n)} {unit}", f"{currency.symbol}{n:,}")


def _with_cents(rng: random.Random, currency: _Currency, n: int) -> Entity:
    """`n` dollars and some cents, or for 0 only cents."""
    cents = rng.choice((50, 99, 25, 75, 95, *(rng.randint(1, 99) for _ in range(5))))
    name = "cent" if cents == 1 and currency.cents == "cents" else currency.cents
    words = say.two_digits(cents)
    written = f"{currency.symbol}{n:,}.{cents:02}"
    if n == 0:  # cents alone are dollar cents
        return Entity(f"{words} {name}", f"{'£' if name == 'pence' else '$'}0.{cents:02}")
    whole = rng.choice(("a ", "one ")) + currency.one
    if n > 1:
        whole = f"{say_number(rng, n)} {currency.many}"
    form = rng.random()
    if form < 0.35 and cents >= 10:
        return Entity(f"{whole} {words}", written)
    return Entity(f"{whole} {'and ' if form < 0.8 else ''}{words} {name}", written)


def percent(rng: random.Random, free: bool = False) -> Entity:
    unit = rng.choice(("percent", "percent", "percent", "per cent"))
    kind = rng.random()
    if kind < 0.04:
        return Entity(f"half a {unit}", "0.5%")
    if kind < 0.06:
        return Entity(f"a quarter of a {unit}", "0.25%")
    if kind < 0.13:
        n = rng.randint(1, 30)
        return Entity(f"{say.two_digits(n)} and a half {unit}", f"{n}.5%")
    if kind < 0.35:
        number = decimal_text(rng, 0, rng.choice((10, 100)), rng.choice((1, 1, 1, 2, 3)))
        number = "-" + number if rng.random() < 0.08 else number
        return Entity(f"{say.decimal(rng, number)} {unit}", number + "%")
    if kind < 0.4:
        low = rng.randint(1, 60)
        high = low + rng.randint(1, 30)
        words = f"{say.two_digits(low)} to {say.two_digits(high)}"
        return Entity(f"{words} {unit}", f"{low} to {high}%")
    n = rng.choice((rng.randint(0, 100), rng.randint(0, 100), rng.randint(1, 9), 100, 50,
                    rng.randint(100, 999), -rng.randint(1, 60)))
    return Entity(f"{say.cardinal(rng, n)} {unit}", f"{n}%")


def decimal(rng: random.Random, free: bool = False) -> Entity:
    places = rng.choices((1, 2, 3, 4, 5), (45, 30, 15, 6, 4))[0]
    number = decimal_text(rng, 0, rng.choice((1, 10, 10, 100, 1000)), places)
    if rng.random() < 0.08:
        number = "-" + number
    return Entity(say.decimal(rng, number), number)


_DENOMINATORS = {
    2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth",
    9: "ninth", 10: "tenth", 12: "twelfth", 16: "sixteenth", 20: "twentieth", 100: "hundredth",
}  # fmt: skip


def _part(rng: random.Random) -> tuple[str, str]:
    """A proper fraction without an article: ("two thirds", "2/3")."""
    below = rng.choices(list(_DENOMINATORS), (10, 25, 25, 10, 4, 4, 8, 3, 6, 2, 2, 2, 2))[0]
    above = rng.randint(1, below - 1) if below < 100 else rng.randint(1, 30)
    name = _DENOMINATORS[below]
    if below == 4 and rng.random() < 0.15:
        name = "fourth"
    words = say.two_digits(above) + " " + name + ("s" if above > 1 else "")
    return words, f"{above}/{below}"


def fraction(rng: random.Random, free: bool = False) -> Entity:
    """A share, to be followed by "of" or a noun."""
    if not free and rng.random() < 0.2:
        below = rng.choice((3, 3, 4, 4, 5, 8, 10))
        return Entity(f"a {_DENOMINATORS[below]}", f"1/{below}")
    return Entity(*_part(rng))


def mixed_fraction(rng: random.Random, free: bool = False) -> Entity:
    n = rng.choice((rng.randint(1, 9), rng.randint(1, 30)))
    if rng.random() < 0.55:
        return Entity(f"{say.two_digits(n)} and {rng.choice(('a', 'a', 'one'))} half", f"{n} 1/2")
    words, figure = _part(rng)
    if words.startswith("one ") and rng.random() < 0.6:
        words = "a " + words.removeprefix("one ")
    return Entity(f"{say.two_digits(n)} and {words}", f"{n} {figure}")
