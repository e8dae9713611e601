"""Compares `lockstep tokenize` with Hugging Face `tokenizers` for byte-level BPE, Unigram, MPNet and CANINE.

    python Tests/Interop/subword_differential.py --lockstep BINARY [--bpe DIR] [--unigram DIR] [--mpnet DIR] [--rows 2000] [--seed 0]
        [--every-scalar]

DIR is a folder with tokenizer.json; for BPE also vocab.json and merges.txt, for Unigram spm.model, for MPNet vocab.txt. From each
come tokenizers with other settings: prefix spaces, splitting, whole words, unknown bytes, normalisers, Metaspace's schemes, cuts,
byte fallback, added tokens with every flag, other templates. Each gets --rows texts and pairs and as many rows of words; ids, type
ids, what each token stands for and words are compared. --every-scalar also runs each Unicode scalar through the first of each
kind. CANINE is compared with transformers. Exit status 1 if any row differs. Needs tokenizers and transformers.
"""
import argparse, copy, json, os, shutil, sys, tempfile
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from tokenizers import Tokenizer
from transformers import AutoTokenizer, CanineTokenizer
from random_texts import Texts
from tokenizer_comparison import compare, lockstep

arguments = argparse.ArgumentParser()
arguments.add_argument("--lockstep", required=True)
for kind in ("bpe", "unigram", "mpnet"): arguments.add_argument("--" + kind)
arguments.add_argument("--rows", type=int, default=2000)
arguments.add_argument("--seed", type=int, default=0)
arguments.add_argument("--every-scalar", action="store_true")
arguments = arguments.parse_args()

def token(content, id, special=False, **flags):
    return dict(dict(id=id, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=special), **flags)

def changed(base, model={}, added=(), **parts):
    value = copy.copy(base)
    value["truncation"] = value["padding"] = None
    value["model"] = dict(base["model"], **model)
    vocab = value["model"]["vocab"]
    ids = vocab if isinstance(vocab, dict) else {piece: id for id, (piece, _) in enumerate(vocab)}
    # Those that the model does not know come after it.
    unknown = [t for t in base["added_tokens"] if t["content"] not in ids]
    tokens = [dict(t, id=ids[t["content"]]) for t in base["added_tokens"] if t["content"] in ids]
    new = unknown + [token(c, 0, **f) for c, f in added if c not in ids]
    value["added_tokens"] = tokens + [dict(t, id=len(ids) + i) for i, t in enumerate(new)]
    value.update(parts)
    return value

FLAGS = [dict(), dict(single_word=True), dict(lstrip=True, normalized=True), dict(rstrip=True), dict(lstrip=True, rstrip=True, special=True),
         dict(single_word=True, normalized=True), dict(normalized=True)]
ADDED = [(c, f) for c, f in zip(["<new>", "[AA]", "\u00E9t\u00E9", "[LRS]", "qxq", "new york", "[SW]"], FLAGS)]

def bpe_variants(base):
    level = lambda **o: dict(type="ByteLevel", **dict(dict(add_prefix_space=False, trim_offsets=True, use_regex=True), **o))
    roberta = lambda **o: dict(base["post_processor"], **o)
    yield "as it is", changed(base)
    yield "prefix space", changed(base, pre_tokenizer=level(add_prefix_space=True), post_processor=roberta(add_prefix_space=True))
    yield "spaces kept in offsets", changed(base, pre_tokenizer=level(add_prefix_space=True), post_processor=roberta(trim_offsets=False))
    yield "no splitting", changed(base, pre_tokenizer=level(use_regex=False))
    yield "whole words", changed(base, model=dict(ignore_merges=True))
    yield "added tokens", changed(base, added=ADDED)
    yield "added tokens, prefix space", changed(base, added=ADDED, pre_tokenizer=level(add_prefix_space=True), post_processor=roberta(add_prefix_space=True))
    yield "NFC and lower case", changed(base, normalizer=dict(type="Sequence", normalizers=[dict(type="NFC"), dict(type="Lowercase")]))
    yield "BERT's normaliser", changed(base, normalizer=dict(type="BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True))
    # Without the tokens of some bytes, and the merges that need them.
    lost = set("e\u00E2\u0120\u0141")
    vocab = {t: i for i, t in enumerate(t for t in sorted(base["model"]["vocab"], key=base["model"]["vocab"].get) if len(t) > 5 or not lost & set(t) or t.startswith("<"))}
    merges = [m for m in base["model"]["merges"] if not lost & set("".join(m))]
    vocab = {t: i for i, t in enumerate(t for t in vocab if not lost & set(t) or t.startswith("<"))}
    parts = dict(added_tokens=[dict(t, id=vocab[t["content"]]) for t in base["added_tokens"]],
                 post_processor=roberta(cls=["<s>", vocab["<s>"]], sep=["</s>", vocab["</s>"]]))
    for unk, fuse in ((None, False), ("<unk>", False), ("<unk>", True)):
        yield f"bytes without token, unk_token={unk} fuse_unk={fuse}", changed(base, model=dict(vocab=vocab, merges=merges, unk_token=unk, fuse_unk=fuse), **parts)
    value = changed(base)
    value["model"]["merges"] = [" ".join(m) for m in base["model"]["merges"]]
    yield "merges as lines", value

def unigram_variants(base):
    meta = lambda scheme="always", split=True: dict(type="Metaspace", replacement="\u2581", prepend_scheme=scheme, split=split)
    precompiled = [n for n in base["normalizer"]["normalizers"] if n["type"] == "Precompiled"]
    sequence = lambda *n: dict(type="Sequence", normalizers=list(n))
    yield "as it is", changed(base)
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            yield f"{scheme} split={split}", changed(base, pre_tokenizer=meta(scheme, split), normalizer=None)
    cuts = lambda *c: dict(type="Sequence", pretokenizers=[*c, meta()])
    yield "WhitespaceSplit", changed(base, pre_tokenizer=cuts(dict(type="WhitespaceSplit")), normalizer=precompiled[0])
    yield "Punctuation", changed(base, pre_tokenizer=cuts(dict(type="Punctuation", behavior="Isolated")))
    yield "character map alone", changed(base, normalizer=precompiled[0])
    yield "transformers' conversion", changed(base, normalizer=sequence(dict(type="Replace", pattern=dict(Regex="\\s{2,}|[\\n\\r\\t]"), content=" "), dict(type="NFC"), dict(type="Strip", strip_left=False, strip_right=True)))
    yield "ALBERT's replacements", changed(base, normalizer=sequence(dict(type="Replace", pattern=dict(String="``"), content="\""), dict(type="Replace", pattern=dict(String="''"), content="\""), dict(type="Lowercase"), *precompiled))
    yield "added tokens", changed(base, added=ADDED)
    pieces = base["model"]["vocab"]
    bytes_ = [[f"<0x{b:02X}>", -20.0] for b in range(256)]
    yield "byte fallback", changed(base, model=dict(vocab=pieces + bytes_, byte_fallback=True))
    yield "byte fallback for some bytes", changed(base, model=dict(vocab=pieces + bytes_[:0xE4], byte_fallback=True))
    yield "equal scores", changed(base, model=dict(vocab=[[p, 0.0 if i < 5 else float(-(i % 3))] for i, (p, _) in enumerate(pieces)]))

def spaces(pieces, kind):
    """Pieces as they look in a text."""
    if kind == "bpe": return [p for p in Tokenizer.from_str(json.dumps(base)).decode_batch([[i] for i in range(len(pieces))], skip_special_tokens=False) if p]
    return [p.replace("\u2581", " ") for p in pieces]

def compare_words(name, folder, tokenizer, rows):
    """Byte-level models see words with a space before them: `transformers` asks for add_prefix_space=True there."""
    value = json.loads(tokenizer.to_str())
    value["truncation"] = None
    if value["pre_tokenizer"]["type"] == "ByteLevel": value["pre_tokenizer"]["add_prefix_space"] = True
    return compare(arguments.lockstep, name, folder, Tokenizer.from_str(json.dumps(value)), rows)

EVERY_SCALAR = [{"text": f"a{chr(c)}b {chr(c)}1", "pair": None, "max_length": None} for c in range(0x110000) if not 0xD800 <= c < 0xE000]
SETTINGS = {"bpe": ("vocab.json", "merges.txt"), "unigram": ("spm.model",), "mpnet": ("vocab.txt",)}
VARIANTS = {"bpe": bpe_variants, "unigram": unigram_variants, "mpnet": lambda base: [("as it is", changed(base)), ("added tokens", changed(base, added=ADDED))]}

total = 0
for kind in ("bpe", "unigram", "mpnet"):
    source = getattr(arguments, kind)
    if source is None: continue
    base = json.load(open(source + "/tokenizer.json", encoding="utf-8"))
    vocab = base["model"]["vocab"]
    pieces = sorted(vocab, key=vocab.get) if isinstance(vocab, dict) else [p for p, _ in vocab]
    texts = Texts(arguments.seed, spaces(pieces, kind))
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, value) in enumerate(VARIANTS[kind](base)):
            with open(folder + "/tokenizer.json", "w", encoding="utf-8") as file: json.dump(value, file)
            tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
            # Where bytes are dropped, the peer counts what tokens stand for without them.
            keys = ("ids", "type_ids") if "unk_token=None" in name else None
            total += compare(arguments.lockstep, f"{kind}, {name}", folder, tokenizer, texts.rows(arguments.rows), keys)
            total += compare_words("  words", folder, tokenizer, texts.word_rows(arguments.rows))
            if arguments.every_scalar and index == 0:
                tokenizer.no_truncation()
                total += compare(arguments.lockstep, "  every scalar", folder, tokenizer, EVERY_SCALAR)
    with tempfile.TemporaryDirectory() as folder:
        for name in SETTINGS[kind] + ("tokenizer_config.json", "special_tokens_map.json", "config.json"):
            if os.path.exists(f"{source}/{name}"): shutil.copy(f"{source}/{name}", folder)
        # MPNet's tokenizer.json has one more added token than its vocab.txt gives.
        tokenizer = AutoTokenizer.from_pretrained(folder)._tokenizer if kind == "mpnet" else Tokenizer.from_str(json.dumps(changed(base)))
        total += compare(arguments.lockstep, f"{kind}, from {', '.join(SETTINGS[kind])}", folder, tokenizer, texts.rows(arguments.rows))

with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/config.json", "w") as file: json.dump({"model_type": "canine"}, file)
    canine = CanineTokenizer()
    rows = Texts(arguments.seed, ["a"]).rows(arguments.rows)
    differing = 0
    for row, answer in zip(rows, lockstep(arguments.lockstep, folder, rows)):
        ids = canine(row["text"], row["pair"], truncation=row["max_length"] is not None, max_length=row["max_length"])["input_ids"]
        differing += answer["ids"] != ids
    print(f"canine: {len(rows)} rows, {differing} differ")
    total += differing
print(f"{total} rows differ")
sys.exit(total > 0)
