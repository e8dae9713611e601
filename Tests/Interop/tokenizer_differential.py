"""Compares `lockstep tokenize` with Hugging Face `tokenizers` on generated texts.

    python Tests/Interop/tokenizer_differential.py --lockstep BINARY --model DIR [--rows 4000] [--seed 0] [--every-scalar]

DIR is a BERT model folder with tokenizer.json and vocab.txt. From it come some thirty tokenizers (cased and uncased, accents
stripped or not, added tokens with every flag, other templates, vocab.txt with its settings), and one with every scalar of the
basic plane in its vocabulary, so that no difference in normalisation hides behind [UNK]. Each gets --rows texts and pairs.
--every-scalar also runs each Unicode scalar through that one, alone between two letters.
Exit status 1 if any row differs. Needs tokenizers and transformers.
"""
import argparse, copy, json, os, random, subprocess, sys, tempfile
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from tokenizers import Tokenizer

arguments = argparse.ArgumentParser()
arguments.add_argument("--lockstep", required=True)
arguments.add_argument("--model", required=True)
arguments.add_argument("--rows", type=int, default=4000)
arguments.add_argument("--seed", type=int, default=0)
arguments.add_argument("--every-scalar", action="store_true")
arguments = arguments.parse_args()
rng = random.Random(arguments.seed)
base = json.load(open(arguments.model + "/tokenizer.json", encoding="utf-8"))
base["truncation"] = base["padding"] = None
vocabulary = sorted(base["model"]["vocab"], key=base["model"]["vocab"].get)

# Texts

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

def scalar():
    while True:
        low, high = rng.choice(RANGES)
        code = rng.randint(low, high)
        if not 0xD800 <= code < 0xE000:
            return chr(code)

def piece():
    kind = rng.random()
    if kind < 0.25: return rng.choice(PIECES)
    if kind < 0.45: return "".join(scalar() for _ in range(rng.randint(1, 6)))
    if kind < 0.55: return rng.choice("aeiouAEIOUno\u0915\u1100\uAC00") + "".join(rng.choice(MARKS) for _ in range(rng.randint(1, 5)))
    if kind < 0.75: return rng.choice(vocabulary).removeprefix("##") + (rng.choice(vocabulary).removeprefix("##") if rng.random() < 0.4 else "")
    if kind < 0.80: return rng.choice(vocabulary).title()
    if kind < 0.90: return "".join(chr(rng.randint(0x20, 0x7E)) for _ in range(rng.randint(1, 12)))
    if kind < 0.91: return rng.choice(["a", "Ab", "\u00E9", "\u4E00", "e\u0301", "##s"]) * rng.randint(30, 210)
    if kind < 0.93: return scalar() * rng.randint(1, 3)
    return rng.choice(MARKS) + rng.choice(SPACES)

def text():
    count = rng.choice([0, 1, 1, 2, 3, 5, 8, 13, 30])
    return "".join(piece() + (rng.choice(SPACES) if rng.random() < 0.15 else rng.choice(["", " ", " "])) for _ in range(count))

def rows(count):
    result = []
    for _ in range(count):
        row = {"text": text(), "pair": text() if rng.random() < 0.4 else None}
        row["max_length"] = rng.choice([None, None, rng.randint(4, 12), rng.randint(4, 60), 128])
        result.append(row)
    long = " ".join(rng.choice(vocabulary) for _ in range(10_000))
    return result + [{"text": long, "pair": None, "max_length": n} for n in (None, 128)] + [{"text": long, "pair": long[:-7], "max_length": 511}]

# Tokenizers

def token(content, id, special=False, **flags):
    return dict(dict(id=id, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=special), **flags)

def variant(name, normalizer={}, model={}, added=(), **parts):
    value = copy.copy(base)
    value["normalizer"] = dict(base["normalizer"], **normalizer)
    value["model"] = dict(base["model"], **model)
    value["added_tokens"] = base["added_tokens"] + [token(c, len(base["model"]["vocab"]) + i, **f) for i, (c, f) in enumerate(added)]
    value.update(parts)
    return name, value

def variants():
    for lowercase in (True, False):
        for strip in (True, False, None):
            yield variant(f"lowercase={lowercase} strip_accents={strip}", dict(lowercase=lowercase, strip_accents=strip))
    yield variant("clean_text=false", dict(clean_text=False))
    yield variant("clean_text=false cased", dict(clean_text=False, lowercase=False))
    yield variant("handle_chinese_chars=false", dict(handle_chinese_chars=False))
    yield variant("longest word 5", model=dict(max_input_chars_per_word=5))
    yield variant("longest word 0", model=dict(max_input_chars_per_word=0))
    yield variant("prefix in", model=dict(continuing_subword_prefix="in"))
    yield variant("no prefix", model=dict(continuing_subword_prefix=""))
    yield variant("prefix that no token has", model=dict(continuing_subword_prefix="\u241F\u241F"))
    flags = ("single_word", "lstrip", "rstrip")
    for mask in range(8):
        on = {flag: bool(mask >> i & 1) for i, flag in enumerate(flags)}
        added = [("<new>", on), ("[AA]", dict(on, normalized=True)), ("\u00E9t\u00E9", dict(on, normalized=True)), ("[SW]", dict(on, single_word=True)),
                 ("[LS]", dict(on, lstrip=True)), ("[RS]", dict(on, rstrip=True)), ("[LRS]", dict(on, lstrip=True, rstrip=True, special=True)),
                 ("qxq", on), ("qxqx", dict(on, normalized=True)), ("new york", dict(on, normalized=True)), ("<ne", on), ("<NEW>", dict(on, normalized=True))]
        yield variant(f"added tokens {on}", added=added)
        yield variant(f"added tokens {on} cased", dict(lowercase=False, strip_accents=False), added=added)
    special = {t: dict(id=t, ids=[base["model"]["vocab"][t]], tokens=[t]) for t in ("[CLS]", "[SEP]", "[MASK]")}
    special["two"] = dict(id="two", ids=[101, 103], tokens=["[CLS]", "[MASK]"])
    s = lambda i, t: {"SpecialToken": {"id": i, "type_id": t}}
    q = lambda i, t: {"Sequence": {"id": i, "type_id": t}}
    yield variant("template B before A", post_processor=dict(type="TemplateProcessing", special_tokens=special, single=[q("A", 3), s("two", 2)],
                  pair=[s("[MASK]", 5), q("B", 1), s("two", 0), q("A", 2)]))
    yield variant("template without special tokens", post_processor=dict(type="TemplateProcessing", special_tokens={}, single=[q("A", 0)], pair=[q("A", 0), q("B", 1)]))
    yield variant("BertProcessing", post_processor=dict(type="BertProcessing", sep=["[SEP]", 102], cls=["[CLS]", 101]))
    yield variant("RobertaProcessing", post_processor=dict(type="RobertaProcessing", sep=["[SEP]", 102], cls=["[CLS]", 101], trim_offsets=True, add_prefix_space=False))

def scalar_vocabulary():
    kept = [t for t in vocabulary if t.startswith("[") or t.isascii()]
    singles = [chr(c) for low, high in ((0x80, 0xD7FF), (0xE000, 0x11FFF), (0x16D00, 0x16FFF), (0x1B000, 0x1B200), (0x1D000, 0x1FAFF), (0x20000, 0x20100), (0x2F800, 0x2FA20), (0xE0000, 0xE01FF)) for c in range(low, high + 1)]
    tokens = list(dict.fromkeys(kept + singles + ["##" + c for c in singles]))
    return {t: i for i, t in enumerate(tokens)}

def scalar_variants():
    vocab = scalar_vocabulary()
    assert vocab["[MASK]"] == base["model"]["vocab"]["[MASK]"], "special tokens lead the vocabulary"
    for lowercase in (True, False):
        for strip in (True, False):
            yield variant(f"every scalar a token, lowercase={lowercase} strip_accents={strip}", dict(lowercase=lowercase, strip_accents=strip), dict(vocab=vocab))

def text_variants(folder):
    """Folders with vocab.txt: their settings files, and what AutoTokenizer makes of them."""
    small = [t for t in vocabulary if t not in ("[PAD]", "[MASK]")]
    renamed = ["<unk>" if t == "[UNK]" else "<s>" if t == "[CLS]" else t for t in vocabulary]
    extra = {"content": "<new>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False}
    yield "vocab.txt", vocabulary, {"tokenizer_config.json": {}}
    yield "vocab.txt cased", vocabulary, {"tokenizer_config.json": {"do_lower_case": False}}
    yield "vocab.txt cased without accents", vocabulary, {"tokenizer_config.json": {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}}
    yield "vocab.txt without [PAD] and [MASK]", small, {"tokenizer_config.json": {}}
    yield "vocab.txt with names of its own", renamed, {"tokenizer_config.json": {"unk_token": "<unk>"}, "special_tokens_map.json": {"cls_token": "<s>", "mask_token": dict(extra, content="[MASK]")}}
    yield "vocab.txt with additional tokens", vocabulary, {"tokenizer_config.json": {"additional_special_tokens": ["<new>", "[unused1]"]}}
    yield "vocab.txt with added_tokens_decoder", vocabulary, {"tokenizer_config.json": {"added_tokens_decoder": {
        str(len(vocabulary)): dict(extra, special=False), "103": dict(extra, content="[MASK]", special=True), str(len(vocabulary) + 1): dict(extra, content="[AA]", normalized=True, special=False)}}}
    yield "vocab.txt with added_tokens.json", vocabulary, {"tokenizer_config.json": {}, "added_tokens.json": {"<new>": len(vocabulary), "[AA]": len(vocabulary) + 1}}

# Comparison

def lockstep(folder, cases):
    run = subprocess.run([arguments.lockstep, "tokenize", "--model", folder], input="".join(json.dumps(c) + "\n" for c in cases).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode:
        print(run.stderr.decode()); sys.exit(f"lockstep tokenize ended with status {run.returncode}")
    return [json.loads(line) for line in run.stdout.splitlines()]

def compare(name, folder, tokenizer, cases):
    differing = 0
    special = [tokenizer.num_special_tokens_to_add(False), tokenizer.num_special_tokens_to_add(True)]
    cases = [c for c in cases if c["max_length"] is None or c["max_length"] > special[c["pair"] is not None]]
    answers = lockstep(folder, cases)
    assert len(answers) == len(cases)
    for case, answer in zip(cases, answers):
        if case["max_length"] is None: tokenizer.no_truncation()
        else: tokenizer.enable_truncation(case["max_length"])
        expected = tokenizer.encode(case["text"], case["pair"])
        if (answer["ids"], answer["type_ids"]) != (expected.ids, expected.type_ids):
            differing += 1
            if differing <= 3:
                print(f"  differs: {json.dumps(case)[:1500]}")
                at = next((i for i, (x, y) in enumerate(zip(answer["ids"], expected.ids)) if x != y), -1)
                print(f"  at {at}: lockstep {answer['ids'][at:at + 8]} of {len(answer['ids'])}, tokenizers {expected.ids[at:at + 8]} of {len(expected.ids)} {expected.tokens[max(0, at - 2):at + 5]}")
    print(f"{name}: {len(cases)} rows, {differing} differ", flush=True)
    return differing

total = 0
with tempfile.TemporaryDirectory() as folder:
    for source in (variants(), scalar_variants()):
        for name, value in source:
            with open(folder + "/tokenizer.json", "w", encoding="utf-8") as file: json.dump(value, file)
            total += compare(name, folder, Tokenizer.from_file(folder + "/tokenizer.json"), rows(arguments.rows))
            if arguments.every_scalar and name.startswith("every scalar"):
                cases = [{"text": f"a{chr(c)}b", "pair": None, "max_length": None} for c in range(0x110000) if not 0xD800 <= c < 0xE000]
                total += compare("  one by one", folder, Tokenizer.from_file(folder + "/tokenizer.json"), cases)
with tempfile.TemporaryDirectory() as folder:
    from transformers import AutoTokenizer
    for name, tokens, files in text_variants(folder):
        for old in os.listdir(folder): os.remove(f"{folder}/{old}")
        with open(folder + "/vocab.txt", "w", encoding="utf-8") as file: file.write("".join(t + "\n" for t in tokens))
        for file_name, value in files.items():
            if file_name == "tokenizer_config.json": value = dict(value, tokenizer_class="BertTokenizer")
            with open(f"{folder}/{file_name}", "w", encoding="utf-8") as file: json.dump(value, file)
        tokenizer = AutoTokenizer.from_pretrained(folder)._tokenizer
        total += compare(name, folder, tokenizer, rows(arguments.rows // 2))
print(f"{total} rows differ")
sys.exit(total > 0)
