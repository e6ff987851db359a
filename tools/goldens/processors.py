"""Writes tests/data/goldens/<variant>/processors.json: what transformers makes of the tiny checkpoints
(fp32, CPU) with the logits processors that compare with the source or with given sequences, or that
look at the length, and with all processors at once.

  generations  greedy, like those of cases.json
  searches     like those of beams.json

Without its processors each case has another output.
"""

import beams
from beams import BeamRecorder
from checkpoints import recorder_of
from files import GOLDENS, write_cases
from recorder import MIN_MARGIN, Recorder
from seeds import SEEDS


def within_target(recorder):
    """The recorder, with sources of tokens that the target has too: transformers fails where
    processors look for another one among its scores."""
    recorder.source_range = recorder.target_range
    return recorder


def is_refused(options):
    """transformers takes no bias on a sequence with token 0."""
    return any(0 in tokens for tokens, _ in options.get("sequence_bias", []))


class ProcessorRecorder(Recorder):
    def changed(self, length, options, prefix_length=0):
        """A case with options(tokens), which are those generated without any."""
        for _ in range(500):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length + 1)[:-1]
            plain = self.outcome(source, prefix, {"max_new_tokens": 24})
            if len(plain["tokens"]) < 6:
                continue
            given = options(plain["tokens"])
            if is_refused(given):
                continue
            case = self.outcome(source, prefix, given)
            if case["margin"] >= MIN_MARGIN and case["tokens"] != plain["tokens"]:
                return case
        raise RuntimeError(f"no good source of {length} tokens for {options([0] * 6)}")


class ProcessedBeamRecorder(BeamRecorder):
    def search(self, *arguments, **more):
        """NaN, which transformers makes of a banned EOS that exponential_decay_length_penalty
        raises, is nothing to compare with."""
        output = super().search(*arguments, **more)
        if any(scores.isnan().any() for scores in output.scores):
            self.watch.margin = 0
        return output

    def changed(self, length, plain_options, options, prefix_length=0):
        """A case with options(tokens), which are the best output with plain_options alone."""
        for _ in range(1000):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length)
            plain = self.searched(source, prefix, plain_options)["outputs"]
            tokens = plain[0]["tokens"]
            if len(tokens) < 6:
                continue
            given = {**plain_options, **options(tokens)}
            if is_refused(given):
                continue
            case = self.searched(source, prefix, given)
            differs = [each["tokens"] for each in case["outputs"]] != [
                each["tokens"] for each in plain]
            if self.watch.margin >= beams.MIN_MARGIN and differs:
                return case
        raise RuntimeError(f"no good source of {length} tokens for {options([0] * 6)}")


def everything(recorder, tokens):
    """All processors in one request. What is generated within `min_new_tokens` is not yet subject to
    the decay, which would make NaN of a banned EOS."""
    picked = recorder.rng.sample(recorder.target_range, 12)
    return {
        "max_new_tokens": 18,
        "min_new_tokens": 4,
        "encoder_repetition_penalty": 1.3,
        "encoder_no_repeat_ngram_size": 3,
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 2,
        "bad_words_ids": [tokens[:2], picked[:1]],
        "sequence_bias": [[picked[1:2], 1.5], [tokens[2:4], -4.0]],
        "exponential_decay_length_penalty": [5, 1.1],
        "suppress_tokens": picked[2:6],
        "begin_suppress_tokens": picked[6:9],
        "forced_bos_token_id": picked[9],
        "forced_eos_token_id": recorder.eos,
        "eos_token_ids": [recorder.eos] + picked[10:],
    }


def searches(recorder):
    """Each option alone under beams of every width, then in company."""
    eos = recorder.eos
    a, b, c = recorder.rng.sample(recorder.target_range, 3)

    def make(length, beams, options, prefix_length=0, **more):
        plain = {"num_beams": beams, "max_new_tokens": 14, "num_return_sequences": 2, **more}
        return recorder.changed(length, plain, options, prefix_length)

    return [
        make(12, 2, lambda t: {"encoder_repetition_penalty": 1.8}),
        make(25, 3, lambda t: {"encoder_repetition_penalty": 0.6}, 2, early_stopping=True),
        make(40, 4, lambda t: {"encoder_no_repeat_ngram_size": 1}, length_penalty=0.5),
        make(60, 5, lambda t: {"encoder_no_repeat_ngram_size": 2}, 3, early_stopping="never"),
        make(9, 6, lambda t: {"bad_words_ids": [t[:1], [a]]}, early_stopping=True),
        make(9, 7, lambda t: {"bad_words_ids": [[eos], t[0:2], t[3:6], t[1:4]]}),
        make(14, 3, lambda t: {"bad_words_ids": [t[0:3], t[2:4], [t[-1], eos]]}, 3),
        make(9, 8, lambda t: {"sequence_bias": [[t[:1], -5.0], [t[1:3], -8.0]]}),
        make(9, 2, lambda t: {"sequence_bias": [[[a], 6.0], [[a, b], 20.0], [[t[0], c], 15.0]]}, 1),
        # Two biases on one token.
        make(9, 4, lambda t: {"sequence_bias": [[[t[0], b], 30.0], [[b], -2.5], [[a, c], 1.0]]},
             renormalize_logits=True),
        # On log-probabilities the decay takes EOS beyond 0.
        make(12, 4, lambda t: {"exponential_decay_length_penalty": [3, 1.3]}, max_new_tokens=24),
        make(12, 5, lambda t: {"exponential_decay_length_penalty": [0, 1.1]}, 2, max_new_tokens=24,
             renormalize_logits=True, early_stopping="never"),
        make(7, 3, lambda t: {"exponential_decay_length_penalty": [6, 1.5], "min_length": 8,
                              "encoder_repetition_penalty": 1.2}, 1, length_penalty=-0.5),
        make(6, 5, lambda t: {"forced_bos_token_id": a, "bad_words_ids": [[a], t[1:2]],
                              "begin_suppress_tokens": t[:6]}),
        make(20, 6, lambda t: {"encoder_no_repeat_ngram_size": 2, "no_repeat_ngram_size": 2,
                               "sequence_bias": [[[c], 1.5], [t[2:4], -4.0]],
                               "suppress_tokens": [b]}, early_stopping=True, length_penalty=2.0),
        make(30, 4, lambda t: everything(recorder, t), 2, num_return_sequences=4),
        make(16, 7, lambda t: everything(recorder, t), renormalize_logits=True,
             length_penalty=0.7),
        make(16, 8, lambda t: everything(recorder, t), early_stopping="never"),
    ]


def cases(recorder):
    """Each option alone, then in company, with and without prefix."""
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
        make(12, lambda t: everything(recorder, t)),
        make(30, lambda t: everything(recorder, t), 2),
        make(10, lambda t: {"exponential_decay_length_penalty": [6, 1.5], "min_length": 8,
                            "encoder_repetition_penalty": 1.2, "begin_suppress_tokens": t[:6]}, 1),
        make(15, lambda t: {"forced_bos_token_id": b, "forced_eos_token_id": eos,
                            "max_new_tokens": 9, "sequence_bias": [[[b, t[1]], 25.0]],
                            "encoder_no_repeat_ngram_size": 1}),
    ]


def make(name):
    seed = SEEDS[name]["processors"]
    greedy = within_target(recorder_of(name, seed, ProcessorRecorder))
    searching = within_target(recorder_of(name, 200 + seed, ProcessedBeamRecorder))
    made = {"generations": cases(greedy), "searches": searches(searching)}
    write_cases(GOLDENS / name / "processors.json", made)
    return f"{len(made['generations'])} generations, {len(made['searches'])} searches"
