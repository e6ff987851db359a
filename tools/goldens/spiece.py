"""SentencePiece models; T5's tokenizers with them, in folders as transformers 4 wrote them; and what
plain SentencePiece makes of text between the added tokens."""

import io
import json
import os
import re
import tempfile
import unicodedata

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2

from files import write_json
from sentences import SENTENCES

VOCAB_SIZE = 420
EXTRA_IDS = 100


def normalization_rules():
    """A small map of the kind that T5's (nmt_nfkc) is: NFKC for some blocks, spaces, no controls."""
    rules = {}
    blocks = [(0xA0, 0x24F), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2100, 0x213A), (0x2460, 0x2473),
              (0x3300, 0x3357), (0x3380, 0x33DF), (0xFB00, 0xFB06), (0xFEF5, 0xFEFC), (0xFF01, 0xFF9F),
              (0x304B, 0x30FE), (0x400, 0x45F), (0x386, 0x3CE), (0x958, 0x95F), (0x1F600, 0x1F600)]
    for first, last in blocks:
        for code_point in range(first, last + 1):
            c = chr(code_point)
            nfkc = unicodedata.normalize("NFKC", c)
            if nfkc != c:
                rules[c] = nfkc
            decomposed = unicodedata.normalize("NFD", c)
            if decomposed != c and unicodedata.normalize("NFC", decomposed) == c:
                rules[decomposed] = nfkc
    for c in "ｶｷｸﾊﾋ":
        for mark in "\uff9e\uff9f":
            rules[c + mark] = unicodedata.normalize("NFKC", c + mark)
    for c in "\t\n\r\x0b\x0c\u1680\u200b\u200e\u200f\u2028\u2029\ufeff\u2581\u0085":
        rules[c] = " "
    for code_point in [*range(1, 9), *range(0xE, 0x20), 0x7F, 0xAD]:
        rules[chr(code_point)] = ""
    codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
    return "".join(f"{codes(a)}\t{codes(b)}\n" for a, b in sorted(rules.items()))


def train(byte_fallback, model_type="unigram"):
    """A SentencePiece model with T5's special ids, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        rules = os.path.join(folder, "rules.tsv")
        with open(rules, "w", encoding="utf-8") as file:
            file.write(normalization_rules())
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES),
            model_writer=model, model_type=model_type, vocab_size=VOCAB_SIZE + 256 * byte_fallback,
            character_coverage=0.98, byte_fallback=byte_fallback, normalization_rule_tsv=rules,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, hard_vocab_limit=False, minloglevel=2)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(model.getvalue())
        # What training leaves behind serves nobody here.
        proto.ClearField("trainer_spec")
        proto.trainer_spec.model_type = {"unigram": 1, "bpe": 2}[model_type]
        proto.trainer_spec.byte_fallback = byte_fallback
        proto.trainer_spec.unk_id, proto.trainer_spec.bos_id = 2, -1
        proto.trainer_spec.eos_id, proto.trainer_spec.pad_id = 1, 0
        proto.normalizer_spec.ClearField("normalization_rule_tsv")
        return proto.SerializeToString()


def added_token(content, special=True, strip=False):
    return {"content": content, "lstrip": strip, "normalized": False, "rstrip": strip,
            "single_word": False, "special": special}


def write_spiece_folder(folder, model):
    """As transformers 4 saved its slow T5Tokenizer."""
    os.makedirs(folder)
    with open(os.path.join(folder, "spiece.model"), "wb") as file:
        file.write(model)
    size = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    sentinels = [f"<extra_id_{i}>" for i in range(EXTRA_IDS)]
    decoder = {"0": added_token("<pad>"), "1": added_token("</s>"), "2": added_token("<unk>")}
    for i in reversed(range(EXTRA_IDS)):
        decoder[str(size + EXTRA_IDS - 1 - i)] = added_token(sentinels[i], strip=True)
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "added_tokens_decoder": decoder, "additional_special_tokens": sentinels,
        "clean_up_tokenization_spaces": False, "eos_token": "</s>", "extra_ids": EXTRA_IDS,
        "legacy": True, "model_max_length": 512, "pad_token": "<pad>", "sp_model_kwargs": {},
        "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"})
    write_json(os.path.join(folder, "special_tokens_map.json"), {
        "additional_special_tokens": sentinels, "eos_token": "</s>", "pad_token": "<pad>",
        "unk_token": "<unk>"})


def write_v4_json_folder(folder, source, byte_fallback):
    """tokenizer.json as transformers 4 converted a slow T5 tokenizer, from one that 5 saved."""
    os.makedirs(folder)
    with open(os.path.join(source, "tokenizer.json"), encoding="utf-8") as file:
        value = json.load(file)
    value["normalizer"] = {"type": "Sequence", "normalizers": [
        value["normalizer"], {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    value["pre_tokenizer"] = dict(metaspace)
    if byte_fallback:
        value["model"]["byte_fallback"] = True
        value["pre_tokenizer"]["prepend_scheme"] = "first"
        value["decoder"] = {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
        # Tokens that users added: one found in normalized text, one not special.
        size = len(value["model"]["vocab"])
        value["added_tokens"] += [
            {"id": size, **added_token("Fußball", special=False), "normalized": True},
            {"id": size + 1, **added_token("<sep>", special=False, strip=True)}]
    write_json(os.path.join(folder, "tokenizer.json"), value)
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "clean_up_tokenization_spaces": not byte_fallback, "tokenizer_class": "T5Tokenizer"})
    return tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))


def spiece_functions(model, folder):
    """Plain SentencePiece between added tokens, and its decoding of bytes."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        decoder = json.load(file)["added_tokens_decoder"]
    added = {token["content"]: int(i) for i, token in decoder.items()}
    pattern = re.compile("(" + "|".join(map(re.escape, sorted(added, key=len, reverse=True))) + ")")

    def encode(text):
        parts = pattern.split(text)  # ordinary text and added tokens in turn
        for i in range(1, len(parts), 2):
            token = decoder[str(added[parts[i]])]
            if token["lstrip"]:
                parts[i - 1] = parts[i - 1].rstrip()
            if token["rstrip"]:
                parts[i + 1] = parts[i + 1].lstrip()
        ids = []
        for i, part in enumerate(parts):
            ids += [added[part]] if i % 2 else processor.encode(part)
        return ids + [added["</s>"]]

    def decode(ids):
        text, run, first = "", [], True
        for i in [i for i in ids if str(i) not in decoder and i < processor.get_piece_size()] + [None]:
            if i is not None and processor.is_byte(i):
                run.append(i)
                first = False
                continue
            text += processor.decode(run) if run else ""
            run = []
            if i is not None:
                text += processor.id_to_piece(i).replace("▁", "" if first else " ")
                first = False
        return text

    return encode, decode
