#!/usr/bin/env python3
"""Writes a Hugging Face folder of a published T5's shape with random weights: for tests of speed, which
ask for no sense. Needs Python alone, and about a second for each GB."""

import argparse
import json
import math
import pathlib
import random
import shutil
import struct

# config.json of published models, as far as it shapes the work.
SHAPES = {
    "t5-small": {"d_model": 512, "d_ff": 1024, "num_heads": 6, "num_layers": 8},
    "t5-base": {"d_model": 768, "d_ff": 2048, "num_heads": 12, "num_layers": 12},
    "t5-large": {"d_model": 1024, "d_ff": 2816, "num_heads": 16, "num_layers": 24},
    "t5-xl": {"d_model": 2048, "d_ff": 5120, "num_heads": 32, "num_layers": 24},
}
COMMON = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "d_kv": 64,
    "vocab_size": 32128,
    "feed_forward_proj": "gated-gelu",
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-06,
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
TOKENIZER_FILES = ("spiece.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json",
                   "special_tokens_map.json")
# The number of elements in the block of random values that all tensors repeat. Odd and large, so that
# no two rows of a matrix are the same.
BLOCK = (1 << 22) - 3


class Floats:
    """The bytes of random numbers of a type, little-endian: sign and mantissa are random."""

    # Bytes of an element, and of its highest 16 bits: how many hold the mantissa, the exponent's bias.
    TYPES = {"bfloat16": ("BF16", 2, 7, 127), "float16": ("F16", 2, 10, 15),
             "float32": ("F32", 4, 7, 127)}

    def __init__(self, dtype, seed):
        self.name, self.size, self.mantissa, self.bias = self.TYPES[dtype]
        self.random = random.Random(seed)
        self.low = [self.random.randbytes(BLOCK) for _ in range(self.size - 1)]
        self.high = self.random.randbytes(BLOCK)
        self.blocks = {}  # by exponent

    def block(self, deviation):
        """BLOCK numbers of about this standard deviation, a power of two near it."""
        # The exponent's lowest bit may be random with the mantissa: for bfloat16 it lies in its byte.
        spread = 2.4 if self.mantissa == 7 else 1.5
        exponent = self.bias + round(math.log2(deviation / spread))
        if self.mantissa == 7:
            exponent &= ~1
        if exponent not in self.blocks:
            bits = exponent << self.mantissa >> 8
            fixed = 0x7f if self.mantissa == 7 else 0x7c
            table = bytes((byte & (0xff ^ fixed)) | bits for byte in range(256))
            block = bytearray(BLOCK * self.size)
            for i, low in enumerate(self.low):
                block[i::self.size] = low
            block[self.size - 1::self.size] = self.high.translate(table)
            self.blocks[exponent] = memoryview(block)
        return self.blocks[exponent]

    def write(self, file, count, deviation):
        block = self.block(deviation)
        at = self.random.randrange(BLOCK)  # tensors differ
        while count > 0:
            part = min(count, BLOCK - at)
            file.write(block[at * self.size:(at + part) * self.size])
            count -= part
            at = 0

    def write_ones(self, file, count):
        one = struct.pack("<f", 1.0)[4 - self.size:] if self.mantissa == 7 else struct.pack("<e", 1.0)
        file.write(one * count)


def attention(config, name, with_bias):
    d, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    yield f"{name}.q.weight", [inner, d], 1 / math.sqrt(d * config["d_kv"])
    yield f"{name}.k.weight", [inner, d], 1 / math.sqrt(d)
    yield f"{name}.v.weight", [inner, d], 1 / math.sqrt(d)
    yield f"{name}.o.weight", [d, inner], 1 / math.sqrt(inner)
    if with_bias:
        shape = [config["relative_attention_num_buckets"], config["num_heads"]]
        yield f"{name}.relative_attention_bias.weight", shape, 0.5


def stack(config, name, cross):
    """Name, shape and standard deviation of each tensor; None = all ones."""
    d, ffn = config["d_model"], config["d_ff"]
    for block in range(config["num_layers"]):
        layers = [("SelfAttention", block == 0)] + ([("EncDecAttention", False)] if cross else [])
        for i, (kind, with_bias) in enumerate(layers):
            prefix = f"{name}.block.{block}.layer.{i}"
            yield from attention(config, f"{prefix}.{kind}", with_bias)
            yield f"{prefix}.layer_norm.weight", [d], None
        prefix = f"{name}.block.{block}.layer.{len(layers)}"
        yield f"{prefix}.DenseReluDense.wi_0.weight", [ffn, d], 1 / math.sqrt(d)
        yield f"{prefix}.DenseReluDense.wi_1.weight", [ffn, d], 1 / math.sqrt(d)
        yield f"{prefix}.DenseReluDense.wo.weight", [d, ffn], 1 / math.sqrt(ffn)
        yield f"{prefix}.layer_norm.weight", [d], None
    yield f"{name}.final_layer_norm.weight", [d], None


def tensors(config):
    d, vocabulary = config["d_model"], config["vocab_size"]
    yield "shared.weight", [vocabulary, d], 1.0
    yield from stack(config, "encoder", cross=False)
    yield from stack(config, "decoder", cross=True)
    yield "lm_head.weight", [vocabulary, d], 1 / math.sqrt(d)


def write_weights(config, floats, path):
    header = {}
    end = 0
    for name, shape, _ in tensors(config):
        begin, end = end, end + math.prod(shape) * floats.size
        header[name] = {"dtype": floats.name, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape, deviation in tensors(config):
            if deviation is None:
                floats.write_ones(file, math.prod(shape))
            else:
                floats.write(file, math.prod(shape), deviation)
    return end


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shape", choices=SHAPES, default="t5-large")
    parser.add_argument("--dtype", choices=Floats.TYPES, default="bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", type=pathlib.Path,
                        help="folder to take a tokenizer from; without one the model takes token ids")
    args = parser.parse_args()

    config = {**COMMON, **SHAPES[args.shape], "dtype": args.dtype}
    config["num_decoder_layers"] = config["num_layers"]
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    size = write_weights(config, Floats(args.dtype, args.seed), args.folder / "model.safetensors")
    if args.tokenizer:
        for name in TOKENIZER_FILES:
            if (args.tokenizer / name).exists():
                shutil.copy(args.tokenizer / name, args.folder)
    print(f"{args.folder}: {args.shape}, {size >> 20} MiB of {args.dtype}")


if __name__ == "__main__":
    main()
