"""Writes Tests/Fixtures/wordpiece: a small vocabulary, cased and uncased, and what Hugging Face `tokenizers` makes of texts.

    python Tests/Interop/wordpiece_fixture.py Tests/Fixtures/wordpiece

cases.jsonl has a row a text: the folder, text, pair and max_length, and ids, type_ids, and the ids decoded with and without
special tokens. Needs tokenizers.
"""
import json, os, sys
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

out = sys.argv[1]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)]
CAPITALS = [c.upper() for c in LETTERS]
WORDS = """happy finally train model for multi label classification the un cafe caf na ive hello world new york don can t m s re ve
Hello World New York Paris I i a'b""".split()
PIECES = "##aff ##able ##s ##ing ##ation ##e ##é ##fication ##ly".split()
SYMBOLS = list("!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~0123456789") + ["…", "’", "“", "”", "—", "😀", "👍"]
ACCENTED = ["é", "è", "ï", "É", "ö", "Ö", "ß", "œ", "ı", "ё", "Ж", "ж", "σ", "ς", "Σ", "café", "naïve"]
CJK = ["中", "文", "国", "日", "本", "こ", "ん", "カ", "ᄒ", "ᅡ", "ᆫ", "한", "##ᅡ", "##ᆫ", "豈", "更"]
TOKENS = list(dict.fromkeys(SPECIAL + LETTERS + CAPITALS + ["##" + c for c in LETTERS] + WORDS + PIECES + SYMBOLS + ACCENTED + CJK))

TEXTS = [
    "", " ", "\t\n", "a", "Hello world", "hello, WORLD!!!", "unaffable", "I'm happy I can finally train a model for multi-label classification",
    "café CAFÉ cafe\u0301", "naïve NAÏVE", "É é è ö Ö", "İstanbul ı", "ΣΣ σς", "Ёж ё", "中文字 国a文", "日本こんカ", "한 \u1112\u1161\u11ab", "\uf900\uf901",
    "zero\u200bwidth", "soft\u00adhyphen", "a\u0000b\ufffdc\u0001d", "a\u00a0b\u3000c\u2028d", "\u0085x\u000by", "\ue000private", "😀👍 😀👍", "❤️ 👨\u200d👩\u200d👧",
    "[CLS] [SEP] [MASK] [PAD] [UNK]", "a[MASK]b", "[mask] [ MASK ] [[MASK]]", "[MASK][MASK]", "new york New York", "NEW YORK new  york", "<x> <x>! a<x>",
    "  <l>  a  <r>  b", "don't can't I've we're", "$100 + 5% = ^_^ `~|", "“quoted” — it’s… so", "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 101,
    "a\u0301\u0323\u0327", "\u0301", "\u302f\u302ea", "\U0001d15e\U0001d160", "\u037e", "hello " * 50, "xyz##ing ##ing", "a'b do not", "http://t.co/x @you #tag",
]
PAIRS = [
    ("hello", "world"), ("", ""), ("", "world"), ("hello", ""), ("hello world new york", "a"), ("a", "hello world new york"), ("a b c d e", "f g h i j"),
    ("a b c d e f g h", "i j k"), ("a b c", "d e f g h i j k"), ("[SEP] a", "b [CLS]"), ("a b c d", "e f g h"),
]
LENGTHS = [3, 4, 5, 6, 7, 8, 9, 12]

def build(lowercase):
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(TOKENS)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer

def write(folder, tokenizer, config):
    os.makedirs(f"{out}/{folder}", exist_ok=True)
    tokenizer.save(f"{out}/{folder}/tokenizer.json")
    if config is not None:
        open(f"{out}/{folder}/vocab.txt", "w", encoding="utf-8").write("".join(t + "\n" for t in TOKENS))
        json.dump(config, open(f"{out}/{folder}/tokenizer_config.json", "w"), indent=2)
    return folder, tokenizer

added = build(True)
added.add_tokens([AddedToken("New York", normalized=True), AddedToken("<x>", single_word=True, normalized=False)])
added.add_special_tokens([AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True)])
FOLDERS = [
    write("uncased", build(True), {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}),
    write("cased", build(False), {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}),
    write("added", added, None),
]
with open(out + "/cases.jsonl", "w") as file:
    for folder, tokenizer in FOLDERS:
        cases = [(t, None, None) for t in TEXTS] + [(t, None, n) for t in TEXTS[4:10] for n in LENGTHS]
        cases += [(a, b, None) for a, b in PAIRS] + [(a, b, n) for a, b in PAIRS for n in LENGTHS if n > 3]
        for text, pair, length in cases:
            if length is None: tokenizer.no_truncation()
            else: tokenizer.enable_truncation(length)
            encoding = tokenizer.encode(text, pair)
            file.write(json.dumps(dict(
                folder=folder, text=text, pair=pair, max_length=length, ids=encoding.ids, type_ids=encoding.type_ids,
                decoded=tokenizer.decode(encoding.ids), decoded_with_special=tokenizer.decode(encoding.ids, skip_special_tokens=False))) + "\n")
