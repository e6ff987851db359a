"""Writes what transformers' beam search with stop strings makes of tiny checkpoints (fp32, CPU):

  tests/data/goldens/<variant>/stops.json   the folder of tests/data/text in whose text the
      stop strings are looked for, and searches as in beams.json

transformers looks at what it takes for the text of each token by itself: a space at the beginning is
there, which a decoded text has not, and so are special tokens. Sources are drawn again where that
makes another candidate stop than the decoded text would.
"""

import os

import transformers
from transformers.generation.stopping_criteria import StopStringCriteria

from beams import MIN_MARGIN, BeamRecorder
from checkpoints import recorder_of
from files import GOLDENS, TEXT, write_cases
from seeds import SEEDS

TOKENIZERS = {"t5_v1_1": "t5_json", "byt5": "byt5"}


class WatchedStops(StopStringCriteria):
    """What generate makes of stop_strings, and whether the decoded text says the same."""

    def __init__(self, tokenizer, stops, prompt_length):
        super().__init__(tokenizer, stops)
        self.tokenizer = tokenizer
        self.prompt_length = prompt_length
        self.agrees = True
        self.hits = 0  # most in one step

    def contains_stop(self, tokens):
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return any(stop in text for stop in self.stop_strings)

    def __call__(self, input_ids, scores, **arguments):
        stopped = super().__call__(input_ids, scores, **arguments)
        for row, hit in zip(input_ids[:, self.prompt_length:], stopped):
            if not self.contains_stop(row[:-1]):
                self.agrees &= self.contains_stop(row) == bool(hit)
        self.hits = max(self.hits, int(stopped.sum()))
        return stopped


class StopRecorder(BeamRecorder):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.tokenizer = None

    def pieces(self, output, prompt_length, count):
        """Parts of the text that is generated without stop strings; of ASCII alone, for what takes
        several of ByT5's tokens transformers does not find."""
        texts = [self.tokenizer.decode(row[prompt_length:], skip_special_tokens=True)
                 for row in output.sequences]
        pieces = set()
        for _ in range(20 * count):
            text = self.rng.choice(texts)
            begin = self.rng.randrange(max(len(text), 1))
            pieces.add(text[begin : begin + self.rng.choice((1, 1, 2, 3))])
        pieces = sorted(piece for piece in pieces if piece and piece.isascii())
        return self.rng.sample(pieces, min(count, len(pieces)))

    def case(self, length, options, count, prefix_length=0):
        prompt_length = 1 + prefix_length
        for _ in range(2000):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length)
            stops = self.pieces(self.search(source, prefix, options), prompt_length, count)
            if len(stops) < count:
                continue
            criterion = WatchedStops(self.tokenizer, stops, prompt_length)
            output = self.search(source, prefix, options, stopping_criteria=[criterion])
            outputs = self.outputs(output, prompt_length, options)
            for each in outputs:
                if each["finish"] == "length" and criterion.contains_stop(each["tokens"]):
                    each["finish"] = "stop"
            stopped = any(each["finish"] == "stop" for each in outputs)
            if criterion.agrees and stopped and self.watch.margin >= MIN_MARGIN:
                break
        else:
            raise RuntimeError(f"no good source of {length} tokens for {options}")
        self.most_hits = criterion.hits / (2 * options["num_beams"])
        return {
            "source": source,
            "prefix": prefix,
            "options": options | {"stop_strings": stops},
            "outputs": outputs,
            "margin": float(f"{self.watch.margin:.3g}"),
        }


def searches():
    """Every width with every way to stop; from one stop string to many, which end most candidates."""
    penalties = (1.0, 0.5, 2.0, -1.0, 0.0)
    cases = []
    for beams in (2, 3, 4, 5, 8, 16):
        for early_stopping in (False, True, "never"):
            number = len(cases)
            options = {
                "num_beams": beams,
                "max_new_tokens": 10 + number % 13,
                "early_stopping": early_stopping,
                "length_penalty": penalties[number % len(penalties)],
                "num_return_sequences": (1, beams, 2)[number % 3],
            }
            cases.append((5 + number, options, (1, 2, 4, 9)[number % 4], 3 * (number % 5 == 4)))
    three = {"num_beams": 3, "num_return_sequences": 3}
    cases += [
        (9, {**three, "max_new_tokens": 20, "min_new_tokens": 20}, 2),
        (9, {**three, "max_new_tokens": 12, "repetition_penalty": 1.3}, 2),
        (9, {**three, "max_new_tokens": 30, "early_stopping": "never", "length_penalty": 2.0}, 3),
    ]
    return cases


def make(name):
    recorder = recorder_of(name, 70 + SEEDS[name]["stops"], StopRecorder)
    folder = TOKENIZERS[name]
    recorder.tokenizer = transformers.AutoTokenizer.from_pretrained(os.path.join(TEXT, folder))
    cases, most_hits = [], []
    for case in searches():
        cases.append(recorder.case(*case))
        most_hits.append(recorder.most_hits)
    write_cases(GOLDENS / name / "stops.json", {"tokenizers": [folder], "searches": cases})
    ends = [output["finish"] for case in cases for output in case["outputs"]]
    return (f"{len(cases)} searches, {ends.count('stop')} of {len(ends)} outputs end with a stop string; "
            f"{sum(hits > 0.5 for hits in most_hits)} had a step in which most candidates ended")
