#!/usr/bin/env python3
"""Writes tests/data/text: small tokenizers in every layout that Transept reads, hard texts, lines of
many scripts, and the ids and texts that are right for them.

Usage: python3 tools/goldens/text.py [FOLDER]
Needs transformers 5.17, sentencepiece and protobuf. The result is the same on every run.

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

import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import unicodedata

import bpe
import lines
import long_lines
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from transformers import ByT5Tokenizer, T5Tokenizer

VOCAB_SIZE = 420
EXTRA_IDS = 100

SENTENCES = """
The nave of the church is long and the transept crosses it in front of the choir.
A source is read once, and every step of the answer looks back at it.
She sells sea shells by the sea shore; the shells she sells are sea shells, I'm sure.
How much wood would a woodchuck chuck if a woodchuck could chuck wood?
The quick brown fox jumps over the lazy dog. The five boxing wizards jump quickly.
translate English to German: The house is wonderful and the garden is small.
translate English to French: I do not know whether the train has left already.
summarize: the meeting is on the twenty third of march at half past four in the afternoon.
Das Haus ist wunderbar und der Garten ist klein. Die Brücke über den Fluß heißt Königsbrücke.
Où est la bibliothèque? Ça dépend de l'été, à côté de la forêt près du château.
El niño comió la piña en la montaña mañana. ¿Qué tal? ¡Muy bien!
Não há pão nem coração; a estação é à direita. Zażółć gęślą jaźń. Příliš žluťoučký kůň.
Быстрая коричневая лиса прыгает через ленивую собаку. Съешь ещё этих мягких булок.
Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.
今日は天気がいいですね。東京から大阪まで新幹線で行きます。カタカナとひらがな。
今天天气很好。我们去公园散步吧。中文分词很有趣。
오늘 날씨가 좋습니다. 서울에서 부산까지 기차로 갑니다.
السلام عليكم ورحمة الله وبركاته. اللغة العربية جميلة.
שלום עולם. העברית נכתבת מימין לשמאל.
नमस्ते दुनिया। हिन्दी एक सुंदर भाषा है।
สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง
In 1999 there were 1,234,567 items at $12.50 (plus 7.5% tax) = £3/4 & more... e-mail: a@b.org #42
"""

HARD_TEXTS = [
    "", " ", "  ", "\t", "\n", "\r\n", "a", " a", "a ", "  a  b  ", "a\tb\nc\r\nd", "a\u00a0b\u2003c\u3000d",
    "a\u200bb\u200cc\u200dd\ufeffe", "\u2028line\u2029paragraph\u0085next", "\u1680ogham\u202fnarrow\u205fmath",
    "\x00", "a\x00b", "\x01\x02\x1b[0m", "bell\x07 back\x08 del\x7f", "\x1c\x1d\x1e\x1f", "soft\u00adhyphen",
    "▁", "▁a", "a▁b", "a ▁ b", "▁▁a▁▁", "The ▁nave", " ▁", "▁ ",
    "</s>", "<pad>", "<unk>", "<s>", "a</s>b", "a </s> b", "</s></s>", "  </s>  a", "</s>a ", "x<pad>y<unk>z",
    "<extra_id_0>", "<extra_id_99>", "<extra_id_100>", "<extra_id_1", "extra_id_0>", "<extra_id_1><extra_id_10>",
    "The <extra_id_0> walks in <extra_id_1> park", "The<extra_id_0>walks", "<extra_id_5> ", " <extra_id_5>",
    "\u00a0<extra_id_7>\u3000x", "<extra_id_0>\n<extra_id_1>", "</S>", "< /s>", "<0x41>", "<0xE2><0x82>", "<0x0A>x",
    "The quick brown fox", "the the the", "Thequickbrownfox", "THE QUICK BROWN FOX", "woodchuck chuck wood",
    "translate English to German: The house is wonderful.", "I do n't know . Really ?", "don't can't I'm it's we've",
    "1999", "1,234,567", "$12.50", "3.14159", "2024-01-31T12:34:56Z", "a@b.org", "https://example.org/a?b=c&d=%20",
    "…", "a...b", "“quoted” ‘single’ «guillemets» „low“", "em—dash en–dash −minus", "½ ¼ ² ³ ¹ ª º", "ﬁ ﬂ ﬀ ﬃ ﬄ ﬅ ﬆ",
    "ＦＵＬＬ ｗｉｄｔｈ １２３！", "ｱｲｳｴｵ ｶﾞｷﾞ ﾊﾟﾋﾟ", "ガギグ パピプ", "カ\u3099キ\u3099 ハ\u309a", "①②③ Ⅳ ⅷ ㎏ ㌔ ℃ ™ ℡ №",
    "Brücke über Fluß", "Bru\u0308cke u\u0308ber", "é e\u0301 ê e\u0302 ế e\u0302\u0301 ệ e\u0323\u0302",
    "e\u0301\u0301 e\u0301\u0301\u0301 a\u0308\u0304", "Å A\u030a Å ñ n\u0303", "x\u0301 \u0301 \u0301\u0301a", "ﬁ\u0301 ½\u0301 ²\u0303",
    "…\u0301 \u00a0\u0301 \u3000\u0301 a \u0301b", "Z\u0351\u036b\u0343\u036a\u0302a\u0344\u0349l\u0321\u034a g\u0335\u0313o\u0334",
    "ẛ\u0323 ſ \u1e9b", "q\u0307\u0323 d\u0323\u0307 ḍ\u0307", "İstanbul ıspanak I\u0307", "Ω Ω Å", "ĳ ŉ Ǆ ǅ ǆ",
    "Zażółć gęślą jaźń", "Příliš žluťoučký kůň", "Ångström façade naïve coöperate", "Þórður Æsir œuvre ßẞ",
    "Быстрая коричневая лиса", "ё е\u0308 й и\u0306 Й", "Ѿ ѳ ѵ", "Η γρήγορη αλεπού", "ά α\u0301 ΐ ι\u0308\u0301 ᾳ ᾼ",
    "今日は天気がいいですね。", "東京から大阪まで", "中文分词很有趣。", "漢字かな交じり文", "豈 更 車 﨑", "ｶﾀｶﾅ", "ゞ ゟ ヿ ー〜",
    "오늘 날씨가 좋습니다.", "ㅎㅏㄴ 한 \u1112\u1161\u11ab", "가\u0301", "العربية جميلة", "مَرْحَبًا", "لا ﻻ ﷺ ﷲ", "شُكْرًا جزيلاً",
    "שלום עולם", "שָׁלוֹם", "नमस्ते दुनिया", "क्\u200dष क्\u200cष क़ क\u093c", "ক\u09bc ড় ড\u09bc", "தமிழ் நிக்ஷ", "สวัสดีชาวโลก", "กำ ก\u0e4d\u0e32", "ᠮᠣᠩᠭᠣᠯ",
    "ქართული ენა", "Հայերեն և", "አማርኛ", "བོད་ཡིག", "မြန်မာ", "ខ្មែរ", "ລາວ", "ᏣᎳᎩ ꮳꮃꭹ", "𐌰𐌱 𝔘𝔫𝔦 𝟘𝟙 𝓐",
    "😀", "😀😀", "a😀b", "👍🏽", "👨‍👩‍👧‍👦", "👩🏽‍🚀", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️ ❤", "☺︎ ☺️", "1️⃣ #️⃣", "©️ ® ™️", "🫠🪿", "🧑\u200d",
    "\U000e0067\U000e0062", "\ue000 \uf8ff", "\ufffd", "a\ufffdb", "\ufdd0 \ufffe \uffff", "\U0010ffff", "\U0001f9ff",
    "\u202eRLO\u202c \u2066iso\u2069", "\u0600 ١٢٣ \u06dd", "\u0600\u0661 \u0600\u0301", "\u2044 1\u20442", "a\u20dd b\u20e3",
    "مرحبا hello שלום 你好 こんにちは 안녕 привет γεια", "café☕️ naïve🙂 résumé📄",
    "line one\nline two\n\nline four", "trailing newline\n", "\ttabbed\ttext\t", "if (x < 3) { return y->z; } // ok",
    "<html><body class=\"a\">&nbsp;</body></html>", "{\"key\": [1, 2, null]}", "SELECT * FROM t WHERE a = 'b';",
    "word" * 40, "ab" * 200, "é" * 60, "😀" * 40, "a " * 120, "  ".join("xyz"), "the" * 50, "。" * 30, "e\u0301" * 50, "\u0301" * 30,
]


def random_texts(count):
    """Texts drawn from ordinary words and from characters that normalisers stumble over."""
    rng = random.Random(20240607)
    words = SENTENCES.split()
    odd = list(" \t\n\u00a0\u3000\u200b\u200d\ufe0f\u0301\u0308\u0323\u0302\u093c\u3099½²ﬁ…éÅ가ｶ😀🏽🇩▁<>/\x00\x0b\u2028\u0600ß漢한")
    marks = ["</s>", "<pad>", "<extra_id_3>", "<unk>", "<0x41>", "  ", ""]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 9)):
            kind = rng.random()
            if kind < 0.5:
                parts.append(rng.choice(words) + rng.choice(["", " "]))
            elif kind < 0.92:
                parts.append("".join(rng.choices(odd, k=rng.randint(1, 4))))
            else:
                parts.append(rng.choice(marks))
        yield "".join(parts)


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
            sentence_iterator=iter(line for line in SENTENCES.split("\n") if line),
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


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


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


def compact(path):
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    write_json(path, value)
    return value


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


def decode_cases(size, byte_ids, rng):
    """Token sequences that no text need encode to."""
    for _ in range(60):
        ids = []
        for _ in range(rng.randint(0, 14)):
            kind = rng.random()
            if byte_ids and kind < 0.5:
                text = rng.choice(["é", "€", "😀", "a", " ", "漢", "\n"]).encode()
                if rng.random() < 0.3:
                    text = text[: rng.randint(1, len(text))]
                ids += [byte_ids + b for b in text]
            elif kind < 0.15:
                ids.append(rng.choice([0, 1, 2, 3, size - 1, size - 7]))
            else:
                ids.append(rng.randrange(size))
        yield ids


def write_golden(folder, texts, size, byte_ids, encode, decode):
    ids = [encode(text) for text in texts]
    cases = list(decode_cases(size, byte_ids, random.Random(folder.rsplit("/", 1)[-1])))
    write_json(os.path.join(folder, "golden.json"), {
        "vocab_size": size, "ids": ids, "decoded": [decode(i) for i in ids],
        "decode_ids": cases, "decode_text": [decode(i) for i in cases]})
    lines.write_golden(folder, write_json, encode, decode)
    long_lines.write_golden(folder, write_json, encode, decode)
    return ids


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


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "tests/data/text"
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    texts = HARD_TEXTS + list(random_texts(120))
    texts += [line for line in SENTENCES.split("\n") if line]
    write_json(os.path.join(root, "texts.json"), texts)
    write_json(os.path.join(root, "lines.json"), {
        "lines": lines.LINES, "repeated": lines.REPEATED,
        "lines_in_a_row": lines.LINES_IN_A_ROW})
    write_json(os.path.join(root, "long_lines.json"), long_lines.RECIPES)

    for byte_fallback in (False, True):
        suffix = "_bytes" if byte_fallback else ""
        model = train(byte_fallback)
        spiece = os.path.join(root, "t5_spiece" + suffix)
        write_spiece_folder(spiece, model)
        fast = T5Tokenizer.from_pretrained(spiece)
        encode, decode = spiece_functions(model, spiece)
        if not byte_fallback:
            decode = lambda ids: fast.decode(ids, skip_special_tokens=True)
        ids = write_golden(spiece, texts, len(fast), 3 if byte_fallback else None, encode, decode)
        differing = sum(a != fast(text).input_ids for a, text in zip(ids, texts))
        print(f"{spiece}: transformers differs from SentencePiece on {differing} of {len(texts)} texts")

        if byte_fallback:
            with tempfile.TemporaryDirectory() as saved:
                fast.save_pretrained(saved)
                folder = os.path.join(root, "t5_json_bytes")
                backend = write_v4_json_folder(folder, saved, True)
        else:
            v5 = os.path.join(root, "t5_json")
            fast.save_pretrained(v5)
            compact(os.path.join(v5, "tokenizer.json"))
            compact(os.path.join(v5, "tokenizer_config.json"))
            loaded = T5Tokenizer.from_pretrained(v5)
            write_golden(v5, texts, len(loaded), None, lambda text: loaded(text).input_ids,
                         lambda ids: loaded.decode(ids, skip_special_tokens=True))
            folder = os.path.join(root, "t5_json_v4")
            backend = write_v4_json_folder(folder, v5, False)
        clean = fast.clean_up_tokenization if not byte_fallback else lambda text: text
        write_golden(folder, texts, backend.get_vocab_size(), 3 if byte_fallback else None,
                     lambda text: backend.encode(text).ids,
                     lambda ids: clean(backend.decode(ids, skip_special_tokens=True)))

    byt5 = os.path.join(root, "byt5")
    os.makedirs(byt5)
    write_json(os.path.join(byt5, "tokenizer_config.json"), {"tokenizer_class": "ByT5Tokenizer"})
    loaded = ByT5Tokenizer.from_pretrained(byt5)
    write_golden(byt5, texts, len(loaded), 3, lambda text: loaded(text).input_ids,
                 lambda ids: loaded.decode(ids, skip_special_tokens=True))

    writer = bpe.Writer(root, texts, write_json, write_golden)
    bpe.write_bart(writer)
    bpe.write_blenderbot(writer)
    bpe.write_sentencepiece(writer, train(False, "bpe"), write_spiece_folder, spiece_functions)


if __name__ == "__main__":
    main()
