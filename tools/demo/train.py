#!/usr/bin/env python3
"""Trains the demo model on one GPU with sentences that worker processes make up as it goes.

No sentence is seen twice on purpose: the data never end, and training stops after --minutes, over
which the learning rate follows a cosine.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import random
import time

import numpy
import sentencepiece
import torch
import transformers

from evaluate import exact_match, translate
from generate import Example, examples

_PAD, _EOS = 0, 1
_POOL = 8192  # sentences a worker sorts by length and cuts into batches


class Workers:
    """An endless stream of (source, target) batches, padded and of similar length."""

    def __init__(self, spiece: str, count: int, batch_tokens: int):
        self._pool = multiprocessing.get_context("fork").Pool(
            count, _start_worker, (spiece, batch_tokens)
        )
        self._ahead = count * 3

    def batches(self):
        waiting = []
        for seed in itertools.count(1):
            waiting.append(self._pool.apply_async(_make_batches, (seed,)))
            if len(waiting) > self._ahead:
                yield from waiting.pop(0).get()

    def stop(self) -> None:
        self._pool.terminate()


_worker = {}


def _start_worker(spiece: str, batch_tokens: int) -> None:
    _worker["tokenizer"] = sentencepiece.SentencePieceProcessor(model_file=spiece)
    _worker["batch_tokens"] = batch_tokens


def _make_batches(seed: int) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    encode = _worker["tokenizer"].encode
    drawn = list(itertools.islice(examples("train", seed), _POOL))
    sources = [ids + [_EOS] for ids in encode([e.spoken for e in drawn], num_threads=1)]
    targets = [ids + [_EOS] for ids in encode([e.written for e in drawn], num_threads=1)]
    pairs = sorted(zip(sources, targets), key=lambda pair: len(pair[0]))
    batches, begin, longest = [], 0, 0
    for i, pair in enumerate(pairs):
        longest = max(longest, len(pair[0]), len(pair[1]))
        if i + 1 == len(pairs) or longest * (i + 2 - begin) > _worker["batch_tokens"]:
            batches.append(tuple(map(_padded, zip(*pairs[begin : i + 1]))))
            begin, longest = i + 1, 0
    random.Random(seed).shuffle(batches)
    return batches


def _padded(sequences: tuple[list[int], ...]) -> numpy.ndarray:
    width = -(-max(map(len, sequences)) // 8) * 8
    array = numpy.full((len(sequences), width), _PAD, dtype=numpy.int16)
    for row, ids in zip(array, sequences):
        row[: len(ids)] = ids
    return array


def _config(vocabulary: int) -> transformers.T5Config:
    """A deep encoder and a shallow decoder: the decoder's depth is what each new token costs."""
    return transformers.T5Config(
        vocab_size=vocabulary,
        d_model=256,
        d_kv=32,
        num_heads=8,
        d_ff=640,
        num_layers=6,
        num_decoder_layers=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=True,
        dropout_rate=0.0,
        decoder_start_token_id=_PAD,
        pad_token_id=_PAD,
        eos_token_id=_EOS,
    )


def _optimizer(model: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW; the embeddings, whose entries are near 1, take larger steps."""
    matrices, vectors, embeddings = [], [], []
    for name, parameter in model.named_parameters():
        if name.startswith("shared") or "relative_attention_bias" in name:
            embeddings.append(parameter)
        else:
            (matrices if parameter.ndim > 1 else vectors).append(parameter)
    groups = [
        {"params": matrices, "lr": rate, "weight_decay": 0.05},
        {"params": vectors, "lr": rate, "weight_decay": 0.0},
        {"params": embeddings, "lr": rate * 3, "weight_decay": 0.0},
    ]
    for group in groups:
        group["peak"] = group["lr"]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=torch.cuda.is_available())


def _rate(step: int, progress: float) -> float:
    warm_up = min(1.0, (step + 1) / 400)
    return warm_up * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def train(arguments: argparse.Namespace) -> None:
    # Forked before this process touches the GPU.
    workers = Workers(
        os.path.join(arguments.out, "spiece.model"), arguments.workers, arguments.batch_tokens
    )
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.out)
    model = transformers.T5ForConditionalGeneration(_config(len(tokenizer))).to(device)
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=_PAD, pad_token_id=_PAD, eos_token_id=_EOS, max_new_tokens=256
    )
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    optimizer = _optimizer(model, arguments.rate)
    development = list(itertools.islice(examples("dev", 0), arguments.dev))

    model.train()
    begin, seen = 0.0, 0
    next_report = arguments.report
    for step, (source, target) in enumerate(workers.batches()):
        if step == 0:
            begin = time.monotonic()  # the workers' start does not count
        seconds = time.monotonic() - begin
        progress = seconds / (arguments.minutes * 60)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * _rate(step, progress)
        input_ids = torch.from_numpy(source).to(device).long()
        labels = torch.from_numpy(target).to(device).long()
        labels = labels.masked_fill(labels == _PAD, -100)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = model(
                input_ids=input_ids, attention_mask=input_ids != _PAD, labels=labels
            ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen += len(source)
        if (step + 1) % 500 == 0 or step in (0, 9, 99):
            print(f"{seconds:5.0f} s  step {step + 1}  {seen:,} pairs  loss {loss.item():.5f}",
                  flush=True)
        if seconds > next_report:
            next_report += arguments.report
            model.eval()
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                outputs = translate(model, tokenizer, [e.spoken for e in development])
            right = exact_match(outputs, [e.written for e in development])
            print(f"{seconds:5.0f} s  dev exact match {right:.2%}", flush=True)
            model.train()
    workers.stop()
    print(f"{step} steps, {seen:,} pairs", flush=True)
    _save_rounded(model.eval(), tokenizer, development, arguments.out)


def _save_rounded(model, tokenizer, development: list[Example], folder: str) -> None:
    """Stores bf16, half the size of what was trained; evaluate.py judges the stored model."""
    spoken = [e.spoken for e in development]
    exact = translate(model, tokenizer, spoken)
    model.to(torch.bfloat16)
    model.save_pretrained(folder)
    rounded = translate(model.float(), tokenizer, spoken)
    written = [e.written for e in development]
    print(f"dev exact match {exact_match(exact, written):.2%}, rounded to bf16 "
          f"{exact_match(rounded, written):.2%}, same text {exact_match(rounded, exact):.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder that holds the trained tokenizer")
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--batch-tokens", type=int, default=32768, help="of one side, padded")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--report", type=float, default=60, help="seconds between evaluations")
    parser.add_argument("--dev", type=int, default=1024, help="sentences of an evaluation")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
