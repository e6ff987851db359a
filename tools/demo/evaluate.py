#!/usr/bin/env python3
"""Exact match of a model folder on generated sentences, per class, and on the handwritten ones.

Computes in fp32, greedily. A sentence counts only if its whole text is right.
"""

import argparse
import collections
import itertools
import pathlib

import torch
import transformers

from generate import CLASSES, Example, examples

# Sentences of the person who wrote the rules: "handwritten" dates from before any training,
# "looked_at" showed what to improve between the first training and the second.
FILES = ("handwritten", "looked_at")


@torch.inference_mode()
def translate(model, tokenizer, texts: list[str], batch: int = 256) -> list[str]:
    """Greedy outputs in the order of `texts`."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    outputs = [""] * len(texts)
    for begin in range(0, len(order), batch):
        chosen = order[begin : begin + batch]
        inputs = tokenizer([texts[i] for i in chosen], padding=True, return_tensors="pt")
        ids = model.generate(
            input_ids=inputs.input_ids.to(model.device),
            attention_mask=inputs.attention_mask.to(model.device),
            do_sample=False,
            num_beams=1,
        )
        for i, text in zip(chosen, tokenizer.batch_decode(ids, skip_special_tokens=True)):
            outputs[i] = text
    return outputs


def exact_match(outputs: list[str], expected: list[str]) -> float:
    return sum(map(str.__eq__, outputs, expected)) / len(expected)


def from_file(name: str) -> list[Example]:
    path = pathlib.Path(__file__).parent / f"{name}.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Example(name, *line.split("\t")) for line in lines]


def load(folder: str):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return model.to(device).eval(), transformers.AutoTokenizer.from_pretrained(folder)


def _balanced(split: str, seed: int, per_class: int) -> list[Example]:
    """The first `per_class` sentences of each class in a split's stream."""
    counts = collections.Counter()
    chosen = []
    for example in examples(split, seed):
        if counts[example.kind] < per_class:
            counts[example.kind] += 1
            chosen.append(example)
        if len(chosen) == per_class * len(CLASSES):
            return chosen
    raise AssertionError("the stream is endless")


def _report(title: str, sentences: list[Example], outputs: list[str], failures: int) -> None:
    by_class = collections.defaultdict(list)
    for sentence, output in zip(sentences, outputs):
        by_class[sentence.kind].append(output == sentence.written)
    total = sum(map(sum, by_class.values()))
    print(f"\n{title}: {total} of {len(sentences)} = {total / len(sentences):.2%}")
    for kind, results in by_class.items():
        right, count = sum(results), len(results)
        print(f"  {kind:12} {right:5} of {count:5}  {right / count:.2%}")
    wrong = ((s, o) for s, o in zip(sentences, outputs) if o != s.written)
    for sentence, output in itertools.islice(wrong, failures):
        print(f"  spoken   {sentence.spoken}\n  expected {sentence.written}\n  got      {output}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--splits", nargs="*", default=["test", "handwritten"],
                        choices=("dev", "test", *FILES))  # fmt: skip
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--per-class", type=int, default=200)
    parser.add_argument("--failures", type=int, default=0, help="how many to print of each split")
    arguments = parser.parse_args()
    model, tokenizer = load(arguments.folder)
    torch.backends.cuda.matmul.allow_tf32 = False
    for split in arguments.splits:
        if split in FILES:
            sentences = from_file(split)
        else:
            sentences = _balanced(split, arguments.seed, arguments.per_class)
        outputs = translate(model, tokenizer, [s.spoken for s in sentences])
        _report(split, sentences, outputs, arguments.failures)


if __name__ == "__main__":
    main()
