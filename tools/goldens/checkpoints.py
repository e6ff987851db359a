"""Writes tests/data/goldens/<variant>/: a tiny random checkpoint of every variant of t5.py and bart.py
as it lies on disk, and cases.json with what transformers makes of it (fp32, CPU).

cases.json holds
  encodings    for a source: rows of the encoder's output (all of them for short sources), and mean
               and root mean square over the whole of it
  steps        for a source: the raw logits of the first decoder steps
  rounding     for a half-precision type: how far log-probabilities are off when transformers
               computes those steps in it, fed the same tokens. The median over the steps of a
               step's root mean square, and the largest of all: where attention is nearly
               undecided, rounding decides, so few steps make most of the error
  generations  for source, target prefix and options: the generated tokens (the final EOS left out),
               why they end, the sum of their log-probabilities, and the smallest margin between
               the best and the second best score of a step. Sources are drawn again until the
               margin is far above rounding noise, so that tokens can be compared exactly, and
               the output is more than one token over and over if possible.
"""

import torch

import bart
import t5
from files import write_cases
from recorder import Recorder

HALF_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
# By its name, each variant, what writes its checkpoint, and the first seed for that.
VARIANTS = {variant.name: (variant, module.checkpoint, seed)
            for module in (t5, bart) for seed, variant in enumerate(module.VARIANTS)}


def recorder_of(name, seed, recorder_class=Recorder):
    return recorder_class(VARIANTS[name][0], seed)


@torch.no_grad()
def rounding(recorder, name, steps):
    """The error that transformers makes by computing `steps` in the half-precision type `name`."""
    model = recorder.variant.load(HALF_TYPES[name])
    errors = []
    for case in steps:
        logits = model(
            torch.tensor([case["source"]]),
            decoder_input_ids=torch.tensor([[recorder.start] + case["tokens"][:-1]]),
            use_cache=False,
        ).logits[0]
        expected = torch.tensor(case["logits"])
        errors.append(logits.float().log_softmax(-1) - expected.log_softmax(-1))
    error = torch.cat(errors)
    return {
        "dtype": name,
        "median": float(f"{error.square().mean(-1).sqrt().quantile(0.5):.3g}"),
        "largest": float(f"{error.abs().max():.3g}"),
    }


def generations(recorder):
    """Greedy at every length, then each option, alone and in company, with and without prefix."""
    make = recorder.generation
    eos = recorder.eos
    some = lambda count: recorder.rng.sample(recorder.target_range, count)
    cases = [make(length, {"max_new_tokens": 24}) for length in (1, 2, 3, 7, 16, 17, 33, 64, 200)]
    # Past the largest relative distance, and across many cache blocks.
    cases.append(make(129, {"max_new_tokens": 150, "min_new_tokens": 150}))
    cases.append(make(5, {}))
    cases.append(make(5, {"max_length": 9}))
    cases.append(make(31, {"max_length": 30, "min_length": 20}, prefix_length=4))
    cases.append(make(8, {"max_new_tokens": 1}))
    cases.append(make(11, {"max_new_tokens": 20}, prefix_length=1))
    cases.append(make(40, {"max_new_tokens": 20}, prefix_length=17))
    cases.append(make(12, {"max_new_tokens": 30, "min_new_tokens": 30}))
    cases.append(make(12, {"max_new_tokens": 24, "repetition_penalty": 1.5}))
    cases.append(make(12, {"max_new_tokens": 24, "repetition_penalty": 0.8}, prefix_length=3))
    cases.append(make(20, {"max_new_tokens": 24, "no_repeat_ngram_size": 1}))
    cases.append(make(20, {"max_new_tokens": 24, "no_repeat_ngram_size": 2}, prefix_length=2))
    cases.append(make(9, {"max_new_tokens": 24, "suppress_tokens": some(40)}))
    cases.append(make(9, {"max_new_tokens": 24, "begin_suppress_tokens": some(60)}))
    cases.append(make(9, {"max_new_tokens": 24, "begin_suppress_tokens": some(60)}, 2))
    cases.append(make(9, {"max_new_tokens": 24, "eos_token_ids": [eos] + some(9)}))
    cases.append(make(6, {"max_new_tokens": 10, "forced_bos_token_id": some(1)[0]}))
    cases.append(make(6, {"max_new_tokens": 10, "forced_bos_token_id": some(1)[0]}, 2))
    cases.append(make(6, {"max_new_tokens": 6, "forced_eos_token_id": eos}))
    picked = some(13)  # transformers refuses to force a token that is suppressed
    cases.append(
        make(
            25,
            {
                "max_new_tokens": 40,
                "min_new_tokens": 6,
                "repetition_penalty": 1.2,
                "no_repeat_ngram_size": 3,
                "suppress_tokens": picked[:5],
                "begin_suppress_tokens": picked[5:10],
                "forced_bos_token_id": picked[10],
                "forced_eos_token_id": eos,
                "eos_token_ids": [eos] + picked[11:],
            },
        )
    )
    if positions := getattr(recorder.model.config, "max_position_embeddings", None):
        # All of them: the last token takes none.
        cases.append(make(7, {"max_new_tokens": positions, "min_new_tokens": positions}))
        cases.append(make(7, {"max_new_tokens": 1}, prefix_length=positions - 1))
    return cases


def varied(cases):
    """Whether outputs depend on the source and differ: the goldens would prove little otherwise."""
    greedy = [tuple(case["tokens"]) for case in cases["generations"][:9]]
    return len(set(greedy)) >= 8 and len({token for tokens in greedy for token in tokens}) >= 18


def record(recorder):
    """What cases.json holds."""
    encodings = [recorder.encoding(length) for length in (1, 3, 30, 200)]
    steps = [recorder.steps(length) for length in (1, 14, 150)]
    return {
        "encodings": encodings,
        "steps": steps,
        "rounding": [rounding(recorder, name, steps) for name in HALF_TYPES],
        "generations": generations(recorder),
    }


def make(name):
    """Makes the variant's folder anew, with one seed after the other until outputs vary."""
    variant, checkpoint, first = VARIANTS[name]
    for seed in range(first, first + 1000, 100):
        cases = record(checkpoint(variant, seed))
        if varied(cases):
            break
    else:
        raise RuntimeError(f"{name}: no seed gives outputs that vary")
    write_cases(variant.folder / "cases.json", cases)
    for path in variant.folder.iterdir():
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in variant.folder.iterdir())
    ends = [case["finish"] for case in cases["generations"]]
    return f"{size // 1000} kB, {ends.count('eos')} of {len(ends)} end with EOS"
