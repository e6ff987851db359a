"""Writes tests/data/text: small tokenizers in every layout that Transept reads, hard texts, lines of
many scripts, and the ids and texts that are right for them.

Where the expected values come from:
- t5_json, byt5: transformers 5.17, from the folder as it lies there.
- t5_json_v4, t5_json_bytes: the tokenizers library that transformers 5.17 runs, from tokenizer.json
  (files such as transformers 4 wrote, and with byte fallback; T5Tokenizer of 5.17 reads only the
  vocabulary of such a file and replaces the rest by its own, TokenizersBackend follows it).
- t5_spiece, t5_spiece_bytes: plain SentencePiece between the added tokens, which is what transformers
  4's slow tokenizer does. transformers 5.17 converts such a folder to its fast tokenizer, which works
  by grapheme cluster and never falls back to bytes; the number of texts where that differs is printed.
  Decoding without bytes is that of transformers 5.17.
- Byte-pair encoding: see bpe.py.
"""

import os
import shutil
import tempfile

from transformers import ByT5Tokenizer, T5Tokenizer

import bpe
import lines
import long_lines
from files import TEXT, compact, write_json
from sentences import TEXTS, write_goldens, write_transformers_goldens
from spiece import spiece_functions, train, write_spiece_folder, write_v4_json_folder


def write_spiece(name, byte_fallback):
    """Returns the tokenizer that transformers makes of the folder."""
    folder = os.path.join(TEXT, name)
    model = train(byte_fallback)
    write_spiece_folder(folder, model)
    fast = T5Tokenizer.from_pretrained(folder)
    encode, decode = spiece_functions(model, folder)
    if not byte_fallback:
        decode = lambda ids: fast.decode(ids, skip_special_tokens=True)
    ids = write_goldens(folder, len(fast), 3 if byte_fallback else None, encode, decode)
    differing = sum(a != fast(text).input_ids for a, text in zip(ids, TEXTS))
    print(f"{name}: transformers differs from SentencePiece on {differing} of {len(TEXTS)} texts")
    return fast


def write_v4_json(name, source, byte_fallback, clean):
    folder = os.path.join(TEXT, name)
    backend = write_v4_json_folder(folder, source, byte_fallback)
    write_goldens(folder, backend.get_vocab_size(), 3 if byte_fallback else None,
                  lambda text: backend.encode(text).ids,
                  lambda ids: clean(backend.decode(ids, skip_special_tokens=True)))


def write_t5():
    fast = write_spiece("t5_spiece", False)
    v5 = os.path.join(TEXT, "t5_json")
    fast.save_pretrained(v5)
    compact(v5)
    write_transformers_goldens(v5, T5Tokenizer)
    write_v4_json("t5_json_v4", v5, False, fast.clean_up_tokenization)
    fast = write_spiece("t5_spiece_bytes", True)
    with tempfile.TemporaryDirectory() as saved:
        fast.save_pretrained(saved)
        write_v4_json("t5_json_bytes", saved, True, lambda text: text)


def write_byt5():
    folder = os.path.join(TEXT, "byt5")
    os.makedirs(folder)
    write_json(os.path.join(folder, "tokenizer_config.json"), {"tokenizer_class": "ByT5Tokenizer"})
    write_transformers_goldens(folder, ByT5Tokenizer, 3)


def make():
    shutil.rmtree(TEXT, ignore_errors=True)
    os.makedirs(TEXT)
    write_json(os.path.join(TEXT, "texts.json"), TEXTS)
    write_json(os.path.join(TEXT, "lines.json"), {
        "lines": lines.LINES, "repeated": lines.REPEATED, "lines_in_a_row": lines.LINES_IN_A_ROW})
    write_json(os.path.join(TEXT, "long_lines.json"), long_lines.RECIPES)
    write_t5()
    write_byt5()
    bpe.write_bart()
    bpe.write_blenderbot()
    bpe.write_sentencepiece(train(False, "bpe"))
    return f"{len(TEXTS)} texts"
