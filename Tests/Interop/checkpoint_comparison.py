"""What opens a model folder with transformers and compares it with lockstep, on the posts of launch/sample."""

import json
import math
import os
import pathlib
import re
import subprocess

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import numpy
import torch
import transformers

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "launch" / "sample"
ODD_TEXTS = ["", " ", "a", "?!?!", "ÀÉÎ naïve İstanbul", "中文 and 日本", "👩‍👩‍👧 ❤️", "[SEP] [MASK]", "x" * 150, "word " * 60]
LABELS = (SAMPLE / "dev.txt").read_text(encoding="utf-8").split("\n", 1)[0].split("\t")[2:]


def rows(name):
    lines = (SAMPLE / name).read_text(encoding="utf-8").splitlines()[1:]
    fields = [line.split("\t") for line in lines]
    return [row[1] for row in fields], numpy.array([[int(v) for v in row[2:]] for row in fields])


def run(*command, text=None):
    """Standard output of a command that must succeed."""
    command = [str(part) for part in command]
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}"
    return done.stdout


def bert_tokenizer(folder):
    """A WordPiece tokenizer that has the sample's frequent words and every letter; makes the folder."""
    texts, _ = rows("train.txt")
    words = re.findall(r"[a-z']+", " ".join(texts).lower())
    frequent = sorted({word for word in words if words.count(word) > 2 and len(word) > 1})
    letters = sorted({c for text in texts for c in text.lower() if not c.isspace()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = special + letters + ["##" + c for c in letters if c.isalnum()] + frequent
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n", encoding="utf-8")
    return transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)


def shard(lockstep, model, scratch):
    for name in ("train", "dev"):
        run(lockstep, "shard", SAMPLE / f"{name}.txt", "--model", model, "--output", scratch / name)


def train(lockstep, model, scratch, output, steps, options=()):
    """The best checkpoint of a run on two ranks, on the shards in `scratch`, and what the run printed."""
    command = [
        REPOSITORY / "launch" / "local", "-n", 2, "--no-bind", "--",
        lockstep, "train", "--model", model, "--train", scratch / "train",
        "--validation", scratch / "dev", "--output", output, "--max-steps", steps, *options]
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}"
    return (output / "best").resolve(), done.stderr


def open_model(folder):
    """The tokenizer and the classifier, which must have every weight of the folder and no other."""
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    unexpected = {key: value for key, value in loading.items() if value}
    assert not unexpected, f"{folder.name}: {unexpected}"
    assert model.config.problem_type == "multi_label_classification"
    assert [model.config.id2label[i] for i in range(len(LABELS))] == LABELS, model.config.id2label
    return transformers.AutoTokenizer.from_pretrained(folder), model.eval()


def check_tokens(lockstep, checkpoint, tokenizer, texts):
    """Compares ids and types of texts and pairs; returns how many there were."""
    model_type = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["model_type"]
    # transformers takes an empty second text for none.
    pairs = [(a, b) for a, b in zip(texts, texts[1:] + texts[:1]) if b]
    cases = [{"text": text} for text in texts]
    cases += [{"text": a, "pair": b, "max_length": 12 + i % 30} for i, (a, b) in enumerate(pairs)]
    out = run(lockstep, "tokenize", "--model", checkpoint, text="".join(json.dumps(case) + "\n" for case in cases))
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == len(cases), f"expected {len(cases)} rows, found {len(found)}"
    for case, row in zip(cases, found):
        length = case.get("max_length")
        # Some models look at no types; the tokenizer knows them all the same.
        want = tokenizer(
            case["text"], case.get("pair"), truncation=length is not None, max_length=length,
            return_token_type_ids=True)
        assert row["ids"] == want["input_ids"], f"{case}: expected {want['input_ids']}, found {row['ids']}"
        types = want["token_type_ids"]
        if model_type == "canine":
            # transformers 5 gives a second text type 0 too, which is not how CANINE was pretrained.
            first = want["input_ids"].index(tokenizer.sep_token_id) + 1
            types = types[:first] + [1] * (len(types) - first)
        assert row["type_ids"] == types, f"{case}: expected {types}, found {row['type_ids']}"
    return len(cases)


def check_logits(lockstep, checkpoint, tokenizer, model, texts, tolerance=1e-5):
    """Compares `lockstep predict` with the model, a text at a time; returns the worst difference of a logit."""
    out = run(lockstep, "predict", "--model", checkpoint, "--format", "jsonl", text="".join(t + "\n" for t in texts))
    found = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in found] == texts
    # CANINE computes the padding that rounds a row up to its downsampling rate.
    multiple = getattr(model.config, "downsampling_rate", None)
    worst, wanted = (0.0, ""), []
    for text, row in zip(texts, found):
        batch = tokenizer(text, return_tensors="pt", padding=multiple is not None, pad_to_multiple_of=multiple)
        with torch.no_grad():
            logits = model(**batch).logits[0].double()
        wanted.append(logits)
        assert sorted(row["scores"]) == sorted(LABELS), f"{text}: {sorted(row['scores'])}"
        for name, logit in zip(LABELS, logits.tolist()):
            p = row["scores"][name]
            worst = max(worst, (abs(math.log(p / (1 - p)) - logit), text))
            if abs(logit) > 1e-4:
                assert (name in row["labels"]) == (logit > 0), f"{text}: {name}: {row['labels']}"
    assert worst[0] <= tolerance, f"logits: worst difference {worst[0]} of {worst[1]!r}"
    spread = torch.stack(wanted).std(dim=0).max().item()
    assert spread > 100 * tolerance, f"logits differ by {spread} between texts: equal ones would show nothing"
    return worst[0]
