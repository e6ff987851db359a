"""Writes tests/data/translation: small tokenizers of the classes with languages and of Pegasus, in
the layouts of transformers 4 and 5, hard texts, and hashes of the ids and texts that are right; and
a tiny model of each family with the texts that it makes of texts (text_models.py).

sentencepiece older than 0.2.3 scores user-defined pieces otherwise. sacremoses makes no difference:
MarianTokenizer sets its normalizer up, but nothing calls that.

All expected values come from transformers 5.17, from the folder as it lies there. What of that is
not as the models' own releases have it:
- mBART-25 from 5.17 has no normalizer at all, neither from sentencepiece.bpe.model nor from
  tokenizer.json, of which its class reads the vocabulary alone.
- mBART, mBART-50, NLLB and Pegasus from a SentencePiece file: 5.17 normalizes by grapheme cluster and
  takes the file's pieces for its own Unigram or BPE model; 4 ran SentencePiece.
- Pegasus: 5.17 gives mask_token the id before mask_token_sent's, 4 the other way round.
- NLLB: without a list of its languages in the folder 5.17 has none; so every folder here lists them.
- MADLAD: see madlad.py.
Marian, M2M100 and PLBart run SentencePiece in 5.17 as in 4. Marian decodes with source.spm unless
separate_vocabs is set (use_source_tokenizer's default in 5.17).
"""

import io
import os
import random
import shutil
import struct
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import (M2M100Tokenizer, MarianTokenizer, MBart50Tokenizer, MBartTokenizer, NllbTokenizer,
                          PegasusTokenizer, PLBartTokenizer)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

import long_lines
import madlad
import text_models
from files import TRANSLATION, compact, write_json
from sentences import HARD_TEXTS, SENTENCES
from spiece import added_token, normalization_rules
from text_models import encode_source

LATIN = SENTENCES[:12] + SENTENCES[-1:]  # what the source side of Marian learns from

CODES = [
    ">>fra<< The house", ">>deu<<The house", ">>xyz<< no such code", ">>fra<<", ">> <<", ">><<", ">>fra", "a >>fra<< b",
    "</s>>>fra<< x", ">>a</s>b<< x", ">>fra<<>>deu<< x", "__en__ hi", "__en__", "a__fr__b", "eng_Latn x fra_Latn",
    "en_XX", "a en_XX ro_RO", "en_XXx", "<mask>", "a <mask> b", "<mask>  b", "x\u3000<mask>", "\x1c<mask>", "<mask_1> x <mask_2>",
    "<unk_2><unk_102><unk_103>", "__java__ x", "__en_XX__", "java", "<s>", " <s> a </s>", "<pad><pad>", "def f(a):\n\treturn a",
]


def texts():
    """Text, or [text, count]: that text so many times."""
    rng = random.Random(20250214)
    words = " ".join(SENTENCES + HARD_TEXTS[-75:-20]).split()
    odd = list(" \t\n\u00a0\u3000\u200b\u200d\u200c\ufe0f\u0301\u0308\u0323\u093c\u3099½²ﬁ…éÅ가ｶ😀🏽🇩▁<>/\x00\x0b\x1c\u2028\u0600ß漢한\u202e\ufeff")
    marks = ["</s>", "<pad>", "<s>", "<unk>", "<mask>", "__en__", "eng_Latn", "en_XX", ">>fra<<", "<mask_1>", "  "]
    result = HARD_TEXTS + SENTENCES + CODES
    while len(result) < 2100:
        parts = []
        for _ in range(rng.randint(1, 7)):
            kind = rng.random()
            if kind < 0.72:
                parts.append(rng.choice(words) + rng.choice(["", " ", " "]))
            elif kind < 0.94:
                parts.append("".join(rng.choices(odd, k=rng.randint(1, 3))))
            else:
                parts.append(rng.choice(marks))
        result.append("".join(parts))
    long_texts = [["The nave of the church. ", 4200], ["x", 100000], [SENTENCES[12] + " ", 700], ["😀 e\u0301", 9000]]
    return result + long_texts


def expand(text):
    return text if isinstance(text, str) else text[0] * text[1]


def train(kind, lines, size, **more):
    """A SentencePiece model with its usual ids, as bytes."""
    model = io.BytesIO()
    ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} if kind == "pegasus" else {
        "unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        rules.write(normalization_rules())
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=size, character_coverage=0.98,
            model_type="bpe" if kind == "bpe" else "unigram", normalization_rule_tsv=rules.name,
            num_threads=1, hard_vocab_limit=kind == "bpe", minloglevel=2, **ids, **more)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    spec = {name: getattr(proto.trainer_spec, name)
            for name in ("model_type", "unk_id", "bos_id", "eos_id", "pad_id")}
    proto.ClearField("trainer_spec")
    for name, value in spec.items():
        setattr(proto.trainer_spec, name, value)
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return proto.SerializeToString()


def with_symbols(model, user_defined, control, **normalizer):
    """The model with pieces of these types, new ones or its own, and other rules of normalization."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    types = sentencepiece_model_pb2.ModelProto.SentencePiece
    own = {piece.piece: piece for piece in proto.pieces}
    for symbols, kind in ((user_defined, types.USER_DEFINED), (control, types.CONTROL)):
        for symbol in symbols:
            piece = own.get(symbol) or proto.pieces.add(piece=symbol, score=0)
            piece.type = kind
    for name, value in normalizer.items():
        setattr(proto.normalizer_spec, name, value)
    return proto.SerializeToString()


def pieces(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def fnv(data):
    """The low 24 of FNV-1a's 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value & 0xFFFFFF


def hash_ids(ids):
    return fnv(struct.pack(f"<{len(ids)}i", *ids))


def hash_text(text):
    return fnv(text.encode())


def write_folder(folder, files):
    os.makedirs(folder)
    for name, content in files.items():
        path = os.path.join(folder, name)
        if isinstance(content, bytes):
            with open(path, "wb") as file:
                file.write(content)
        else:
            write_json(path, content)


def resave(tokenizer_class, source, folder, **changes):
    """The folder as transformers 5 writes it."""
    tokenizer_class.from_pretrained(source, **changes).save_pretrained(folder)
    compact(folder)


def write_golden(folder, tokenizer_class, languages, pairs, all_texts, vocab_size):
    """`languages`: some names and their tokens. `pairs`: source and target of further runs."""
    tokenizer = tokenizer_class.from_pretrained(folder)
    long_lines.write_golden(folder, lambda text: encode_source(tokenizer, "", "", text),
                            lambda ids: tokenizer.decode(ids, skip_special_tokens=True), repeated=True)
    default = getattr(tokenizer, "src_lang", None)
    runs, decoded, targets = [], [], []
    for source, target in [("", "")] + pairs:
        step = 1 if (source, target) == ("", "") else 10
        hashes = []
        for i, text in enumerate(map(expand, all_texts[::step])):
            skip = target and isinstance(tokenizer, MarianTokenizer) and text.startswith(">>")
            ids = [] if skip else encode_source(tokenizer, source, target, text)
            hashes.append(None if skip else hash_ids(ids))
            if step == 1 and i % 3 == 0:
                decoded.append(hash_text(tokenizer.decode(ids, skip_special_tokens=True)))
        runs.append({"source": source, "target": target, "step": step, "ids": hashes})
    if default is not None:
        tokenizer.src_lang = default
    tokenizer.tgt_lang = getattr(tokenizer, "tgt_lang", None) or default
    for text in map(expand, all_texts[::10]):
        targets.append(hash_ids(tokenizer(text_target=text, add_special_tokens=False).input_ids))
    rng = random.Random(os.path.basename(folder))
    decode_ids = [[rng.randrange(vocab_size) for _ in range(rng.randint(0, 14))] for _ in range(60)]
    write_json(os.path.join(folder, "golden.json"), {
        "languages": {name: tokenizer.convert_tokens_to_ids(token) for name, token in languages.items()},
        "runs": runs, "decoded": decoded, "target_ids": targets, "decode_ids": decode_ids,
        "decode_text": [tokenizer.decode(ids, skip_special_tokens=True) for ids in decode_ids]})
    print(f"{os.path.basename(folder)}: {len(runs[0]['ids'])} texts", flush=True)


def special(*tokens):
    return {str(i): added_token(token) for i, token in enumerate(tokens)}


def marian(all_texts):
    source, target = train("unigram", LATIN, 300), train("bpe", SENTENCES, 500)
    words = {"</s>": 0, "<unk>": 1}
    for piece in pieces(source)[3:] + pieces(target)[3:] + [">>fra<<", ">>deu<<", ">>aav_VNM<<"]:
        words.setdefault(piece, len(words))
    del words["▁the"]  # a piece that the vocabulary lacks
    words = {word: i for i, word in enumerate(words)}
    words["<pad>"] = len(words)
    config = {"eos_token": "</s>", "model_max_length": 512, "pad_token": "<pad>", "separate_vocabs": False,
              "source_lang": "en", "sp_model_kwargs": {}, "target_lang": "fr", "tokenizer_class": "MarianTokenizer",
              "unk_token": "<unk>"}
    files = {"source.spm": source, "target.spm": target, "vocab.json": words, "tokenizer_config.json": config}
    folder = os.path.join(TRANSLATION, "marian_v4")
    write_folder(folder, files)
    write_golden(folder, MarianTokenizer, {"fra": ">>fra<<", "aav_VNM": ">>aav_VNM<<"},
                 [("", "fra"), ("", "aav_VNM")], all_texts, len(words))
    # Special tokens have the same ids on both sides: decoding in 5.17 skips those of the source's.
    separate = {"</s>": 0, "<unk>": 1, "<pad>": 2}
    for piece in reversed(pieces(target)[3:]):
        separate.setdefault(piece, len(separate))
    own = {word: i for i, word in enumerate(["</s>", "<unk>", "<pad>"] + pieces(source)[3:])}
    with_two = os.path.join(TRANSLATION, "both")
    write_folder(with_two, {**files, "vocab.json": own, "target_vocab.json": separate,
                            "tokenizer_config.json": {**config, "separate_vocabs": True}})
    folder = os.path.join(TRANSLATION, "marian_separate_v5")
    resave(MarianTokenizer, with_two, folder)
    shutil.rmtree(with_two)
    write_golden(folder, MarianTokenizer, {}, [], all_texts, len(separate))


def m2m100(bpe, all_texts):
    words = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>"] + pieces(bpe)[3:])}
    tokens = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    v4, v5 = os.path.join(TRANSLATION, "m2m100_v4"), os.path.join(TRANSLATION, "m2m100_v5")
    write_folder(v4, {
        "sentencepiece.bpe.model": bpe, "vocab.json": words,
        "tokenizer_config.json": {"src_lang": None, "tgt_lang": None, "tokenizer_class": "M2M100Tokenizer", **names},
        "special_tokens_map.json": {**names, "additional_special_tokens": tokens}})
    # Without the list, the languages' tokens are not special: text keeps them.
    write_folder(os.path.join(TRANSLATION, "bare"), {
        "sentencepiece.bpe.model": bpe, "vocab.json": words,
        "tokenizer_config.json": {"src_lang": "fr", "tgt_lang": "de", "tokenizer_class": "M2M100Tokenizer"}})
    resave(M2M100Tokenizer, os.path.join(TRANSLATION, "bare"), v5)
    shutil.rmtree(os.path.join(TRANSLATION, "bare"))
    for folder in (v4, v5):
        write_golden(folder, M2M100Tokenizer, {"en": "__en__", "zu": "__zu__"}, [("fr", ""), ("zu", "de")],
                     all_texts, len(words) + 100)


def symbols(unigram, bpe, all_texts):
    """User-defined and control symbols. Of the classes that do not run SentencePiece, NLLB and Pegasus
    take such pieces for any others, for they have a list of extra tokens; mBART-50 here has none."""
    # One is the beginning or the end of another, one has a rule of normalization, a space, or a mark.
    words = ["church", "ch", "urch", "▁the", "a", "ﬁ", "½²", "😀", "<ma", "__en_", "e\u0301"]
    spaced = ["of▁the", "of the", "t\u3000", " ", "x ", "▁▁"]
    controls = ["<ctl>", "is", ">>"]
    all_of = lambda model: with_symbols(model, words + spaced, controls)
    narrow = with_symbols(bpe, words, controls, remove_extra_whitespaces=False)
    unigram, bpe, pegasus = all_of(unigram), all_of(bpe), all_of(train("pegasus", SENTENCES, 420))
    number = lambda tokens: {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    own = pieces(unigram)[3:] + pieces(bpe)[3:]
    own.remove("urch")  # a symbol that the vocabulary lacks
    marian = number(["</s>", "<unk>", "<pad>"] + own + [">>fra<<"])
    m2m100 = number(["<s>", "<pad>", "</s>", "<unk>"] + pieces(narrow)[3:])
    codes = ["eng_Latn", "fra_Latn"]
    listed = {"additional_special_tokens": codes, "added_tokens_decoder": {
        str(len(pieces(bpe)) + 1 + i): {**added_token(token), "lstrip": token == "<mask>"}
        for i, token in enumerate(codes + ["<mask>"])}}
    name = "sentencepiece.bpe.model"
    for tokenizer_class, files, config, languages, size in (
            (MarianTokenizer, {"source.spm": unigram, "target.spm": bpe, "vocab.json": marian}, {},
             {"fra": ">>fra<<"}, len(marian)),
            (M2M100Tokenizer, {name: narrow, "vocab.json": m2m100}, {}, {"en": "__en__"}, len(m2m100)),
            (PLBartTokenizer, {name: bpe}, {}, {"java": "__java__"}, len(pieces(bpe)) + 5),
            (MBart50Tokenizer, {name: unigram}, {}, {"en_XX": "en_XX"}, len(pieces(unigram)) + 27),
            (NllbTokenizer, {name: bpe}, listed, {"fra_Latn": "fra_Latn"}, len(pieces(bpe)) + 4),
            (PegasusTokenizer, {"spiece.model": pegasus}, {}, {}, len(pieces(pegasus)) + 103)):
        class_name = tokenizer_class.__name__
        folder = os.path.join(TRANSLATION, class_name.removesuffix("Tokenizer").lower() + "_symbols_v4")
        write_folder(folder, {**files, "tokenizer_config.json": {"tokenizer_class": class_name, **config}})
        write_golden(folder, tokenizer_class, languages, [], all_texts, size)


def plbart(bpe, all_texts):
    base, multi = os.path.join(TRANSLATION, "plbart_v5"), os.path.join(TRANSLATION, "plbart_multi_v4")
    write_folder(multi, {"sentencepiece.bpe.model": bpe, "tokenizer_config.json": {
        "language_codes": "multi", "tokenizer_class": "PLBartTokenizer"}})
    write_golden(multi, PLBartTokenizer, {"java": "__java__", "go": "__go__"}, [("php", "")], all_texts, len(pieces(bpe)) + 8)
    bare = os.path.join(TRANSLATION, "bare")
    write_folder(bare, {"sentencepiece.bpe.model": bpe, "tokenizer_config.json": {"tokenizer_class": "PLBartTokenizer"}})
    resave(PLBartTokenizer, bare, base)
    shutil.rmtree(bare)
    write_golden(base, PLBartTokenizer, {"python": "__python__"}, [("python", ""), ("en_XX", "java")],
                 all_texts, len(pieces(bpe)) + 5)


def mbart(model, all_texts):
    for name, tokenizer_class in (("mbart", MBartTokenizer), ("mbart50", MBart50Tokenizer)):
        v4, v5 = os.path.join(TRANSLATION, name + "_v4"), os.path.join(TRANSLATION, name + "_v5")
        write_folder(v4, {"sentencepiece.bpe.model": model, "tokenizer_config.json": {
            "src_lang": None, "tgt_lang": None, "tokenizer_class": tokenizer_class.__name__}})
        resave(tokenizer_class, v4, v5, src_lang="ro_RO")
        for folder in (v4, v5):
            write_golden(folder, tokenizer_class, {"en_XX": "en_XX", "zh_CN": "zh_CN"},
                         [("de_DE", ""), ("zh_CN", "ro_RO")], all_texts, len(pieces(model)) + 27)


def nllb(bpe, all_texts):
    codes = ["ace_Arab", "deu_Latn", "eng_Latn", "fra_Latn", "zho_Hans"]
    size = len(pieces(bpe)) + 1
    decoder = special("<s>", "<pad>", "</s>", "<unk>")
    for i, code in enumerate(codes):
        decoder[str(size + i)] = added_token(code)
    decoder[str(size + len(codes))] = {**added_token("<mask>"), "lstrip": True}
    config = {"added_tokens_decoder": decoder, "additional_special_tokens": codes, "bos_token": "<s>",
              "clean_up_tokenization_spaces": True, "cls_token": "<s>", "eos_token": "</s>",
              "legacy_behaviour": False, "mask_token": "<mask>", "pad_token": "<pad>", "sep_token": "</s>",
              "src_lang": None, "tgt_lang": None, "tokenizer_class": "NllbTokenizer", "unk_token": "<unk>"}
    folders = [os.path.join(TRANSLATION, name) for name in ("nllb_v4", "nllb_v5", "nllb_legacy_v5")]
    write_folder(folders[0], {"sentencepiece.bpe.model": bpe, "tokenizer_config.json": config})
    resave(NllbTokenizer, folders[0], folders[1], src_lang="fra_Latn", clean_up_tokenization_spaces=False)
    resave(NllbTokenizer, folders[0], folders[2], legacy_behaviour=True)
    for folder in folders:
        write_golden(folder, NllbTokenizer, {"eng_Latn": "eng_Latn", "zho_Hans": "zho_Hans"},
                     [("deu_Latn", ""), ("eng_Latn", "zho_Hans")], all_texts, size + 6)


def pegasus(all_texts):
    model = train("pegasus", SENTENCES, 420)
    v4, v5 = os.path.join(TRANSLATION, "pegasus_v4"), os.path.join(TRANSLATION, "pegasus_v5")
    write_folder(v4, {"spiece.model": model, "tokenizer_config.json": {
        "mask_token": "<mask_2>", "mask_token_sent": "<mask_1>", "offset": 103, "tokenizer_class": "PegasusTokenizer",
        "additional_special_tokens": ["<mask_1>"] + [f"<unk_{i}>" for i in range(2, 103)]}})
    bare = os.path.join(TRANSLATION, "bare")
    write_folder(bare, {"spiece.model": model, "tokenizer_config.json": {"tokenizer_class": "PegasusTokenizer"}})
    resave(PegasusTokenizer, bare, v5)
    shutil.rmtree(bare)
    for folder in (v4, v5):
        write_golden(folder, PegasusTokenizer, {}, [], all_texts, len(pieces(model)) + 103)


def madlad_folders(all_texts):
    symbols = [f"<2{name}>" for name in madlad.LANGUAGES]
    model = train("unigram", SENTENCES, 420, user_defined_symbols=symbols)
    for folder in madlad.write_folders(model):
        write_golden(folder, madlad.MadladTokenizer, {"de": "<2de>", "zh_Latn": "<2zh_Latn>"},
                     [("", "de"), ("", "zh_Latn")], all_texts, len(pieces(model)))


def make():
    shutil.rmtree(TRANSLATION, ignore_errors=True)
    os.makedirs(TRANSLATION)
    all_texts = texts()
    write_json(os.path.join(TRANSLATION, "texts.json"), all_texts)
    unigram, bpe = train("unigram", SENTENCES, 420), train("bpe", SENTENCES, 600)
    marian(all_texts)
    m2m100(bpe, all_texts)
    symbols(unigram, bpe, all_texts)
    plbart(bpe, all_texts)
    mbart(unigram, all_texts)
    nllb(bpe, all_texts)
    pegasus(all_texts)
    madlad_folders(all_texts)
    text_models.make()
    return f"{len(all_texts)} texts"
