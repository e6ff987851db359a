#!/usr/bin/env python3
"""Trains the SentencePiece model of the demo on generated text and writes it as a T5 tokenizer."""

import argparse
import json
import os

import sentencepiece

from generate import examples

# Characters that every text may hold, whether or not the generated ones do.
_REQUIRED = "".join(map(chr, range(0x21, 0x7F))) + "".join(
    chr(c) for c in range(0xA1, 0x180) if chr(c).isalpha()
) + "£¥€°–—‘’“”"  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder for spiece.model")
    parser.add_argument("--pieces", type=int, default=3072)
    parser.add_argument("--sentences", type=int, default=300_000)
    arguments = parser.parse_args()

    stream = examples("train", seed=0)
    texts = (
        text for _ in range(arguments.sentences // 2) for text in next(stream)[1:]
    )
    os.makedirs(arguments.out, exist_ok=True)
    with open(os.path.join(arguments.out, "spiece.model"), "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts,
            model_writer=file,
            model_type="unigram",
            vocab_size=arguments.pieces,
            required_chars=_REQUIRED,
            character_coverage=1.0,
            split_digits=True,
            max_sentencepiece_length=12,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            pad_piece="<pad>",
            num_threads=os.cpu_count(),
            minloglevel=1,
        )
    with open(os.path.join(arguments.out, "tokenizer_config.json"), "w") as file:
        config = {
            "tokenizer_class": "T5Tokenizer",
            "pad_token": "<pad>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "extra_ids": 0,
            "additional_special_tokens": [],
            "clean_up_tokenization_spaces": False,
            "model_max_length": 512,
        }
        json.dump(config, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
