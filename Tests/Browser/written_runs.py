"""Run folders as lockstep writes them, with made-up numbers, for pages that no short training gives."""

import json
import math
import pathlib
import random

LABELS = ["anger", "anticipation", "disgust", "fear", "joy", "love", "optimism", "pessimism",
          "sadness", "surprise", "trust"]
HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "\"'&amp;",
           "</style><b>bold", "a very long label without an end " * 5]
METRICS = {"multi-label": "f1", "multi-class": "accuracy", "regression": "mse",
           "token-classification": "f1", "pretraining": "loss"}


def write_run(folder, seed=1, task="multi-label", labels=None, learning_rate=1e-4, steps=104,
              total_steps=None, ranks=2, has_timing=True, cut=0):
    """Writes run.json and metrics.jsonl, without the last `cut` bytes of it.

    Gives the records of metrics.jsonl."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    labels = LABELS if labels is None else labels
    configuration = {
        "seed": seed, "task": task, "label_names": labels, "learning_rate": learning_rate,
        "batch_size": 8, "ranks": ranks, "threads": 1, "metric": METRICS[task], "epochs": 4,
        "total_steps": total_steps or steps, "max_steps": None, "model": "models/minilm",
        "train_sha256": "a" * 64, "validation_sha256": "b" * 64, "vocabulary_sha256": "c" * 64}
    (folder / "run.json").write_text(json.dumps(configuration, indent=2))
    records = list(_records(random.Random(seed), task, len(labels), learning_rate, steps, ranks,
                            has_timing))
    text = "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(text[:-cut] if cut else text)
    return records


def _records(numbers, task, label_count, learning_rate, steps, ranks, has_timing):
    every = max(1, steps // 4)
    for step in range(1, steps + 1):
        level = 0.3 + 0.3 * math.exp(-4 * step / steps)
        place = {"step": step, "epoch": step / every}
        yield {"event": "step", **place, "loss": level + numbers.gauss(0, 0.05),
               "learning_rate": learning_rate * (1 - step / steps),
               "grad_norm": abs(numbers.gauss(1.2, 0.4)), "rows_by_rank": [4] * ranks,
               "tokens_by_rank": [numbers.randint(80, 160) for _ in range(ranks)]}
        if step % every and step != steps:
            continue
        if has_timing:
            yield _timing(numbers, place, every, ranks)
        yield {"event": "evaluation", **place, "train_loss": level, "loss": level + 0.02,
               "seconds": 0.9, "tokens_per_second": 7300.5, "peak_rss_mb": 720.4,
               **_scores(numbers, task, label_count, step / steps, level)}
        yield {"event": "checkpoint", "step": step, "path": f"checkpoint-{step}",
               "bytes": 272_700_000, "seconds": 0.8, "blocked_seconds": 0.01}


def _timing(numbers, place, steps, ranks):
    seconds = 0.03 * steps * numbers.uniform(0.9, 1.1)
    shares = {"data": 0.02, "forward": 0.3, "backward": 0.48, "exchange": 0.12, "optimizer": 0.08}
    phases = {name: [seconds * share * numbers.uniform(0.9, 1.1) for _ in range(ranks)]
              for name, share in shares.items()}
    return {"event": "timing", **place, "steps": steps, "seconds": seconds,
            "tokens": 118 * ranks * steps, "tokens_per_second": 118 * ranks * steps / seconds,
            "phases_by_rank": phases}


def _scores(numbers, task, label_count, progress, level):
    f1 = 0.55 * progress ** 0.5
    if task == "regression":
        return {"mse": level, "rmse": level ** 0.5, "mae": level, "pearson": None, "r2": progress - 1}
    if task == "pretraining":
        return {"masked_accuracy": progress, "masked_loss": 6 - progress, "perplexity": 200.5}
    if task == "token-classification":
        types = {name: {"precision": 0.3, "recall": 0.5, "f1": 0.4, "support": 9}
                 for name in ("PER", "LOC")}
        return {"f1": f1, "precision": f1, "recall": f1, "accuracy": 0.9, "per_type": types}
    def shares():
        return [numbers.random() for _ in range(label_count)]
    scores = {"f1": f1, "f1_macro": f1 * 0.7, "accuracy": f1 * 0.4, "per_label": {
        "precision": shares(), "recall": shares(), "f1": shares(),
        "support": [numbers.randint(3, 60) for _ in range(label_count)]}}
    if task == "multi-label":
        thresholds = [number / 20 for number in range(1, 20)]
        scores.update(jaccard=f1 * 0.8, roc_auc=0.5 + f1 / 3, thresholds=shares(), sweep={
            "thresholds": thresholds, "precision": [0.2 + 0.7 * t for t in thresholds],
            "recall": [1 - 0.95 * t for t in thresholds], "f1": [0.5 - abs(t - 0.4) for t in thresholds]})
    return scores
