"""Writes tests/data/goldens/<variant>/processors.json: what transformers makes of the tiny checkpoints
of make_goldens.py and make_bart_goldens.py (fp32, CPU) with the logits processors that compare with
the source or with given sequences, or that look at the length. The cases are like the generations
of cases.json; without its options each has another output.

    python3 -m pip install -r tools/requirements-golden.txt
    python3 tools/make_processor_goldens.py [VARIANT...]
"""

import sys

import torch
import transformers

import make_bart_goldens
import make_goldens
from make_goldens import GOLDENS, MIN_MARGIN, Recorder, compact

VARIANTS = ("t5_v1_1", "mt5", "umt5", "byt5", "bart", "mbart25", "mbart50", "marian", "m2m100",
            "nllb", "pegasus", "plbart", "blenderbot", "madlad")
ADDED = ("madlad",)  # behind the others, which keep their seeds


class ProcessorRecorder(Recorder):
    def changed(self, length, options, prefix_length=0):
        """A case with options(tokens), which are those generated without any."""
        for _ in range(500):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length + 1)[:-1]
            plain = self.outcome(source, prefix, {"max_new_tokens": 24})
            if len(plain["tokens"]) < 6:
                continue
            case = self.outcome(source, prefix, options(plain["tokens"]))
            if case["margin"] >= MIN_MARGIN and case["tokens"] != plain["tokens"]:
                return case
        raise RuntimeError(f"no good source of {length} tokens for {options([0] * 6)}")


def cases(recorder):
    """Each option alone, then all of them, with and without prefix."""
    eos = recorder.eos
    make = lambda length, options, prefix_length=0: recorder.changed(
        length, lambda tokens: {"max_new_tokens": 24, **options(tokens)}, prefix_length
    )
    some = lambda count: recorder.rng.sample(recorder.target_range, count)
    a, b, c = some(3)
    return [
        make(20, lambda t: {"encoder_repetition_penalty": 1.8}),
        make(40, lambda t: {"encoder_repetition_penalty": 0.6}, 2),
        make(60, lambda t: {"encoder_no_repeat_ngram_size": 1}),
        make(150, lambda t: {"encoder_no_repeat_ngram_size": 2}),
        make(150, lambda t: {"encoder_no_repeat_ngram_size": 2}, 3),
        make(9, lambda t: {"bad_words_ids": [t[:1], [a]]}),
        make(9, lambda t: {"bad_words_ids": [[eos], t[0:2], t[3:6], t[1:4]]}),
        make(17, lambda t: {"bad_words_ids": [t[0:3], t[2:4], [t[-1], eos]]}, 3),
        make(9, lambda t: {"sequence_bias": [[t[:1], -5.0], [t[1:3], -8.0]]}),
        make(9, lambda t: {"sequence_bias": [[[a], 3.0], [[a, b], 20.0], [[t[0], c], 9.5]]}, 1),
        # Two biases on one token.
        make(9, lambda t: {"sequence_bias": [[[t[0], b], 30.0], [[b], -2.5], [[a, c], 1.0]]}),
        make(12, lambda t: {"exponential_decay_length_penalty": [3, 1.3], "max_new_tokens": 40}),
        make(12, lambda t: {"exponential_decay_length_penalty": [0, 1.1], "max_new_tokens": 40}, 2),
        make(6, lambda t: {"forced_bos_token_id": a, "bad_words_ids": [[a], t[1:2]]}),
        make(
            30,
            lambda t: {
                "encoder_repetition_penalty": 1.2,
                "encoder_no_repeat_ngram_size": 2,
                "repetition_penalty": 1.3,
                "no_repeat_ngram_size": 3,
                "bad_words_ids": [t[:2], [c]],
                "sequence_bias": [[[a], 1.5], [t[2:4], -4.0]],
                "exponential_decay_length_penalty": [5, 1.05],
                "suppress_tokens": [b],
            },
            2,
        ),
    ]


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    known = [(make_goldens, variant, None, None) for variant in make_goldens.VARIANTS]
    known += [(make_bart_goldens, variant, variant.ordinary, variant.target)
              for variant in make_bart_goldens.VARIANTS]
    known.sort(key=lambda entry: entry[1].name in ADDED)
    for seed, (module, variant, ordinary, target) in enumerate(known):
        if variant.name not in VARIANTS or variant.name not in (sys.argv[1:] or VARIANTS):
            continue
        folder = GOLDENS / variant.name
        model_class = module.CLASSES[variant.family][1]
        recorder = ProcessorRecorder(model_class, folder, seed, ordinary, target)
        path = folder / "processors.json"
        path.write_text(compact({"generations": cases(recorder)}))
        print(f"{variant.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
