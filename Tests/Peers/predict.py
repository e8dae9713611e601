"""The first prediction of a fresh process, lockstep's and transformers': alternating runs, medians.

    python Tests/Peers/predict.py --lockstep PATH --model DIR [--evict]

DIR is a pretrained folder: a head is trained for one step first, and both programs then label one text
with that checkpoint; their probabilities are compared. Files are in the page cache unless --evict asks
for the model's and the program's to be dropped from it before every run.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

import programs
import rounds

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "launch" / "sample"
TEXT = "I'm happy I can finally train a model"

# What a user would write: nothing is imported that is not needed.
PEER = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
with torch.no_grad():
    scores = torch.sigmoid(model(**tokenizer(sys.argv[2], return_tensors="pt")).logits)[0].tolist()
print(json.dumps({"scores": {model.config.id2label[i]: score for i, score in enumerate(scores)}}))
"""


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--evict", action="store_true", help="drop the files from the page cache first")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def fine_tune(lockstep, model, folder):
    """A checkpoint with a head, after one step."""
    for name in ("train", "dev"):
        programs.run([
            lockstep, "shard", SAMPLE / f"{name}.txt", "--model", model, "--output", folder / name])
    programs.run([
        lockstep, "train", "--model", model, "--train", folder / "train", "--validation",
        folder / "dev", "--output", folder / "run", "--max-steps", 1])
    return (folder / "run" / "last").resolve()


def evict(paths):
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


class Cold:
    def __init__(self, command, evicted=()):
        self.command, self.evicted, self.scores = command, evicted, None

    def __call__(self):
        evict(self.evicted)
        start = time.perf_counter()
        output = programs.run(self.command, threads=2)
        seconds = time.perf_counter() - start
        self.scores = programs.last_object(output)["scores"]
        return {"seconds": seconds}


def main():
    options = parse()
    lockstep = options.lockstep.resolve()
    with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as scratch:
        model = fine_tune(lockstep, options.model, pathlib.Path(scratch))
        files = [path for path in model.iterdir() if path.is_file()] if options.evict else []
        compared = {
            "lockstep": Cold(
                [lockstep, "predict", "--model", model, "--format", "jsonl", TEXT],
                [*files, lockstep] if options.evict else []),
            "peer": Cold([sys.executable, "-c", PEER, model, TEXT], files)}
        results = rounds.alternate(compared, options.rounds)
    mine, theirs = (compared[name].scores for name in ("lockstep", "peer"))
    if mine.keys() != theirs.keys() or any(abs(mine[name] - theirs[name]) > 1e-4 for name in mine):
        sys.exit(f"probabilities: expected {theirs}, found {mine}")
    body = [
        [name, rounds.shown(rounds.median(entries, "seconds"), 3)] for name, entries in results.items()]
    print(rounds.table(["first prediction", "seconds"], body) + "\n")
    ratio = rounds.paired(results["lockstep"], results["peer"], "seconds")
    print(rounds.table(
        ["time", "median", "rounds", ""], [rounds.ratio_row("lockstep / transformers", ratio)]))
    rounds.write(options.json, {"machine": rounds.machine(), "results": results, "ratio": ratio})


if __name__ == "__main__":
    main()
