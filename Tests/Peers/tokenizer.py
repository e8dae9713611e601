"""The tokenizer beside Hugging Face's Rust one, each on one thread: alternating runs, medians, a ratio.

    python Tests/Peers/tokenizer.py --lockstep PATH --model DIR [DIR ..] [--data FILE] [--tokens 2000000]

Before anything is timed the ids of every text are compared. `bench` is `lockstep bench tokenize`, text
to ids inside the process as the peer is timed, where the program has it; `pipe` is `lockstep tokenize`
as a whole, from a pipe of JSON Lines to a pipe of JSON Lines, its start included. The peer encodes the
texts in one call of its fastest form, without offsets. Both remember words that came before where the
model is byte-level BPE or Unigram: `pipe` begins each run with none, the others do not.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}

import tokenizers

import programs
import rounds

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "launch" / "sample" / "train.txt"
MAX_LENGTH = 128


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument(
        "--model", required=True, type=pathlib.Path, nargs="+", help="folders with tokenizer.json")
    parser.add_argument("--data", type=pathlib.Path, default=SAMPLE, help="texts in the column Tweet")
    parser.add_argument("--tokens", type=int, default=2_000_000, help="of each run, about")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def texts(path):
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    column = header.split("\t").index("Tweet")
    return header, [line.split("\t")[column] for line in lines], lines


class Peer:
    def __init__(self, model, all_texts):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_LENGTH)
        self.encode = getattr(self.tokenizer, "encode_batch_fast", self.tokenizer.encode_batch)
        self.texts = all_texts

    def ids(self, some):
        return [encoding.ids for encoding in self.encode(some)]

    def __call__(self):
        start = time.perf_counter()
        encodings = self.encode(self.texts)
        seconds = time.perf_counter() - start
        return {"tokens_per_second": sum(map(len, encodings)) / seconds}


class Pipe:
    def __init__(self, options, model, lines, tokens):
        self.command = [
            options.lockstep, "tokenize", "--model", model, "--max-length", MAX_LENGTH]
        self.lines, self.tokens = lines, tokens

    def ids(self, some):
        text = "".join(json.dumps({"text": text}) + "\n" for text in some)
        output = programs.run(self.command, input=text.encode())
        return [json.loads(line)["ids"] for line in output.splitlines()]

    def __call__(self):
        with open(self.lines, "rb") as lines:
            start = time.perf_counter()
            programs.run(self.command, stdin=lines)
        return {"tokens_per_second": self.tokens / (time.perf_counter() - start)}


class Bench:
    def __init__(self, options, model, table):
        self.command = [
            options.lockstep, "bench", "tokenize", "--model", model, "--input", table, "--format", "json"]

    def __call__(self):
        return programs.last_object(programs.run(self.command))


def measure(options, model, scratch):
    header, some, rows = texts(options.data)
    expected = Peer(model, some).ids(some)
    tokens = sum(map(len, expected))
    copies = max(1, options.tokens // tokens)
    lines = pathlib.Path(scratch) / "lines.jsonl"
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in some) * copies)
    table = pathlib.Path(scratch) / "table.tsv"
    table.write_text("\n".join([header, *rows * copies]) + "\n", encoding="utf-8")
    pipe = Pipe(options, model, lines, tokens * copies)
    for text, mine, theirs in zip(some, pipe.ids(some), expected, strict=True):
        if mine != theirs:
            sys.exit(f"{model}: {text!r}: expected {theirs}, found {mine}")
    compared = {"peer": Peer(model, some * copies), "lockstep-pipe": pipe}
    if programs.has_option(options.lockstep, ["bench", "tokenize"], "--input"):
        compared["lockstep-bench"] = Bench(options, model, table)
    results = rounds.alternate(compared, options.rounds)
    body = [
        [name, rounds.shown(rounds.median(entries, "tokens_per_second"), 0)]
        for name, entries in results.items()]
    print(f"\n{model.name}: {len(some) * copies} texts, {tokens * copies} tokens, {options.rounds} alternating rounds\n")
    print(rounds.table(["one thread", "tokens/s"], body) + "\n")
    ratios = {
        name: rounds.paired(entries, results["peer"], "tokens_per_second")
        for name, entries in results.items() if name != "peer"}
    print(rounds.table(
        ["tokens/s against the Rust tokenizer", "median", "rounds", ""],
        [rounds.ratio_row(*row) for row in ratios.items()]))
    return {"results": results, "ratios": ratios}


def main():
    options = parse()
    options.lockstep = options.lockstep.resolve()
    programs.stay_on_one_core()
    with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as scratch:
        measured = {model.name: measure(options, model, scratch) for model in options.model}
    rounds.write(options.json, {"machine": rounds.machine(), "models": measured})


if __name__ == "__main__":
    main()
