"""Trains with lockstep on two ranks and opens the finished checkpoint with transformers.

    finished_checkpoint.py --lockstep BINARY [--model DIR] [--steps 500]

Checks, on the posts of launch/sample: no weight is missing or left over; AutoTokenizer makes the
tokens of `lockstep tokenize`; AutoModelForSequenceClassification gives the logits of `lockstep
predict` and the labels; scikit-learn computes the metrics of `lockstep evaluate` from them. Without
--model the start is a small random BERT, and its weights are written in several files.
"""

import argparse
import json
import pathlib
import tempfile

import torch
import transformers
from sklearn import metrics

from checkpoint_comparison import (
    ODD_TEXTS, bert_tokenizer, check_logits, check_tokens, open_model, rows, run, shard, train)


def make_model(folder):
    tokenizer = bert_tokenizer(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=80, max_position_embeddings=160)
    transformers.BertModel(config).save_pretrained(folder)


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
        shard(arguments.lockstep, model_folder, scratch)
        checkpoint, _ = train(
            arguments.lockstep, model_folder, scratch, scratch / "run", arguments.steps, options)
        tokenizer, model = open_model(checkpoint)
        print(f"{checkpoint.name}: {sum(p.numel() for p in model.parameters())} parameters, labels in order")

        texts = rows("dev.txt")[0] + ODD_TEXTS
        count = check_tokens(arguments.lockstep, checkpoint, tokenizer, texts)
        print(f"tokens: {count} rows equal")
        worst = check_logits(arguments.lockstep, checkpoint, tokenizer, model, texts)
        print(f"logits: {len(texts)} rows, worst difference {worst:.2e}")
        check_metrics(arguments.lockstep, checkpoint, tokenizer, model, scratch / "dev")


main()
