"""Texts labelled through a pipe, rows a second, lockstep's and transformers': alternating runs, medians.

    python Tests/Peers/stream.py --lockstep PATH --model DIR [--data FILE] [--rows 1024]
    python Tests/Peers/stream.py --lockstep PATH --model DIR --lines 1000000

DIR is a pretrained folder, or a size of random weights: a head is trained for one step first, and every
program then reads JSON Lines from a pipe and writes one answer a line, in order; ids and probabilities
are compared. Each labels --rows rows and three times as many: the rate of a whole process is that of the
longer run, and the rate without the start is that of the rows by which they differ. With --lines lockstep
alone is given that many lines, one in a thousand of them broken; answers, order and memory are checked.
"""

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import models
import programs
import rounds
from predict import fine_tune
from tokenizer import texts

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "launch" / "sample" / "train.txt"
TOLERANCE = 1e-4
# How much longer the longer of two runs is.
TIMES = 3
BROKEN_EVERY = 1000

# How the peer takes the rows of a pipe: {way: what makes (id, scores) of rows}. `pipeline` is what its
# documentation shows; `sorted` is the most that a user would write: rows of like length together, so that
# there is next to no padding.
PEER = """
import itertools, json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
way, folder, size, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
names = [model.config.id2label[i] for i in range(model.config.num_labels)]
rows = (json.loads(line) for line in sys.stdin)

def through_pipeline():
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None,
                        function_to_apply="sigmoid", batch_size=size)
    kept, fed = itertools.tee(rows)
    answers = classify((row["text"] for row in fed))
    for row, answer in zip(kept, answers):
        yield row["id"], {entry["label"]: entry["score"] for entry in answer}

def by_length():
    while some := list(itertools.islice(rows, 32 * size)):
        encodings = tokenizer([row["text"] for row in some], truncation=True)["input_ids"]
        order = sorted(range(len(some)), key=lambda i: len(encodings[i]))
        scores = [None] * len(some)
        for start in range(0, len(some), size):
            chosen = order[start:start + size]
            batch = tokenizer.pad({"input_ids": [encodings[i] for i in chosen]}, return_tensors="pt")
            for i, row in zip(chosen, torch.sigmoid(model(**batch).logits).tolist()):
                scores[i] = row
        for row, values in zip(some, scores):
            yield row["id"], dict(zip(names, values))

with torch.inference_mode():
    for number, scores in {"pipeline": through_pipeline, "sorted": by_length}[way]():
        print(json.dumps({"id": number, "scores": scores}), flush=number % size == 0)
"""


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, help=f"a folder, or {', '.join(models.SIZES)}")
    parser.add_argument("--data", type=pathlib.Path, default=SAMPLE, help="texts in the column Tweet")
    parser.add_argument("--rows", type=int, default=1024, help="of the shorter run")
    parser.add_argument("--batch-size", type=int, default=32, help="the peer's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, help="give lockstep alone this many lines")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


class Stream:
    """A program between two pipes."""

    def __init__(self, command, threads):
        self.command, self.threads = [str(word) for word in command], threads

    def run(self, lines, take, exit_code=0):
        """Calls `take` with every answer, and gives seconds to the first and to the end, and memory."""
        start = time.perf_counter()
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=programs.environment(self.threads))
            writer = threading.Thread(target=self.write, args=(lines, child.stdin))
            writer.start()
            first = None
            for line in child.stdout:
                first = first or time.perf_counter() - start
                take(json.loads(line))
            writer.join()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - start
            errors.seek(0)
            if child.returncode != exit_code:
                raise SystemExit(
                    f"{self.command[0]}: exit code {child.returncode}\n"
                    + errors.read().decode(errors="replace")[-4000:])
        return {"first": first, "seconds": seconds, "peak_rss_mb": usage.ru_maxrss * 1024 / 1e6}

    @staticmethod
    def write(lines, pipe):
        try:
            for line in lines:
                pipe.write(line)
            pipe.close()
        except BrokenPipeError:
            pass


class Labels(Stream):
    """A stream whose answers are kept, and timed with its start and without."""

    def __init__(self, command, lines, threads):
        super().__init__(command, threads)
        self.lines = lines

    def __call__(self):
        self.answers = []
        short = self.run(self.lines[:len(self.lines) // TIMES], lambda _: None)
        long = self.run(self.lines, self.answers.append)
        rows = len(self.lines)
        return long | {
            "rows_per_second": rows / long["seconds"],
            "rows_per_second_without_start":
                (rows - rows // TIMES) / (long["seconds"] - short["seconds"])}


def compare_answers(compared, count):
    expected = None
    for name, stream in compared.items():
        ids = [answer["id"] for answer in stream.answers]
        if ids != list(range(count)):
            sys.exit(f"{name}: expected the answers to {count} rows in their order, found {len(ids)}")
        expected = expected or stream.answers
        for mine, theirs in zip(stream.answers, expected):
            worst = max(abs(mine["scores"][name] - theirs["scores"][name]) for name in theirs["scores"])
            if worst > TOLERANCE:
                sys.exit(f"{name}, row {mine['id']}: probabilities differ by {worst}")


def compare(options, model, all_texts):
    lines = [
        (json.dumps({"id": number, "text": text}) + "\n").encode()
        for number, text in enumerate(itertools.islice(itertools.cycle(all_texts), TIMES * options.rows))]
    peer = [sys.executable, "-c", PEER]
    compared = {"lockstep": Labels(ours(options, model), lines, options.threads)}
    for way in ("pipeline", "sorted"):
        compared[way] = Labels(
            [*peer, way, model, options.batch_size, options.threads], lines, options.threads)
    results = rounds.alternate(compared, options.rounds)
    compare_answers(compared, len(lines))
    body = [
        [name, *(rounds.shown(rounds.median(entries, key), digits) for key, digits in (
            ("rows_per_second", 0), ("rows_per_second_without_start", 0), ("first", 2), ("peak_rss_mb", 0)))]
        for name, entries in results.items()]
    header = [f"{len(lines):,} rows", "rows/s", "without the start", "first answer, s", "MB resident"]
    print(rounds.table(header, body) + "\n")
    ratios = {
        f"lockstep / {way}, {key}": rounds.paired(results["lockstep"], results[way], key)
        for way in ("pipeline", "sorted") for key in ("rows_per_second", "rows_per_second_without_start")}
    print(rounds.table(
        ["rows a second", "median", "rounds", ""],
        [rounds.ratio_row(name, ratio) for name, ratio in ratios.items()]))
    return {"results": results, "ratios": ratios}


def ours(options, model):
    return [
        options.lockstep, "predict", "--model", model, "--stdin", "--input", "jsonl", "--format", "jsonl",
        "--threads", options.threads]


def long_stream(options, model, all_texts):
    """lockstep on more lines than are ever held."""
    def lines():
        for number, text in enumerate(itertools.islice(itertools.cycle(all_texts), options.lines)):
            line = json.dumps({"id": number, "text": text})
            yield ((line[:-1] if number % BROKEN_EVERY == 7 else line) + "\n").encode()

    numbers = itertools.count()

    def take(answer):
        number = next(numbers)
        if number % BROKEN_EVERY == 7:
            if answer.get("line") != number + 1 or "error" not in answer:
                sys.exit(f"line {number + 1}: expected an error in its place, found {answer}")
        elif answer.get("id") != number or not answer["scores"]:
            sys.exit(f"line {number + 1}: expected the answer to row {number}, found {answer}")

    # 65: some lines were no rows.
    result = Stream(ours(options, model), options.threads).run(lines(), take, exit_code=65)
    if (count := next(numbers)) != options.lines:
        sys.exit(f"expected {options.lines} answers, found {count}")
    result["rows_per_second"] = options.lines / result["seconds"]
    print(
        f"{options.lines:,} lines in order, one in {BROKEN_EVERY:,} broken: "
        f"{result['rows_per_second']:,.0f} rows/s, {result['peak_rss_mb']:.0f} MB resident")
    return {"results": result}


def main():
    options = parse()
    options.lockstep = options.lockstep.resolve()
    _, all_texts, _ = texts(options.data)
    with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as scratch:
        base = pathlib.Path(options.model)
        if options.model in models.SIZES:
            base = pathlib.Path(scratch) / options.model
            models.write(base, options.model)
        model = fine_tune(options.lockstep, base, pathlib.Path(scratch))
        measure = long_stream if options.lines else compare
        report = measure(options, model, all_texts)
    rounds.write(options.json, {"machine": rounds.machine(), **report})


if __name__ == "__main__":
    main()
