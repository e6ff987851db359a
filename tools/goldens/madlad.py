"""The part of translation.py about MADLAD: a T5 tokenizer whose special tokens have other
ids, with user-defined pieces for the languages of outputs, which texts begin with.

Where the expected values come from:
- madlad_v4: plain SentencePiece between the added tokens, as t5_spiece; transformers 5.17 takes
  unknown characters for EOS, whose id is that of other T5 tokenizers' unknown token.
- madlad_json_v4: the tokenizers library, from tokenizer.json such as transformers 4 wrote.
- madlad_v5: transformers 5.17, from tokenizer.json with its unknown token.
"""

import json
import os
import types

import sentencepiece
import tokenizers
from transformers import T5Tokenizer

from files import TRANSLATION, compact, write_json
from spiece import added_token, spiece_functions, write_v4_json_folder

LANGUAGES = ["de", "en", "fr", "zh_Latn", "Arab", "back_translated"]


class Functions:
    """A tokenizer of functions, with as much of transformers' interface as is used here."""

    def __init__(self, encode, decode, id_of):
        self.encode, self.convert_tokens_to_ids = encode, id_of
        self.decode = lambda ids, skip_special_tokens: decode(ids)

    def __call__(self, text=None, text_target=None, add_special_tokens=True):
        ids = self.encode(text_target if text is None else text)
        return types.SimpleNamespace(input_ids=ids if add_special_tokens else ids[:-1])


class MadladTokenizer:
    """Loads each of the folders."""

    @staticmethod
    def from_pretrained(folder):
        fast = T5Tokenizer.from_pretrained(folder)
        decode = lambda ids: fast.decode(ids, skip_special_tokens=True)
        if folder.endswith("madlad_v4"):
            with open(os.path.join(folder, "spiece.model"), "rb") as file:
                model = file.read()
            processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            return Functions(spiece_functions(model, folder)[0], decode, processor.piece_to_id)
        if folder.endswith("madlad_json_v4"):
            backend = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
            clean = fast.clean_up_tokenization
            return Functions(lambda text: backend.encode(text).ids,
                             lambda ids: clean(backend.decode(ids, skip_special_tokens=True)), backend.token_to_id)
        return fast


def write_folders(model):
    """`model`: from SentencePiece. Returns the folders."""
    spiece, v4, v5 = (os.path.join(TRANSLATION, name) for name in ("madlad_v4", "madlad_json_v4", "madlad_v5"))
    os.makedirs(spiece)
    with open(os.path.join(spiece, "spiece.model"), "wb") as file:
        file.write(model)
    write_json(os.path.join(spiece, "tokenizer_config.json"), {
        "added_tokens_decoder": {str(i): added_token(token) for i, token in enumerate(["<unk>", "<s>", "</s>"])},
        "additional_special_tokens": [], "bos_token": "<s>", "clean_up_tokenization_spaces": True, "eos_token": "</s>",
        "extra_ids": 0, "legacy": True, "pad_token": "<s>", "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"})
    T5Tokenizer.from_pretrained(spiece).save_pretrained(v5)
    compact(v5)
    write_v4_json_folder(v4, v5, False)
    path = os.path.join(v4, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    value["model"]["unk_id"] = 0
    write_json(path, value)
    return [spiece, v4, v5]
