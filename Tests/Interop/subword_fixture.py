"""Writes Tests/Fixtures/subword: small tokenizers of the kinds beside BERT's, and what Hugging Face `tokenizers` makes of texts.

    python Tests/Interop/subword_fixture.py Tests/Fixtures/subword

bpe is a byte-level BPE in RoBERTa's layout, unigram a SentencePiece model in DeBERTa-v2's with a small character map, both trained
here on launch/sample; mpnet has MPNet's layout. Each folder has tokenizer.json and the files that can stand in for it. cases.jsonl
has a row a text: folder, text (or words), pair and max_length, and ids, type_ids, offsets in bytes and texts (or word_ids), and
the ids decoded. Needs tokenizers, transformers, sentencepiece and protobuf.
"""
import io, json, os, pathlib, random, sys
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import import_protobuf
import random_texts
from tokenizer_comparison import expected_row, expected_words

out = sys.argv[1]
sample = pathlib.Path(__file__).resolve().parents[2] / "launch" / "sample"
header, *lines = (sample / "train.txt").read_text(encoding="utf-8").splitlines()
corpus = [line.split("\t")[header.split("\t").index("Tweet")] for line in lines] + ["caf\u00E9 na\u00EFve \u4E2D\u6587 \U0001F600 it's we've 10,000"] * 4

TEXTS = [
    "", " ", "   ", "\t\n", "a", "hello", " hello", "hello  world", "hello   ", "it's we've they'll 'tis I'd x'y", "10,000.50 $5", "a\n\nb", "a \n b",
    "caf\u00E9 CAFE\u0301", "\uFB01 \uFB01\u0301 \uFF21\uFF42", "\u4E2D\u6587 \uD55C\uAD6D", "\U0001F600\U0001F44D\U0001F3FD \u2764\uFE0F", "a\u00A0b\u3000c\u2028d\u200Be", "\0a\x01b\r\nc",
    "<s> </s> <mask>", "x <mask> y", "x<mask>y", "[CLS] [SEP] [MASK]", " [MASK] ", "<unk> [UNK] <pad>", "\u2581a \u2581\u2581 b", "\u0120a", "zzqqxx" * 20, "so happy " * 40,
    "I'm happy I can finally train a model for multi-label classification", "\u1ACF\u0C3C\u302E", "\u0958\u1E69\u0323", "''quoted`` ...", "e" * 200,
]
PAIRS = [("hello", "world"), ("", ""), ("", "world"), ("hello", ""), ("so happy today", "a long day it was"), ("a b c d e f g", "h i")]

def bpe():
    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=600, special_tokens=special + ["<mask>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tokenizer.model.save(f"{out}/bpe")
    config = {"tokenizer_class": "RobertaTokenizer", "mask_token": {"content": "<mask>", "lstrip": True, "normalized": False}}
    return tokenizer, {"tokenizer_config.json": config}

def unigram():
    # From, to: code points in hexadecimal, as SentencePiece's own tables have them.
    rules = [("FB01", "66 69"), ("3000", "20"), ("A0", "20"), ("9", "20"), ("A", "20"), ("D", "20"), ("200B", ""), ("1", ""), ("FF21", "41"), ("FF42", "62"),
             ("65 301", "E9"), ("45 301", "C9"), ("2026", "2E 2E 2E"), ("D A", "20")]
    table = f"{out}/rules.tsv"
    with open(table, "w") as file: file.write("".join(f"{a}\t{b}\n" for a, b in rules))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, vocab_size=400, model_type="unigram", pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", normalization_rule_tsv=table, minloglevel=2)
    os.remove(table)
    with open(f"{out}/unigram/spm.model", "wb") as file: file.write(model.getvalue())
    proto = import_protobuf().ModelProto()
    proto.ParseFromString(model.getvalue())
    tokenizer = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], 3))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Strip(), normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="always")])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return tokenizer, {"config.json": {"model_type": "deberta-v2"}}

def mpnet():
    words = [t for line in open(f"{out}/../wordpiece/uncased/vocab.txt", encoding="utf-8").read().splitlines() if not (t := line).startswith("[")]
    tokens = ["<s>", "<pad>", "</s>", "[UNK]"] + words + ["<mask>"]
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "[UNK]", AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    with open(f"{out}/mpnet/vocab.txt", "w", encoding="utf-8") as file: file.write("".join(t + "\n" for t in tokens))
    return tokenizer, {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer"}}

def with_prefix_space(tokenizer):
    """What `transformers` asks for where byte-level models are given words."""
    value = json.loads(tokenizer.to_str())
    value["truncation"] = None
    if value["pre_tokenizer"]["type"] == "ByteLevel": value["pre_tokenizer"]["add_prefix_space"] = True
    return Tokenizer.from_str(json.dumps(value))

with open(out + "/cases.jsonl", "w") as file:
    for folder, build in (("bpe", bpe), ("unigram", unigram), ("mpnet", mpnet)):
        os.makedirs(f"{out}/{folder}", exist_ok=True)
        tokenizer, settings = build()
        for name, value in settings.items():
            with open(f"{out}/{folder}/{name}", "w") as settings_file: json.dump(value, settings_file)
        tokenizer.save(f"{out}/{folder}/tokenizer.json", pretty=False)
        random_rows = random_texts.Texts(1, " ".join(corpus).split()).rows(90)[:90]
        cases = [dict(text=t, pair=None, max_length=None) for t in TEXTS] + [dict(text=t, pair=None, max_length=n) for t in TEXTS[9:12] for n in (2, 3, 5, 8)]
        cases += [dict(text=a, pair=b, max_length=n) for a, b in PAIRS for n in (None, 5, 6, 9)] + [
            r for r in random_rows if len(r["text"] + (r["pair"] or "")) < 120 and (r["max_length"] is None or r["max_length"] > 4)]
        for case in cases:
            row, _ = expected_row(tokenizer, case)
            row["decoded"] = tokenizer.decode(row["ids"])
            file.write(json.dumps(dict(folder=folder, **case, **row)) + "\n")
        prefixed = with_prefix_space(tokenizer)
        for words in (["hello", "world"], [], ["", "a", " "], ["so", "happy!", "<mask>", "caf\u00E9"], ["it's", "\u4E2D\u6587"]):
            for length in (None, 5):
                case = dict(words=words, max_length=length)
                row, _ = expected_words(prefixed, case)
                file.write(json.dumps(dict(folder=folder, **case, ids=row["ids"], type_ids=row["type_ids"], word_ids=row["words"])) + "\n")
