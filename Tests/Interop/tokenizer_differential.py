"""Compares `lockstep tokenize` with Hugging Face `tokenizers` on generated texts.

    python Tests/Interop/tokenizer_differential.py --lockstep BINARY --model DIR [--rows 4000] [--seed 0] [--every-scalar]

DIR is a BERT model folder with tokenizer.json and vocab.txt. From it come some thirty tokenizers (cased and uncased, accents
stripped or not, added tokens with every flag, other templates, vocab.txt with its settings), and one with every scalar of the
basic plane in its vocabulary, so that no difference in normalisation hides behind [UNK]. Each gets --rows texts and pairs, of
which ids, type ids and what each token stands for are compared.
--every-scalar also runs each Unicode scalar through that one, alone between two letters.
Exit status 1 if any row differs. Needs tokenizers and transformers.
"""
import argparse, copy, json, os, sys, tempfile
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from tokenizers import Tokenizer
from random_texts import Texts
from tokenizer_comparison import compare

arguments = argparse.ArgumentParser()
arguments.add_argument("--lockstep", required=True)
arguments.add_argument("--model", required=True)
arguments.add_argument("--rows", type=int, default=4000)
arguments.add_argument("--seed", type=int, default=0)
arguments.add_argument("--every-scalar", action="store_true")
arguments = arguments.parse_args()
base = json.load(open(arguments.model + "/tokenizer.json", encoding="utf-8"))
base["truncation"] = base["padding"] = None
vocabulary = sorted(base["model"]["vocab"], key=base["model"]["vocab"].get)
texts = Texts(arguments.seed, vocabulary)

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

total = 0
with tempfile.TemporaryDirectory() as folder:
    for source in (variants(), scalar_variants()):
        for name, value in source:
            with open(folder + "/tokenizer.json", "w", encoding="utf-8") as file: json.dump(value, file)
            total += compare(arguments.lockstep, name, folder, Tokenizer.from_file(folder + "/tokenizer.json"), texts.rows(arguments.rows))
            if arguments.every_scalar and name.startswith("every scalar"):
                cases = [{"text": f"a{chr(c)}b", "pair": None, "max_length": None} for c in range(0x110000) if not 0xD800 <= c < 0xE000]
                total += compare(arguments.lockstep, "  one by one", folder, Tokenizer.from_file(folder + "/tokenizer.json"), cases)
with tempfile.TemporaryDirectory() as folder:
    from transformers import AutoTokenizer
    for name, tokens, files in text_variants(folder):
        for old in os.listdir(folder): os.remove(f"{folder}/{old}")
        with open(folder + "/vocab.txt", "w", encoding="utf-8") as file: file.write("".join(t + "\n" for t in tokens))
        for file_name, value in files.items():
            if file_name == "tokenizer_config.json": value = dict(value, tokenizer_class="BertTokenizer")
            with open(f"{folder}/{file_name}", "w", encoding="utf-8") as file: json.dump(value, file)
        tokenizer = AutoTokenizer.from_pretrained(folder)._tokenizer
        total += compare(arguments.lockstep, name, folder, tokenizer, texts.rows(arguments.rows // 2))
print(f"{total} rows differ")
sys.exit(total > 0)
