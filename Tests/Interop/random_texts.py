"""Random texts, pairs and rows of words that tokenizers are compared on: every script, marks in every order, white space of every
kind, pieces of a vocabulary, special tokens and what looks like them."""
import random

RANGES = [
    (0x00, 0x7F), (0x80, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x8A0, 0x9FF), (0xA00, 0xDFF), (0xE00, 0xFFF),
    (0x1000, 0x10FF), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x1AB0, 0x1AFF), (0x1B00, 0x1BFF), (0x1DC0, 0x1EFF), (0x1F00, 0x1FFF),
    (0x2000, 0x206F), (0x2070, 0x2BFF), (0x2E00, 0x2E7F), (0x2F00, 0x30FF), (0x3130, 0x33FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA640, 0xA9FF), (0xAC00, 0xD7FF), (0xE000, 0xE100), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x10FFF),
    (0x11000, 0x11FFF), (0x1D150, 0x1D1FF), (0x1D400, 0x1D7FF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FAFF), (0x20000, 0x20100),
    (0x2A6D0, 0x2A710), (0x2B730, 0x2B930), (0x2CEA0, 0x2CEC0), (0x2F800, 0x2FA20), (0xE0000, 0xE01FF), (0xF0000, 0xF0010),
    (0x10FFF0, 0x10FFFF), (0, 0x10FFFF),
]
MARKS = "\u0300\u0301\u0308\u030A\u0327\u0323\u0334\u0345\u0344\u302E\u302F\u0F71\u0F72\u0F73\u093C\u0BD7\u1D165\u20DD\u05B0\u05BC"
MARKS += "\U0001D165\U0001D166\U0001D16D\u1ABF\u1DFB\u08D4\u0D3B\U00016FF0\u3099\u309A\uFE20\u0654\u1134\u1734\U0001171E"
SPACES = " \t\n\r\u000B\u000C\u0085\u00A0\u1680\u2000\u2028\u2029\u202F\u205F\u3000\u200B\u2060\uFEFF\u180E\0\u0001\uFFFD"
PIECES = [
    "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[cls]", "[Mask]", "[MASK", "MASK]", "[ MASK ]", "[[MASK]]", "[MASK][MASK]",
    "##ing", "##", "#", "don't", "can't", "I'm", "U.S.A.", "e-mail", "http://t.co/x?y=1&z", "@user", "#hashtag", "10,000.50", "$^+<>=|~`",
    "\u1112\u1161\u11AB", "\uD55C\uAD6D\uC5B4", "\u4E2D\u6587\u5B57", "\u3053\u3093\u306B\u3061\u306F", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F44D\U0001F3FD",
    "\u2764\uFE0F", "\U0001F1E9\U0001F1EA", "na\u00EFve caf\u00E9", "\u0130stanbul \u0131", "\u03A3\u03A3 \u03C2", "STRASSE \u00DF \u1E9E", "\uFB01 \uFB03", "\u01C5 \u01C4",
    "\u00C5\u212B\u0041\u030A", "\u1EA4\u1EA5", "\uFF21\uFF22\uFF41", "\u0958\u0929", "\u2126\u212A", "\u037E\u1FEF\u0387", "\u2018\u2019\u201C\u201D\u2026\u2013\u2014",
    "abc\u00ADdef", "zero\u200Bwidth", "a\u0301\u0323b", "a\u302F\u302Eb", "\U0001D15E\U0001D160\U0001D1C0", "a\u0334\u302E\u0001\u302Fb", "\u0344", "unaffable",
    "<new>", "<NEW>", "<new", "[AA]", "[aa]", "\u00C9t\u00E9", "\u00E9t\u00E9", "ete", "[LS]", "[RS]", "[LRS]", "[SW]", "x[SW]", "[SW]x", "[SW]\u0301", "_[SW]", "-[SW]-", "qxq", "qxqx", "aqxqxq", "QXQX",
]

class Texts:
    """vocabulary: pieces as they look in a text."""

    def __init__(self, seed, vocabulary):
        self.rng = random.Random(seed)
        self.vocabulary = vocabulary

    def scalar(self):
        while True:
            low, high = self.rng.choice(RANGES)
            code = self.rng.randint(low, high)
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    def piece(self):
        kind = self.rng.random()
        if kind < 0.25: return self.rng.choice(PIECES)
        if kind < 0.45: return "".join(self.scalar() for _ in range(self.rng.randint(1, 6)))
        if kind < 0.55: return self.rng.choice("aeiouAEIOUno\u0915\u1100\uAC00") + "".join(self.rng.choice(MARKS) for _ in range(self.rng.randint(1, 5)))
        if kind < 0.75: return self.rng.choice(self.vocabulary).removeprefix("##") + (self.rng.choice(self.vocabulary).removeprefix("##") if self.rng.random() < 0.4 else "")
        if kind < 0.80: return self.rng.choice(self.vocabulary).title()
        if kind < 0.90: return "".join(chr(self.rng.randint(0x20, 0x7E)) for _ in range(self.rng.randint(1, 12)))
        if kind < 0.91: return self.rng.choice(["a", "Ab", "\u00E9", "\u4E00", "e\u0301", "##s"]) * self.rng.randint(30, 210)
        if kind < 0.93: return self.scalar() * self.rng.randint(1, 3)
        return self.rng.choice(MARKS) + self.rng.choice(SPACES)

    def text(self):
        count = self.rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 30])
        return "".join(self.piece() + (self.rng.choice(SPACES) if self.rng.random() < 0.15 else self.rng.choice(["", " ", " "])) for _ in range(count))

    def rows(self, count):
        result = []
        for _ in range(count):
            row = {"text": self.text(), "pair": self.text() if self.rng.random() < 0.4 else None}
            row["max_length"] = self.rng.choice([None, None, self.rng.randint(4, 12), self.rng.randint(4, 60), 128])
            result.append(row)
        long = " ".join(self.rng.choice(self.vocabulary) for _ in range(10_000))
        return result + [{"text": long, "pair": None, "max_length": n} for n in (None, 128)] + [{"text": long, "pair": long[:-7], "max_length": 511}]

    def word_rows(self, count):
        rows = []
        for _ in range(count):
            words = [self.text() if self.rng.random() < 0.1 else self.text().split(" ")[0] for _ in range(self.rng.randint(0, 8))]
            rows.append({"words": words, "max_length": self.rng.choice([None, None, 9])})
        return rows
