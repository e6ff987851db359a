"""The part of text.py about byte-pair encoding. Where the values come from:
- bart_files, blenderbot_files, bart_json, blenderbot_json: transformers 5.17, from the folder as it
  lies there, but for decoding a token that 5.17 has no id for. The first two are written as
  transformers 4 did, before and after it listed added tokens in tokenizer_config.json.
- bpe_spiece: plain SentencePiece between the added tokens.
- bpe_json: the tokenizers library, from a tokenizer.json such as NLLB's: the merges of bpe_spiece,
  in the order in which transformers derives them, and "▁" marks.
"""

import json
import os

import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BartTokenizer, BlenderbotTokenizer
from transformers.tokenization_utils_base import generate_merges

import lines
from files import TEXT, compact, write_json
from sentences import TEXTS, write_goldens, write_transformers_goldens
from spiece import spiece_functions, write_spiece_folder


def train(lines, vocab_size):
    """Trains byte-level BPE; returns the vocabulary and the merges."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"]))
    model = json.loads(tokenizer.to_str())["model"]
    # The models' own vocabularies have the mask at their ends.
    model["vocab"]["<mask>"] = len(model["vocab"])
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def new_folder(name):
    folder = os.path.join(TEXT, name)
    os.makedirs(folder)
    return folder


def write_vocabulary(folder, vocab, merges):
    write_json(os.path.join(folder, "vocab.json"), vocab)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def save_v5(loaded, name, tokenizer_class):
    folder = new_folder(name)
    loaded.save_pretrained(folder)
    compact(folder)
    write_transformers_goldens(folder, tokenizer_class)


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **flags}


def write_bart():
    vocab, merges = train(lines.LINES + TEXTS, 2600)
    folder = new_folder("bart_files")
    write_vocabulary(folder, vocab, merges)
    specials = {name: token for name, token in zip(
        ["bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token"],
        ["<s>", "<s>", "</s>", "<mask>", "<pad>", "</s>", "<unk>"])}
    added = {str(i): token(content, special=True) for i, content in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    mask = vocab["<mask>"]
    added[str(mask)] = token("<mask>", lstrip=True, special=True)
    added[str(mask + 1)] = token("[user]", single_word=True, special=False)
    added[str(mask + 2)] = token("fox", single_word=True, normalized=True, rstrip=True, special=False)
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "add_prefix_space": False, "added_tokens_decoder": added, "clean_up_tokenization_spaces": True,
        "errors": "replace", "model_max_length": 1024, "tokenizer_class": "BartTokenizer", "trim_offsets": True, **specials})
    write_json(os.path.join(folder, "special_tokens_map.json"), specials)
    loaded = write_transformers_goldens(folder, BartTokenizer)
    save_v5(loaded, "bart_json", BartTokenizer)


def write_blenderbot():
    vocab, merges = train(TEXTS, 900)
    del vocab["<mask>"]
    folder = new_folder("blenderbot_files")
    write_vocabulary(folder, vocab, merges)
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "add_prefix_space": True, "tokenizer_class": "BlenderbotTokenizer"})
    write_json(os.path.join(folder, "added_tokens.json"), {"[user]": len(vocab) + 1, "<mask>": len(vocab)})
    write_json(os.path.join(folder, "special_tokens_map.json"), {
        "bos_token": "<s>", "cls_token": "<s>", "eos_token": token("</s>", normalized=True), "mask_token": token("<mask>", lstrip=True),
        "pad_token": "<pad>", "sep_token": token("</s>", normalized=True), "unk_token": "<unk>"})
    loaded = write_transformers_goldens(folder, BlenderbotTokenizer)
    # What transformers 4 wrote into tokenizer.json, and 5 takes from it.
    loaded.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:0 </s>:0", pair="$A:0 </s>:0 $B:1 </s>:1", special_tokens=[("</s>", 2)])
    save_v5(loaded, "blenderbot_json", BlenderbotTokenizer)


def write_sentencepiece(model):
    folder = os.path.join(TEXT, "bpe_spiece")
    write_spiece_folder(folder, model)
    encode, decode = spiece_functions(model, folder)
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        added = json.load(file)["added_tokens_decoder"]
    write_goldens(folder, 1 + max(map(int, added)), None, encode, decode)

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    vocab = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    backend = tokenizers.Tokenizer(models.BPE(
        vocab=vocab, merges=generate_merges(vocab), unk_token="<unk>", fuse_unk=True, byte_fallback=False))
    backend.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
        normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.post_processor = processors.TemplateProcessing(
        single="<mask> $A </s>", pair="$A $B", special_tokens=[("<mask>", len(vocab)), ("</s>", vocab["</s>"])])
    backend.add_special_tokens([tokenizers.AddedToken(c, normalized=False) for c in ["<pad>", "</s>", "<unk>"]])
    backend.add_special_tokens([tokenizers.AddedToken("<mask>", normalized=True, lstrip=True)])
    folder = new_folder("bpe_json")
    write_json(os.path.join(folder, "tokenizer.json"), json.loads(backend.to_str()))
    # BPE models' text stays as it is.
    write_json(os.path.join(folder, "tokenizer_config.json"), {"clean_up_tokenization_spaces": True})
    write_goldens(folder, backend.get_vocab_size(), None, lambda text: backend.encode(text).ids,
                  lambda ids: backend.decode(ids, skip_special_tokens=True))
