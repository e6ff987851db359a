"""Measures as (spoken, written) pairs: a number and an abbreviated unit."""

import random
from typing import NamedTuple

import spoken as say
from entities import Entity, decimal_text, say_number, whole_number


class _Unit(NamedTuple):
    one: str
    many: str
    short: str
    gap: str = " "


_LENGTHS = [
    _Unit("kilometer", "kilometers", "km"), _Unit("kilometre", "kilometres", "km"),
    _Unit("meter", "meters", "m"), _Unit("metre", "metres", "m"),
    _Unit("centimeter", "centimeters", "cm"), _Unit("millimeter", "millimeters", "mm"),
    _Unit("mile", "miles", "mi"), _Unit("foot", "feet", "ft"), _Unit("inch", "inches", "in"),
    _Unit("yard", "yards", "yd"),
]  # fmt: skip
_WEIGHTS = [
    _Unit("kilogram", "kilograms", "kg"), _Unit("kilo", "kilos", "kg"), _Unit("gram", "grams", "g"),
    _Unit("milligram", "milligrams", "mg"), _Unit("ounce", "ounces", "oz"),
]  # fmt: skip
_POUND = _Unit("pound", "pounds", "lb")
_VOLUMES = [
    _Unit("liter", "liters", "L"), _Unit("litre", "litres", "L"),
    _Unit("milliliter", "milliliters", "mL"), _Unit("gallon", "gallons", "gal"),
]  # fmt: skip
_AREAS = [
    _Unit("square meter", "square meters", "sq m"), _Unit("square foot", "square feet", "sq ft"),
    _Unit("square kilometer", "square kilometers", "sq km"),
    _Unit("square mile", "square miles", "sq mi"), _Unit("hectare", "hectares", "ha"),
    _Unit("cubic meter", "cubic meters", "cu m"),
]  # fmt: skip
_SPEEDS = [
    _Unit("kilometer per hour", "kilometers per hour", "km/h"),
    _Unit("kilometer an hour", "kilometers an hour", "km/h"),
    _Unit("mile per hour", "miles per hour", "mph"), _Unit("mile an hour", "miles an hour", "mph"),
    _Unit("meter per second", "meters per second", "m/s"),
]  # fmt: skip
_TEMPERATURES = [
    _Unit("degree celsius", "degrees celsius", "°C"),
    _Unit("degree Celsius", "degrees Celsius", "°C"),
    _Unit("degree Fahrenheit", "degrees Fahrenheit", "°F"), _Unit("degree", "degrees", "°", ""),
]  # fmt: skip
_TECHNICAL = [
    _Unit("gigabyte", "gigabytes", "GB"), _Unit("megabyte", "megabytes", "MB"),
    _Unit("terabyte", "terabytes", "TB"), _Unit("kilobyte", "kilobytes", "KB"),
    _Unit("gigahertz", "gigahertz", "GHz"), _Unit("megahertz", "megahertz", "MHz"),
    _Unit("hertz", "hertz", "Hz"), _Unit("kilowatt", "kilowatts", "kW"),
    _Unit("kilowatt hour", "kilowatt hours", "kWh"), _Unit("megawatt", "megawatts", "MW"),
    _Unit("watt", "watts", "W"), _Unit("volt", "volts", "V"),
    _Unit("millisecond", "milliseconds", "ms"), _Unit("decibel", "decibels", "dB"),
]  # fmt: skip


def _with_unit(rng: random.Random, unit: _Unit, negative: bool = False) -> Entity:
    kind = rng.random()
    if kind < 0.2:
        number = decimal_text(rng, 0, rng.choice((10, 100)), rng.choice((1, 1, 2)))
        if negative and rng.random() < 0.3:
            number = "-" + number
        words = say.decimal(rng, number)
    elif kind < 0.28:
        n = rng.randint(1, 40)
        number, words = f"{n}.5", f"{say.two_digits(n)} and a half"
    elif kind < 0.32:
        low = rng.randint(1, 30)
        high = low + rng.randint(1, 20)
        number, words = f"{low} to {high}", f"{say.two_digits(low)} to {say.two_digits(high)}"
    elif kind < 0.34:
        number, words = rng.choice((("100", "the hundred"), ("1,000", "the thousand")))
        return Entity(f"{words} {unit.many}", f"the {number}{unit.gap}{unit.short}")
    else:
        n = rng.choice((whole_number(rng), rng.randint(1, 9), rng.randint(1, 99))) % 10**6 or 1
        n = -n if negative and n < 100 and rng.random() < 0.4 else n
        number = f"{n:,}"
        words = "one" if n == 1 else say_number(rng, n)
    name = unit.one if number == "1" else unit.many
    return Entity(f"{words} {name}", f"{number}{unit.gap}{unit.short}")


def length(rng: random.Random, free: bool = False) -> Entity:
    if rng.random() < 0.18:
        return height(rng)
    return _with_unit(rng, rng.choice(_LENGTHS))


def height(rng: random.Random, free: bool = False) -> Entity:
    feet, inches = rng.randint(1, 9), rng.randint(1, 11)
    words = say.SMALL[feet] + rng.choice((" foot ", " foot ", " feet ")) + say.SMALL[inches]
    if "feet" in words or rng.random() < 0.3:
        words += " inch" if inches == 1 else " inches"
    return Entity(words, f"{feet} ft {inches} in")


def weight(rng: random.Random, free: bool = False) -> Entity:
    if not free and rng.random() < 0.3:
        if rng.random() < 0.25:
            pounds, ounces = rng.randint(2, 20), rng.randint(2, 15)
            words = f"{say.two_digits(pounds)} pounds {say.two_digits(ounces)} ounces"
            return Entity(words, f"{pounds} lb {ounces} oz")
        return _with_unit(rng, _POUND)
    return _with_unit(rng, rng.choice(_WEIGHTS))


def volume(rng: random.Random, free: bool = False) -> Entity:
    return _with_unit(rng, rng.choice(_VOLUMES))


def area(rng: random.Random, free: bool = False) -> Entity:
    return _with_unit(rng, rng.choice(_AREAS))


def speed(rng: random.Random, free: bool = False) -> Entity:
    return _with_unit(rng, rng.choice(_SPEEDS))


def temperature(rng: random.Random, free: bool = False) -> Entity:
    return _with_unit(rng, rng.choice(_TEMPERATURES), negative=True)


def technical(rng: random.Random, free: bool = False) -> Entity:
    return _with_unit(rng, rng.choice(_TECHNICAL))


KINDS = (length, weight, volume, area, speed, temperature, technical)


def measure(rng: random.Random, free: bool = False) -> Entity:
    return rng.choice(KINDS)(rng, free)


def measure_adjective(rng: random.Random, free: bool = False) -> Entity:
    """For use before a noun: "a five kilometer run"."""
    unit = rng.choice(_LENGTHS + _WEIGHTS + [_POUND] + _VOLUMES + _TECHNICAL)
    n = rng.choice((rng.randint(2, 9), rng.randint(10, 99), rng.choice((100, 100, 200, 250, 500))))
    words = say.cardinal(rng, n, article=False)
    if n == 100 and rng.random() < 0.5:
        words = "hundred"
    return Entity(f"{words} {unit.one}", f"{n}{unit.gap}{unit.short}")
