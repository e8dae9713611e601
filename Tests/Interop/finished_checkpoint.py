"""Trains with lockstep on two ranks and opens the finished checkpoint with transformers.

    finished_checkpoint.py --lockstep BINARY [--model DIR] [--steps 500]

Checks, on the posts of launch/sample: no weight is missing or left over; AutoTokenizer makes the
tokens of `lockstep tokenize`; AutoModelForSequenceClassification gives the logits of `lockstep
predict` and the labels; scikit-learn computes the metrics of `lockstep evaluate` from them. Without
--model the start is a small random BERT, and its weights are written in several files.
"""

import argparse
import json
import math
import os
import pathlib
import re
import subprocess
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import numpy
import torch
import transformers
from sklearn import metrics

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "launch" / "sample"
ODD_TEXTS = ["", " ", "a", "?!?!", "ÀÉÎ naïve İstanbul", "中文 and 日本", "👩‍👩‍👧 ❤️", "[SEP] [MASK]", "x" * 150, "word " * 60]


def rows(name):
    lines = (SAMPLE / name).read_text(encoding="utf-8").splitlines()[1:]
    fields = [line.split("\t") for line in lines]
    return [row[1] for row in fields], numpy.array([[int(v) for v in row[2:]] for row in fields])


def make_model(folder):
    """A random BERT whose vocabulary has the sample's frequent words and every letter."""
    texts, _ = rows("train.txt")
    words = re.findall(r"[a-z']+", " ".join(texts).lower())
    frequent = sorted({word for word in words if words.count(word) > 2 and len(word) > 1})
    letters = sorted({c for text in texts for c in text.lower() if not c.isspace()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = special + letters + ["##" + c for c in letters if c.isalnum()] + frequent
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=80, max_position_embeddings=160)
    transformers.BertModel(config).save_pretrained(folder)


def run(*command, text=None):
    command = [str(part) for part in command]
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}"
    return done.stdout


def train(lockstep, model, scratch, steps, options):
    for name in ("train", "dev"):
        run(lockstep, "shard", SAMPLE / f"{name}.txt", "--model", model, "--output", scratch / name)
    run(
        REPOSITORY / "launch" / "local", "-n", 2, "--no-bind", "--",
        lockstep, "train", "--model", model, "--train", scratch / "train",
        "--validation", scratch / "dev", "--output", scratch / "run", "--max-steps", steps, *options)
    return (scratch / "run" / "best").resolve()


def check_tokens(lockstep, checkpoint, tokenizer, texts):
    # transformers takes an empty second text for none.
    pairs = [(a, b) for a, b in zip(texts, texts[1:] + texts[:1]) if b]
    cases = [{"text": text} for text in texts]
    cases += [{"text": a, "pair": b, "max_length": 12 + i % 30} for i, (a, b) in enumerate(pairs)]
    out = run(lockstep, "tokenize", "--model", checkpoint, text="".join(json.dumps(case) + "\n" for case in cases))
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == len(cases), f"expected {len(cases)} rows, found {len(found)}"
    for case, row in zip(cases, found):
        length = case.get("max_length")
        want = tokenizer(case["text"], case.get("pair"), truncation=length is not None, max_length=length)
        assert row["ids"] == want["input_ids"], f"{case}: expected {want['input_ids']}, found {row['ids']}"
        types = want.get("token_type_ids", [0] * len(row["ids"]))
        assert row["type_ids"] == types, f"{case}: expected {types}, found {row['type_ids']}"
    print(f"tokens: {len(cases)} rows equal")


def check_logits(lockstep, checkpoint, tokenizer, model, texts):
    out = run(lockstep, "predict", "--model", checkpoint, "--format", "jsonl", text="".join(t + "\n" for t in texts))
    found = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in found] == texts
    names, worst = [model.config.id2label[i] for i in range(model.config.num_labels)], 0.0
    for text, row in zip(texts, found):
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0].double()
        assert sorted(row["scores"]) == sorted(names), f"{text}: {sorted(row['scores'])}"
        for name, logit in zip(names, logits.tolist()):
            p = row["scores"][name]
            worst = max(worst, abs(math.log(p / (1 - p)) - logit))
            if abs(logit) > 1e-4:
                assert (name in row["labels"]) == (logit > 0), f"{text}: {name}: {row['labels']}"
    print(f"logits: {len(texts)} rows, worst difference {worst:.2e}")
    assert worst <= 1e-5, f"logits: worst difference {worst}"


def check_metrics(lockstep, checkpoint, tokenizer, model, shards):
    texts, labels = rows("dev.txt")
    with torch.no_grad():
        logits = torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in texts])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(labels).float())
    scores = torch.sigmoid(logits).numpy()
    chosen = (scores >= 0.5).astype(int)
    want = {
        "loss": loss.item(),
        "f1": metrics.f1_score(labels, chosen, average="micro"),
        "f1_macro": metrics.f1_score(labels, chosen, average="macro"),
        "roc_auc": metrics.roc_auc_score(labels, chosen, average="micro"),
        "roc_auc_scores": metrics.roc_auc_score(labels, scores, average="micro"),
        "accuracy": metrics.accuracy_score(labels, chosen),
        "jaccard": metrics.jaccard_score(labels, chosen, average="samples", zero_division=1.0),
    }
    found = json.loads(run(lockstep, "evaluate", "--model", checkpoint, "--data", shards, "--format", "json"))
    for name, value in want.items():
        # Scores that are equal but for rounding may change places in the ranking.
        tolerance = 1e-4 if name == "roc_auc_scores" else 1e-5
        assert abs(found[name] - value) <= tolerance, f"{name}: expected {value}, found {found[name]}"
    assert found["f1"] > 0, "nothing was predicted rightly: more steps are needed for a check that can fail"
    print("metrics: " + ", ".join(f"{name} {found[name]:.4f}" for name in want))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        model_folder, options = arguments.model, ["--learning-rate", "2e-4"]
        if model_folder is None:
            model_folder, options = scratch / "model", ["--learning-rate", "3e-3", "--max-shard-size", "100KB"]
            make_model(model_folder)
        checkpoint = train(arguments.lockstep, model_folder, scratch, arguments.steps, options)

        model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
            checkpoint, output_loading_info=True)
        unexpected = {key: value for key, value in loading.items() if value}
        assert not unexpected, f"{checkpoint.name}: {unexpected}"
        assert model.config.problem_type == "multi_label_classification"
        header = (SAMPLE / "dev.txt").read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
        assert [model.config.id2label[i] for i in range(11)] == header[2:], model.config.id2label
        print(f"{checkpoint.name}: {sum(p.numel() for p in model.parameters())} parameters, labels in order")
        model.eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)

        texts, _ = rows("dev.txt")
        check_tokens(arguments.lockstep, checkpoint, tokenizer, texts + ODD_TEXTS)
        check_logits(arguments.lockstep, checkpoint, tokenizer, model, texts + ODD_TEXTS)
        check_metrics(arguments.lockstep, checkpoint, tokenizer, model, scratch / "dev")


main()
