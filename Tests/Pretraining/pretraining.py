"""Pre-trains a tiny BERT from random weights on made-up text, and shows that it helps with a small labelled task.

    python Tests/Pretraining/pretraining.py --lockstep PATH [--keep FOLDER] [--epochs 20] [--ranks 2] [--json FILE]

The text is that of corpus.py. Checked, with exit code 1 if one fails: hidden words are found well over chance, and so is
whether a segment is the next one; a run that begins with the finished checkpoint begins where it ended; and from 64
labelled rows the pre-trained model learns more than random weights do, on validation rows none of whose topics' words
have a label in training. Markdown goes to standard output, the logs of the runs to the folder.
"""

import argparse
import collections
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import corpus

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SEEDS = (1, 2, 3)
# What must be reached; docs/benchmarks/pretraining.md has what is.
LEAST_MASKED_OVER_CHANCE = 2.0
LEAST_NEXT_SENTENCE = 0.8
LEAST_GAIN = 0.2


def say(text):
    print(text, file=sys.stderr, flush=True)


class Program:
    def __init__(self, options, folder):
        self.lockstep, self.ranks, self.folder = options.lockstep.resolve(), options.ranks, folder

    def run(self, *arguments, ranks=None):
        """What it writes to standard output; its log is kept in the folder."""
        command = [self.lockstep, *arguments]
        if ranks:
            command = [REPOSITORY / "launch" / "local", "-n", ranks, "--threads", 1, "--", *command]
        with (self.folder / "log.txt").open("a") as log:
            log.write("$ " + " ".join(map(str, command)) + "\n")
            log.flush()
            done = subprocess.run(
                list(map(str, command)), stdout=subprocess.PIPE, stderr=log, encoding="utf-8")
        if done.returncode:
            raise SystemExit(f"{self.folder}/log.txt: exit code {done.returncode} of {' '.join(map(str, command))}")
        return done.stdout

    def shard(self, files, name, *more):
        self.run(
            "shard", *files, "--model", self.folder / "vocabulary", "--output", self.folder / name,
            "--max-length", 64, *more)

    def train(self, name, train, validation, *more):
        """The step records of a run."""
        run = self.folder / name
        self.run(
            "train", "--train", self.folder / train, "--validation", self.folder / validation,
            "--output", run, "--micro-batches", 2, *more, ranks=self.ranks)
        records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        return [record for record in records if record["event"] == "step"]

    def evaluate(self, name, data):
        return json.loads(self.run(
            "evaluate", "--model", self.folder / name / "best", "--data", self.folder / data, "--format", "json"))


def write_data(folder, options):
    """The vocabulary, the texts, the labelled tables; the share of the commonest word among validation's."""
    language = corpus.Language(options.seed)
    vocabulary = folder / "vocabulary"
    vocabulary.mkdir()
    (vocabulary / "vocab.txt").write_text("\n".join(language.vocabulary()) + "\n")
    (vocabulary / "tokenizer_config.json").write_text(
        '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}\n')
    for number, (name, count) in enumerate((("train", options.documents), ("dev", options.documents // 10))):
        documents = corpus.documents(language, count, 2 * options.seed + number)
        (folder / f"documents-{name}.txt").write_text("\n\n".join("\n".join(lines) for lines in documents) + "\n")
    for name, rows in zip(("train", "dev"), corpus.labelled(language, 64, 400, options.seed)):
        table = "".join(f"{text}\t{label}\n" for text, label in rows)
        (folder / f"topics-{name}.tsv").write_text("text\tlabel\n" + table)
    words = collections.Counter((folder / "documents-dev.txt").read_text().split())
    return len(language.vocabulary()), words.most_common(1)[0], words.total()


def pretrain(program, options):
    for name in ("train", "dev"):
        program.shard([program.folder / f"documents-{name}.txt"], f"pretraining-{name}", "--task", "pretraining")
    # Without dropout: losses in training and of what goes on from the checkpoint can be compared.
    flags = [
        "--batch-size", 32, "--learning-rate", options.learning_rate, "--warmup-ratio", 0.1, "--dropout", 0,
        "--metric", "loss"]
    data = ("pretraining-train", "pretraining-dev")
    steps = program.train(
        "pretrained", *data, "--model", program.folder / "vocabulary", "--size", "tiny", "--initial-weights",
        "random", "--epochs", options.epochs, *flags)
    on = program.train(
        "on", *data, "--model", program.folder / "pretrained" / "best", "--max-steps", 20, "--batch-size", 32,
        "--learning-rate", 1e-5, "--dropout", 0)
    return steps, on, program.evaluate("pretrained", "pretraining-dev")


def fine_tune(program):
    """{"pre-trained" or "random": the validation accuracy of each seed}."""
    program.shard([program.folder / "topics-train.tsv"], "topics-train", "--task", "multi-class")
    program.shard(
        [program.folder / "topics-dev.tsv"], "topics-dev", "--task", "multi-class", "--labels-from",
        program.folder / "topics-train")
    starts = {
        "pre-trained": ["--model", program.folder / "pretrained" / "best"],
        "random": ["--model", program.folder / "vocabulary", "--size", "tiny", "--initial-weights", "random"]}
    scores = collections.defaultdict(list)
    for seed in SEEDS:
        for start, flags in starts.items():
            name = f"topics-{start}-{seed}"
            program.train(
                name, "topics-train", "topics-dev", *flags, "--epochs", 20, "--batch-size", 16,
                "--learning-rate", 5e-4, "--warmup-ratio", 0.1, "--metric", "accuracy", "--seed", seed)
            scores[start].append(program.evaluate(name, "topics-dev")["accuracy"])
            say(f"fine-tuned, seed {seed}, {start}: accuracy {scores[start][-1]:.4f}")
    return dict(scores)


def mean_loss(steps):
    return statistics.mean(step["loss"] for step in steps)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="a new folder for all that is made")
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the language, its texts and labels")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.documents < 100 or options.epochs < 1:
        parser.error("at least 100 documents and 1 epoch")
    return options


def check(options, folder):
    start = time.monotonic()
    size, (word, count), total = write_data(folder, options)
    chance = count / total
    program = Program(options, folder)
    steps, on, found = pretrain(program, options)
    trained = time.monotonic() - start
    say(f"pre-trained in {trained:.0f} s: {found}")
    scores = fine_tune(program)
    means = {name: statistics.mean(values) for name, values in scores.items()}
    first, last, again = mean_loss(steps[:20]), mean_loss(steps[-20:]), mean_loss(on)

    print(f"{options.documents} documents, a vocabulary of {size}, {len(steps)} steps of 32 rows on "
          f"{options.ranks} ranks; pre-training {trained:.0f} s, all {time.monotonic() - start:.0f} s.\n")
    print("| pre-training, validation | found | chance |\n| --- | ---: | ---: |")
    print(f"| masked_accuracy | {found['masked_accuracy']:.4f} | {chance:.4f} (`{word}`) |")
    print(f"| next_sentence_accuracy | {found['next_sentence_accuracy']:.4f} | 0.5 |")
    print(f"| loss | {found['loss']:.4f} | {math.log(size) + math.log(2):.4f} |\n")
    print(f"Mean training loss of 20 steps: the first {first:.4f}, the last {last:.4f}, "
          f"the first that go on from the checkpoint {again:.4f}.\n")
    print("| fine-tuned, validation accuracy | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean |")
    print("| --- |" + " ---: |" * (len(SEEDS) + 1))
    for name, values in scores.items():
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in [*values, means[name]]) + " |")
    if options.json:
        options.json.write_text(json.dumps({
            "pretraining": found, "chance": chance, "first_loss": first, "last_loss": last,
            "loss_going_on": again, "accuracy": scores}, indent=1) + "\n")

    return [text for is_right, text in (
        (found["masked_accuracy"] >= LEAST_MASKED_OVER_CHANCE * chance,
         f"masked_accuracy: expected at least {LEAST_MASKED_OVER_CHANCE} times {chance:.4f}"),
        (found["next_sentence_accuracy"] >= LEAST_NEXT_SENTENCE,
         f"next_sentence_accuracy: expected at least {LEAST_NEXT_SENTENCE}"),
        (abs(again - last) <= 0.1 * (first - last),
         f"going on: expected a loss near {last:.4f}, found {again:.4f}"),
        (means["pre-trained"] >= means["random"] + LEAST_GAIN,
         f"fine-tuning: expected the pre-trained model to gain {LEAST_GAIN} or more"),
    ) if not is_right]


def main():
    options = parse()
    with tempfile.TemporaryDirectory(prefix="lockstep-pretraining-") as scratch:
        folder = pathlib.Path(scratch)
        if options.keep:
            options.keep.mkdir(parents=True)
            folder = options.keep.resolve()
        failures = check(options, folder)
        if failures:
            raise SystemExit("\n".join(failures))


if __name__ == "__main__":
    main()
