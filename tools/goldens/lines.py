"""The part of text.py about lines of many scripts.

lines.json has 2,080 lines of 25 scripts and some short texts to be repeated up to 100 kB;
lines_golden.json of each folder has a checksum of the ids of each, and of the texts that these ids
give back: one for so many lines in a row, and one for each of the long texts.
"""

import os
import random
import unicodedata

from files import write_json

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
LINES_IN_A_ROW = 10
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


LINES = make_lines()


def checksum(data):
    """FNV-1a."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def checksum_of_ids(ids):
    """Four bytes for each, the lowest first."""
    return checksum(b"".join(i.to_bytes(4, "little") for i in ids))


def write_golden(folder, encode, decode):
    ids = [encode(line) for line in LINES]
    repeated = [encode(text * times) for text, times in REPEATED]
    texts = [decode(i) for i in ids]
    blocks = ["\n".join(texts[i : i + LINES_IN_A_ROW]) for i in range(0, len(texts), LINES_IN_A_ROW)]
    write_json(os.path.join(folder, "lines_golden.json"), {
        "lines": [checksum_of_ids(i) for i in ids],
        "repeated": [checksum_of_ids(i) for i in repeated],
        "decoded": [checksum(text.encode()) for text in blocks],
        "repeated_decoded": [checksum(decode(i).encode()) for i in repeated]})
