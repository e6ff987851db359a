"""Texts that tokenizers learn from and are tried on, and what one of tests/data/text makes of them."""

import os
import random

import lines
import long_lines
from files import write_json

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
""".strip().split("\n")

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
    words = " ".join(SENTENCES).split()
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


TEXTS = HARD_TEXTS + list(random_texts(120)) + SENTENCES


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


def write_goldens(folder, size, byte_ids, encode, decode):
    """What functions of a tokenizer of `size` tokens make of the texts, and of the lines: golden.json and
    those of lines.py and long_lines.py. `byte_ids`: the first of the tokens for bytes, or None. Returns
    the texts' ids."""
    ids = [encode(text) for text in TEXTS]
    name = os.path.basename(folder)
    cases = list(decode_cases(size, byte_ids, random.Random(name)))
    write_json(os.path.join(folder, "golden.json"), {
        "vocab_size": size, "ids": ids, "decoded": [decode(i) for i in ids],
        "decode_ids": cases, "decode_text": [decode(i) for i in cases]})
    lines.write_golden(folder, encode, decode)
    long_lines.write_golden(folder, encode, decode)
    print(f"{name}: {len(ids)} texts", flush=True)
    return ids


def write_transformers_goldens(folder, tokenizer_class, byte_ids=None):
    """What transformers makes of them with the folder's tokenizer, which is returned."""
    loaded = tokenizer_class.from_pretrained(folder)
    write_goldens(folder, len(loaded), byte_ids, lambda text: loaded(text).input_ids,
                  lambda ids: loaded.decode(ids, skip_special_tokens=True))
    return loaded
