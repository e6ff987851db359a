"""The part of make_tokenizer_goldens.py about byte-pair encoding, and the lines of many scripts.

lines.json has 2,000 lines of 25 scripts and some short texts to be repeated up to 100 kB; in
lines_golden.json of each folder is a checksum of the ids of each. Where the values come from:
- bart_files, blenderbot_files, bart_json, blenderbot_json: transformers 5.17, from the folder as it
  lies there, but for decoding a token that 5.17 has no id for. The first two are written as
  transformers 4 did, before and after it listed added tokens in tokenizer_config.json.
- bpe_spiece: plain SentencePiece between the added tokens.
- bpe_json: the tokenizers library, from a tokenizer.json such as NLLB's: the merges of bpe_spiece,
  in the order in which transformers derives them, and "▁" marks.
"""

import json
import os
import random
import shutil
import tempfile
import unicodedata

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BartTokenizer, BlenderbotTokenizer
from transformers.tokenization_utils_base import generate_merges

# A name, the ranges of its letters to draw from, and words.
SCRIPTS = [
    ("Latin", "a-z A-Z À-ÿ Ā-ſ", "the quick brown fox straße naïve Ångström coração żółć İstanbul ﬁne don't we've"),
    ("Greek", "α-ω Α-Ω ά-ώ", "η γρήγορη αλεπού πηδάει πάνω από το σκυλί καφέ Αθήνα"),
    ("Cyrillic", "а-я А-Я ѐ-ѿ", "быстрая лиса прыгает через ленивую собаку ещё мягких булок Київ"),
    ("Armenian", "ա-և Ա-Ֆ", "արագ շագանակագույն աղվեսը և շունը Երևան"),
    ("Georgian", "ა-ჰ Ა-Ჿ", "სწრაფი მელა ხტება ძაღლზე თბილისი"),
    ("Hebrew", "א-ת ְ-ֽ", "שלום עולם העברית נכתבת מימין לשמאל שָׁלוֹם"),
    ("Arabic", "ء-ي ً-ْ ٠-٩", "السلام عليكم ورحمة الله وبركاته مَرْحَبًا ١٢٣"),
    ("Devanagari", "क-ह ा-् ०-९", "नमस्ते दुनिया हिन्दी एक सुंदर भाषा है १२३"),
    ("Bengali", "ক-হ া-্ ০-৯", "নমস্কার বিশ্ব বাংলা একটি সুন্দর ভাষা"),
    ("Gurmukhi", "ਕ-ਹ ਾ-੍", "ਸਤ ਸ੍ਰੀ ਅਕਾਲ ਦੁਨਿਆ"),
    ("Gujarati", "ક-હ ા-્", "નમસ્તે દુનિયા ગુજરાતી ભાષા"),
    ("Tamil", "க-ஹ ா-்", "வணக்கம் உலகம் தமிழ் மொழி அழகானது"),
    ("Telugu", "క-హ ా-్", "నమస్కారం ప్రపంచం తెలుగు భాష"),
    ("Kannada", "ಕ-ಹ ಾ-್", "ನಮಸ್ಕಾರ ಪ್ರಪಂಚ ಕನ್ನಡ ಭಾಷೆ"),
    ("Malayalam", "ക-ഹ ാ-്", "നമസ്കാരം ലോകം മലയാളം ഭാഷ"),
    ("Sinhala", "ක-ෆ ා-ෟ", "ආයුබෝවන් ලෝකය සිංහල භාෂාව"),
    ("Thai", "ก-ฮ ะ-ฺ ๐-๙", "สวัสดีชาวโลก ภาษาไทย ไม่มีช่องว่าง"),
    ("Lao", "ກ-ຮ ະ-ູ", "ສະບາຍດີ ໂລກ ພາສາລາວ"),
    ("Tibetan", "ཀ-ཬ ཱ-ྀ", "བོད་སྐད་ བཀྲ་ཤིས་བདེ་ལེགས།"),
    ("Myanmar", "က-အ ါ-်", "မင်္ဂလာပါ ကမ္ဘာ မြန်မာဘာသာ"),
    ("Khmer", "ក-អ ា-៓", "សួស្តី ពិភពលោក ភាសាខ្មែរ"),
    ("Ethiopic", "ሀ-ፚ ፩-፼", "ሰላም ዓለም አማርኛ ቋንቋ"),
    ("Hangul", "가-힣 ᄀ-ᇿ", "오늘 날씨가 좋습니다 서울에서 부산까지 한국어"),
    ("Kana", "ぁ-ゖ ァ-ヺ ｦ-ﾟ", "今日は 天気が いいですね カタカナ ひらがな 東京 ﾃｽﾄ"),
    ("Han", "一-龥 㐀-䶵 𠀀-𠃿", "今天 天气 很好 我们去 公园散步吧 中文 分词 漢字"),
    ("Others", "Ꭰ-Ᏼ ᠠ-ᡷ ꀀ-ꒌ 𐌰-𐍊 𝐀-𝟿 Ⅰ-ↈ", "ᏣᎳᎩ ᠮᠣᠩᠭᠣᠯ ꆈꌠ 𐌲𐌿𐍄 𝟘𝟙 Ⅳ"),
]
NUM_LINES = 2080
SPACES = [" "] * 12 + ["  ", "   ", "\t", "\u00a0", "\u3000", "\u2009", "\u200b", "\n", "\r\n", " \n ", "\x85", ""]
BETWEEN = [", ", ". ", "! ", "?", "; ", ":", "...", " - ", "—", "'", "\u2019", "\"", " (", ") ", "/", "。", "、", "؟ ", "।", "·"]
ODD = ["😀", "👍🏽", "👨‍👩‍👧", "🇩🇪", "❤️", "1️⃣", "\u200d", "\u200c", "\u0301", "\u0308\u0323", "\u0300\u0301\u0302", "\ufe0f",
       "\x00", "\x01", "\x1b[0m", "\x7f", "\u00ad", "\ufeff", "\u2028", "\u202e", "\ufffd", "\ue000", "\U0010ffff",
       "½", "²", "①", "٣", "१", "Ⅷ", "$12.50", "1,234", "3.14", "007", "x1y2", "a_b", "C++", "#tag", "@me", "https://a.b/c?d=e",
       "I'm", "they're", "he'd", "we'll", "don't", "'S", "'ve'", "''s", " 's", "'", "</s>", "<s>", "<mask>", "<pad>", " <mask> ",
       "[user]", "x[user]y", "[user] [user]", "Ġ", "▁", "Ċ", "Ā", "ſ's"]
REPEATED = [["The nave of the church. ", 4300], ["a", 100000], ["ab", 50000], [" ", 100000], ["é", 50000], ["😀", 25000],
            ["e\u0301", 33000], ["\u0301", 50000], ["\n", 100000], ["1", 100000], ["!", 100000], ["'s", 50000], [" a", 50000],
            ["漢字", 17000], ["</s>", 25000], ["\t \u00a0", 25000], ["\u200d", 33000], ["ğ▁Ġ", 14000], ["xyzzy", 20000]]


def letters_of(ranges):
    letters = []
    for item in ranges.split(" "):
        first, _, last = item.partition("-")
        letters += [chr(c) for c in range(ord(first), ord(last or first) + 1) if unicodedata.category(chr(c)) != "Cn"]
    return letters


def make_lines():
    rng = random.Random(20260117)
    scripts = [(letters_of(ranges), words.split()) for _, ranges, words in SCRIPTS]
    lines = ["", " ", "  ", "\n", "\t", "\u00a0", "\u200d", "\x00"]
    while len(lines) < NUM_LINES:
        letters, words = scripts[len(lines) % len(scripts)]
        line = rng.choice(["", "", "", " ", "  ", "\t"])
        for _ in range(rng.randint(2, 7)):
            kind = rng.random()
            if kind < 0.6:
                line += rng.choice(words)
            elif kind < 0.75:
                line += "".join(rng.choices(letters, k=rng.randint(1, 6)))
            elif kind < 0.8:
                line += rng.choice(rng.choice(scripts)[1])
            else:
                line += rng.choice(ODD)
            line += rng.choice(SPACES) if rng.random() < 0.75 else rng.choice(BETWEEN)
        lines.append(line if rng.random() < 0.3 else line.rstrip(" "))
    return lines


def checksum(ids):
    """FNV-1a over the ids as four bytes each, the lowest first."""
    value = 0x811C9DC5
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


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


class Writer:
    def __init__(self, root, texts, write_json, write_golden):
        self.root, self.texts = root, texts
        self.write_json, self.write_golden = write_json, write_golden
        self.lines = make_lines()
        write_json(os.path.join(root, "lines.json"), {"lines": self.lines, "repeated": REPEATED})

    def folder(self, name):
        path = os.path.join(self.root, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def goldens(self, folder, size, encode, decode):
        self.write_golden(folder, self.texts, size, None, encode, decode)
        self.write_json(os.path.join(folder, "lines_golden.json"), {
            "lines": [checksum(encode(line)) for line in self.lines],
            "repeated": [checksum(encode(text * times)) for text, times in REPEATED]})

    def transformers_goldens(self, folder, tokenizer_class):
        loaded = tokenizer_class.from_pretrained(folder)
        self.goldens(folder, len(loaded), lambda text: loaded(text).input_ids,
                     lambda ids: loaded.decode(ids, skip_special_tokens=True))
        return loaded

    def write_vocabulary(self, folder, vocab, merges):
        self.write_json(os.path.join(folder, "vocab.json"), vocab)
        with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
            file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))

    def save_v5(self, loaded, name, tokenizer_class):
        folder = self.folder(name)
        loaded.save_pretrained(folder)
        for file in os.listdir(folder):
            path = os.path.join(folder, file)
            with open(path, encoding="utf-8") as stream:
                value = json.load(stream)
            self.write_json(path, value)
        self.transformers_goldens(folder, tokenizer_class)


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, **flags}


def write_bart(writer):
    vocab, merges = train(writer.lines + writer.texts, 2600)
    folder = writer.folder("bart_files")
    writer.write_vocabulary(folder, vocab, merges)
    specials = {name: token for name, token in zip(
        ["bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token"],
        ["<s>", "<s>", "</s>", "<mask>", "<pad>", "</s>", "<unk>"])}
    added = {str(i): token(content, special=True) for i, content in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    mask = vocab["<mask>"]
    added[str(mask)] = token("<mask>", lstrip=True, special=True)
    added[str(mask + 1)] = token("[user]", single_word=True, special=False)
    added[str(mask + 2)] = token("fox", single_word=True, normalized=True, rstrip=True, special=False)
    writer.write_json(os.path.join(folder, "tokenizer_config.json"), {
        "add_prefix_space": False, "added_tokens_decoder": added, "clean_up_tokenization_spaces": True,
        "errors": "replace", "model_max_length": 1024, "tokenizer_class": "BartTokenizer", "trim_offsets": True, **specials})
    writer.write_json(os.path.join(folder, "special_tokens_map.json"), specials)
    loaded = writer.transformers_goldens(folder, BartTokenizer)
    writer.save_v5(loaded, "bart_json", BartTokenizer)


def write_blenderbot(writer):
    vocab, merges = train(writer.texts, 900)
    del vocab["<mask>"]
    folder = writer.folder("blenderbot_files")
    writer.write_vocabulary(folder, vocab, merges)
    writer.write_json(os.path.join(folder, "tokenizer_config.json"), {
        "add_prefix_space": True, "tokenizer_class": "BlenderbotTokenizer"})
    writer.write_json(os.path.join(folder, "added_tokens.json"), {"[user]": len(vocab) + 1, "<mask>": len(vocab)})
    writer.write_json(os.path.join(folder, "special_tokens_map.json"), {
        "bos_token": "<s>", "cls_token": "<s>", "eos_token": token("</s>", normalized=True), "mask_token": token("<mask>", lstrip=True),
        "pad_token": "<pad>", "sep_token": token("</s>", normalized=True), "unk_token": "<unk>"})
    loaded = writer.transformers_goldens(folder, BlenderbotTokenizer)
    # What transformers 4 wrote into tokenizer.json, and 5 takes from it.
    loaded.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:0 </s>:0", pair="$A:0 </s>:0 $B:1 </s>:1", special_tokens=[("</s>", 2)])
    writer.save_v5(loaded, "blenderbot_json", BlenderbotTokenizer)


def write_sentencepiece(writer, model, write_spiece_folder, spiece_functions):
    folder = writer.folder("bpe_spiece")
    shutil.rmtree(folder)
    write_spiece_folder(folder, model)
    encode, decode = spiece_functions(model, folder)
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        added = json.load(file)["added_tokens_decoder"]
    writer.goldens(folder, 1 + max(map(int, added)), encode, decode)

    from sentencepiece import sentencepiece_model_pb2
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
    folder = writer.folder("bpe_json")
    writer.write_json(os.path.join(folder, "tokenizer.json"), json.loads(backend.to_str()))
    # BPE models' text stays as it is.
    writer.write_json(os.path.join(folder, "tokenizer_config.json"), {"clean_up_tokenization_spaces": True})
    writer.goldens(folder, backend.get_vocab_size(), lambda text: backend.encode(text).ids,
                   lambda ids: backend.decode(ids, skip_special_tokens=True))
