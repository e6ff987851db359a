"""Writes tests/data/goldens/decode_chain.json: scores before and after the logits processors and the
sampling warpers of transformers, as its generate() assembles them.
"""

import random

import torch
from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

from files import GOLDENS, write_cases

SAMPLING = (
    "temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"
)


def assemble(model, case, do_sample):
    """The processors that generate() would use for this case."""
    options = dict(case["options"])
    config = GenerationConfig(
        eos_token_id=options.pop("eos_token_ids", [1]),
        pad_token_id=0,
        decoder_start_token_id=0,
        do_sample=do_sample,
        **options,
    )
    # What generate() does to the lengths.
    config.max_length = case["prompt_length"] + case["max_new_tokens"]
    if config.min_new_tokens is not None:
        config.min_length = config.min_new_tokens + case["prompt_length"]
    model._prepare_special_tokens(config, device="cpu")
    return model._get_logits_processor(
        config,
        input_ids_seq_length=case["prompt_length"],
        encoder_input_ids=torch.tensor([case.get("source", [])], dtype=torch.long),
    )


def finite_or_null(values):
    """JSON has no infinity: null stands for -infinity."""
    return [None if value == float("-inf") else float(f"{value:.9g}") for value in values.tolist()]


def finish(model, case):
    """Fills in what transformers makes of the case. None where that is NaN: a banned EOS that
    exponential_decay_length_penalty raises."""
    history = torch.tensor([case["history"]])
    scores = torch.tensor([case["scores"]], dtype=torch.float32)
    processed = assemble(model, case, do_sample=False)(history, scores.clone())
    if processed.isnan().any():
        return None
    if not torch.equal(processed, scores):
        case["processed"] = finite_or_null(processed[0])
    case["greedy"] = int(processed.argmax())
    if any(name in case["options"] for name in SAMPLING) and processed.max() > float("-inf"):
        warped = assemble(model, case, do_sample=True)(history, scores.clone())
        probabilities = enumerate(warped.softmax(-1)[0].tolist())
        case["probabilities"] = [[i, float(f"{p:.7g}")] for i, p in probabilities if p > 0]
    return case


def random_options(rng, vocab):
    token = lambda: rng.randrange(vocab)
    tokens = lambda: [token() for _ in range(rng.randint(1, 4))]
    menu = {
        "repetition_penalty": lambda: rng.choice([0.5, 1.3, 2.5]),
        "no_repeat_ngram_size": lambda: rng.randint(1, 3),
        "min_new_tokens": lambda: rng.randint(1, 6),
        "min_length": lambda: rng.randint(1, 8),
        "forced_bos_token_id": token,
        "forced_eos_token_id": token,
        "suppress_tokens": tokens,
        "begin_suppress_tokens": tokens,
        "eos_token_ids": tokens,
    }
    return {name: menu[name]() for name in rng.sample(sorted(menu), rng.randint(1, 4))}


# Tokens of which few are in use, so that sequences and n-grams come up.
SOME = range(1, 5)


def sequence(rng):
    return [rng.choice(SOME) for _ in range(rng.choice([1, 1, 2, 2, 3]))]


def more_options(rng, vocab):
    """At least one option that random_options() lacks."""
    menu = {
        "encoder_repetition_penalty": lambda: rng.choice([0.5, 1.4, 3.0]),
        "encoder_no_repeat_ngram_size": lambda: rng.randint(1, 4),
        # A token of its own first: transformers fails when only [eos] is left.
        "bad_words_ids": lambda: [[vocab - 1]] + [sequence(rng) for _ in range(rng.randint(0, 4))],
        "sequence_bias": lambda: [
            [sequence(rng), round(rng.gauss(0, 3), 2)] for _ in range(rng.randint(1, 6))
        ],
        "exponential_decay_length_penalty": lambda: (rng.randint(0, 3), rng.choice([0.8, 1.1, 2.0])),
    }
    options = random_options(rng, vocab) if rng.random() < 0.6 else {}
    # transformers refuses to force what it suppresses.
    if any(options.get(name) in options.get("suppress_tokens", [])
           for name in ("forced_bos_token_id", "forced_eos_token_id")):
        del options["suppress_tokens"]
    return options | {name: menu[name]() for name in rng.sample(sorted(menu), rng.randint(1, 3))}


def source_case(rng):
    """A case whose target has much in common with its source."""
    case = processor_case(rng)
    vocab = len(case["scores"])
    return case | {
        "options": more_options(rng, vocab),
        "source": [rng.choice(SOME) for _ in range(rng.randint(1, 9))] + [1],
    }


def processor_case(rng):
    vocab = rng.choice([13, 24])
    prompt_length = rng.choice([1, 1, 1, 2, 3])
    generated = rng.choice([0, 0, 1, 2, 4, 5])
    return {
        "options": random_options(rng, vocab),
        # Few distinct tokens: repeated n-grams are likely.
        "history": [rng.randrange(4) for _ in range(prompt_length + generated)],
        "prompt_length": prompt_length,
        "max_new_tokens": rng.choice([6, 9]),
        "scores": [round(rng.gauss(0, 3), 3) for _ in range(vocab)],
    }


WARPERS = [
    {"temperature": 0.7},
    {"temperature": 2.0, "top_k": 0},
    {"top_k": 5},
    {"top_k": 1},
    {"top_k": 400},
    {"top_k": 0, "top_p": 0.8},
    {"top_k": 0, "top_p": 0.05},
    {"top_k": 0, "min_p": 0.2},
    {"top_k": 0, "min_p": 1.0},
    {"temperature": 1.5, "top_k": 12, "top_p": 0.9, "min_p": 0.1},
    {"temperature": 0.5, "top_k": 0, "top_p": 0.95, "repetition_penalty": 1.8},
    {"top_k": 7, "top_p": 0.999, "suppress_tokens": [4, 5, 6], "min_new_tokens": 5},
]
OF_MANY_TOKENS = [
    {"top_k": 0, "top_p": 0.9},
    {"top_k": 50, "top_p": 0.9, "temperature": 1.3},
    {"top_k": 0, "temperature": 3.0, "top_p": 0.99},
]
MORE_WARPERS = [
    {"top_k": 0, "typical_p": 0.3},
    {"top_k": 0, "typical_p": 0.9},
    {"top_k": 0, "typical_p": 0.999},
    {"top_k": 6, "typical_p": 0.01},
    {"top_k": 0, "epsilon_cutoff": 0.02},
    {"top_k": 0, "epsilon_cutoff": 0.9},
    {"top_k": 0, "eta_cutoff": 0.02},
    {"top_k": 0, "eta_cutoff": 0.6},
    {"temperature": 1.7, "top_k": 20, "top_p": 0.95, "typical_p": 0.8},
    {"temperature": 0.6, "top_k": 0, "min_p": 0.01, "typical_p": 0.7, "epsilon_cutoff": 0.05},
    {"top_k": 0, "typical_p": 0.4, "epsilon_cutoff": 0.1, "eta_cutoff": 0.2},
    {"top_k": 0, "typical_p": 0.95, "repetition_penalty": 1.8, "suppress_tokens": [4, 5]},
]
MORE_OF_MANY_TOKENS = [
    {"top_k": 0, "typical_p": 0.6},
    {"top_k": 0, "eta_cutoff": 0.009, "temperature": 0.7},
]


def warper_case(rng, vocab, options):
    return {
        "options": options,
        "history": [0, 3, 2],
        "prompt_length": 1,
        "max_new_tokens": 20,
        "scores": [round(rng.gauss(0, 2), 3) for _ in range(vocab)],
    }


def warper_cases(rng, of_few, of_many):
    return [warper_case(rng, vocab, options)
            for vocab, choices in ((40, of_few), (1500, of_many)) for options in choices]


def make():
    rng, more = random.Random(20260801), random.Random(20261122)
    cases = [processor_case(rng) for _ in range(80)]
    cases += warper_cases(rng, WARPERS, OF_MANY_TOKENS)
    cases += warper_cases(more, MORE_WARPERS, MORE_OF_MANY_TOKENS)
    cases += [source_case(more) for _ in range(70)]
    ties = warper_case(rng, 40, {"top_k": 3})
    ties["scores"] = [round(score) * 1.0 for score in ties["scores"]]
    cases.append(ties)
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=24, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    finished = [finish(model, case) for case in cases]
    made = [case for case in finished if case]
    write_cases(GOLDENS / "decode_chain.json", {"cases": made})
    return f"{len(made)} cases"
