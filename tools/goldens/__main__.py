"""Makes the goldens: what transformers gives for what the tests ask of Transept.

    python3 -m pip install -r tools/goldens/requirements.txt
    python3 tools/goldens [--only KIND]... [VARIANT...]

Without arguments it makes everything under tests/data but the demo's cases, the same on every run.
That takes some twenty minutes of one core. With variants it makes what is of these checkpoints alone;
with --only those kinds, whole if they are of no checkpoint. Each kind has a module whose head says
which files it writes, and what their values rest on. A checkpoint is made in an empty folder: what is
made of it must follow.
"""

import argparse
import time
import warnings

import torch
import transformers

import beams
import checkpoints
import decode_chain
import processors
import samples
import scores
import stops
import text
import translation
from seeds import SEEDS


def having(kind):
    return [name for name, seeds in SEEDS.items() if kind in seeds]


# What makes a kind, and of which variants; none where it is one for all. In an order in which all that
# a kind needs is there before it.
KINDS = {
    "checkpoints": (checkpoints.make, list(checkpoints.VARIANTS)),
    "text": (text.make, []),
    "translation": (translation.make, []),
    "decode_chain": (decode_chain.make, []),
    "beams": (beams.make, having("beams")),
    "beam_steps": (beams.make_steps, []),
    "processors": (processors.make, having("processors")),
    "samples": (samples.make, having("samples")),
    "scores": (scores.make, having("scores")),
    "stops": (stops.make, having("stops")),
}


def chosen(kinds, variants):
    """A title, a function and its arguments for each of the parts to make."""
    for kind, (make, known) in KINDS.items():
        if kind in kinds or not kinds and (known or not variants):
            for name in known:
                if name in variants or not variants:
                    yield f"{kind} of {name}", make, (name,)
            if not known:
                yield kind, make, ()


def one_of(known):
    def check(name):
        if name not in known:
            raise argparse.ArgumentTypeError(f"no {name}; there are {', '.join(known)}")
        return name

    return check


def main():
    parser = argparse.ArgumentParser(
        prog="tools/goldens", description="Makes the goldens under tests/data.")
    parser.add_argument("--only", metavar="KIND", action="append", default=[], type=one_of(KINDS),
                        help="of: " + ", ".join(KINDS))
    parser.add_argument("variants", metavar="VARIANT", nargs="*", type=one_of(checkpoints.VARIANTS),
                        help="of: " + ", ".join(checkpoints.VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")  # what transformers advises its users
    parts = list(chosen(arguments.only, arguments.variants))
    if not parts:
        parser.error("of these variants there are no such goldens: see tools/goldens/seeds.py")
    start = time.monotonic()
    for title, make, names in parts:
        begin = time.monotonic()
        summary = make(*names)
        print(f"{title}: {summary}; {time.monotonic() - begin:.1f} s", flush=True)
    print(f"made in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
