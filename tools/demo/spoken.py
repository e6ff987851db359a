"""How people say numbers: every function returns words for a number, one of several ways."""

import random

SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen""".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = [(10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand")]
_ORDINAL = dict(
    one="first",
    two="second",
    three="third",
    five="fifth",
    eight="eighth",
    nine="ninth",
    twelve="twelfth",
)


def two_digits(n: int) -> str:
    """0 to 99."""
    if n < 20:
        return SMALL[n]
    return TENS[n // 10] + ("-" + SMALL[n % 10] if n % 10 else "")


def cardinal(rng: random.Random, n: int, article: bool = True) -> str:
    """A whole number. `article` allows "a hundred" for "one hundred"."""
    if n < 0:
        return rng.choice(("minus", "negative")) + " " + cardinal(rng, -n, article=False)
    return _groups(n, "and " if rng.random() < 0.5 else "", article and rng.random() < 0.4)


def _groups(n: int, joiner: str, article: bool) -> str:
    if n < 100:
        return two_digits(n)
    for scale, name in SCALES + [(100, "hundred")]:
        if n < scale:
            continue
        count, rest = divmod(n, scale)
        head = "a" if count == 1 and article else _groups(count, joiner, False)
        words = f"{head} {name}"
        if rest:
            words += " " + (joiner if rest < 100 else "") + _groups(rest, joiner, False)
        return words
    raise AssertionError(n)


def hundreds(n: int) -> str:
    """1100 to 9999 as "twelve hundred"; `n` must be a multiple of 100 but not of 1000."""
    return two_digits(n // 100) + " hundred"


def pairs(rng: random.Random, n: int) -> str:
    """100 to 9999 as in years, flights and house numbers: "two twenty one", "nineteen oh four"."""
    high, low = divmod(n, 100)
    if low == 0:
        return two_digits(high) + " hundred"
    if low < 10:
        return two_digits(high) + " " + rng.choice(("oh", "oh", "zero")) + " " + SMALL[low]
    return two_digits(high) + " " + two_digits(low)


def year(rng: random.Random, n: int) -> str:
    """1010 to 2099."""
    if 2000 <= n < 2010 or (n < 2100 and n >= 2010 and rng.random() < 0.35):
        joiner = "and " if rng.random() < 0.5 else ""
        return "two thousand" + (" " + joiner + two_digits(n % 100) if n % 100 else "")
    return pairs(rng, n)


def ordinal(rng: random.Random, n: int) -> str:
    return to_ordinal(cardinal(rng, n, article=False))


def to_ordinal(words: str) -> str:
    """Turns the last word of a cardinal into its ordinal."""
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINAL:
        return head + _ORDINAL[last]
    if last.endswith("y"):
        return head + last[:-1] + "ieth"
    return head + last + ("h" if last.endswith("t") else "th")


def digits(rng: random.Random, text: str, repeats: bool = False) -> str:
    """Digit by digit; `repeats` allows "double five" and "triple two"."""
    zero = rng.choice(("oh", "zero"))
    words = []
    i = 0
    while i < len(text):
        run = 1
        while i + run < len(text) and text[i + run] == text[i] and run < 3:
            run += 1
        word = zero if text[i] == "0" else SMALL[int(text[i])]
        if repeats and run > 1 and rng.random() < 0.8:
            words.append(("double", "triple")[run - 2] + " " + word)
            i += run
        else:
            words.append(word)
            i += 1
    return " ".join(words)


def decimal(rng: random.Random, text: str, article: bool = True) -> str:
    """A decimal such as "3.14" or "-0.5"."""
    sign = ""
    if text.startswith("-"):
        sign, text = rng.choice(("minus ", "negative ")), text[1:]
    whole, fraction = text.split(".")
    if whole == "0":
        head = rng.choice(("zero ", "zero ", "oh ", "nought ", ""))
    else:
        head = cardinal(rng, int(whole), article) + " "
    return sign + head + "point " + digits(rng, fraction)
