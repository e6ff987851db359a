"""Writes tests/data/goldens/decode_chain.json: scores before and after the logits processors and the
sampling warpers of transformers, as its generate() assembles them.

    python3 -m pip install -r tools/requirements-golden.txt
    python3 tools/make_decode_goldens.py
"""

import json
import pathlib
import random

import torch
from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

OUTPUT = pathlib.Path(__file__).parent.parent / "tests/data/goldens/decode_chain.json"
SAMPLING = ("temperature", "top_k", "top_p", "min_p")


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
    return model._get_logits_processor(config, input_ids_seq_length=case["prompt_length"])


def finite_or_null(values):
    """JSON has no infinity: null stands for -infinity."""
    return [None if value == float("-inf") else float(f"{value:.9g}") for value in values.tolist()]


def finish(model, case):
    """Fills in what transformers makes of the case."""
    history = torch.tensor([case["history"]])
    scores = torch.tensor([case["scores"]], dtype=torch.float32)
    processed = assemble(model, case, do_sample=False)(history, scores.clone())
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


def warper_case(rng, vocab, options):
    return {
        "options": options,
        "history": [0, 3, 2],
        "prompt_length": 1,
        "max_new_tokens": 20,
        "scores": [round(rng.gauss(0, 2), 3) for _ in range(vocab)],
    }


def main():
    rng = random.Random(20260801)
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=24, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    cases = [processor_case(rng) for _ in range(80)]
    warpers = [
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
    cases += [warper_case(rng, 40, options) for options in warpers]
    cases += [
        warper_case(rng, 1500, options)
        for options in (
            {"top_k": 0, "top_p": 0.9},
            {"top_k": 50, "top_p": 0.9, "temperature": 1.3},
            {"top_k": 0, "temperature": 3.0, "top_p": 0.99},
        )
    ]
    ties = warper_case(rng, 40, {"top_k": 3})
    ties["scores"] = [round(score) * 1.0 for score in ties["scores"]]
    cases.append(ties)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(finish(model, case), separators=(",", ":")) for case in cases)
    OUTPUT.write_text(f'{{"cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
