"""Training steps of lockstep and of PyTorch side by side: alternating runs, medians, ratios.

    python Tests/Peers/compare.py --lockstep PATH --model DIR|bert-base [--tokenizer DIR] [--data FILE]
        [--batch-sizes 8,64] [--rounds 3] [--steps 20] [--programs peers|micro-batches|all|NAME,..]
    python Tests/Peers/compare.py --lockstep PATH --smoke

All programs train on the same rows in the same batches: the peer reads the token ids from lockstep's
shards. What each one trained on is checked by the tokens of every step. The machine's ceilings are
measured before the first and after the last round, and the floor of a step is computed from them.
Markdown goes to standard output, everything else to --json.
"""

import argparse
import math
import pathlib
import statistics
import tempfile

import models
import programs
import rounds
import rows

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "launch" / "sample"

OURS = {"lockstep-2x1": (2, 1), "lockstep-1x2": (1, 2), "lockstep-1x1": (1, 1)}
PEERS = {
    "peer-1x2": programs.PyTorch(1, 2),
    "peer-2x1": programs.PyTorch(2, 1),
    # Several times the work of the others: fewer steps do.
    "peer-padded": programs.PyTorch(1, 2, padding="max", fewer=4),
}
MICRO_BATCHES = {f"lockstep-1x2-v{count}": count for count in (2, 4, 8)}
SETS = {
    "peers": [*OURS, *PEERS], "micro-batches": ["lockstep-1x2", *MICRO_BATCHES],
    "all": [*OURS, *PEERS, *MICRO_BATCHES]}


class Job:
    """One batch size on one model: what every program is given."""

    max_length, seed = 128, 42

    def __init__(self, options, model, shards, data, batch_size):
        self.lockstep, self.model, self.batch_size = options.lockstep, model, batch_size
        self.train, self.validation = shards / "train", shards / "validation"
        self.steps, self.warm_up, self.flags = options.steps, options.warm_up, options.flags
        numbers = rows.batches(
            len(data.ids), batch_size, self.warm_up + self.steps, self.seed)[self.warm_up:]
        #: [steps][rows] token ids of the measured steps.
        self.batches = [[data.ids[number] for number in batch] for batch in numbers]

    def check_tokens(self, tokens):
        expected = [sum(map(len, batch)) for batch in self.batches[:len(tokens)]]
        if tokens != expected:
            raise SystemExit(f"tokens of the steps: expected {expected}, found {tokens}")

    def check_mean_tokens(self, mean):
        expected = sum(sum(map(len, batch)) for batch in self.batches) / len(self.batches)
        if abs(mean - expected) > 1e-6 * expected:
            raise SystemExit(f"tokens a step: expected {expected}, found {mean}")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", help="a folder, or bert-base, bert-large or tiny: random weights")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="the folder that lends a size its tokenizer")
    parser.add_argument("--data", type=pathlib.Path, default=SAMPLE / "train.txt", help="a labelled table")
    parser.add_argument("--batch-sizes", default="8")
    parser.add_argument("--programs", default="peers", help=f"{', '.join(SETS)}, or names of programs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the measured ones")
    parser.add_argument(
        "--via", choices=["train", "bench"], default="train", help="how lockstep's steps are timed")
    parser.add_argument("--flags", default="", help="more flags for lockstep, e.g. '--seed 1'")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--smoke", action="store_true", help="a tiny model, 2 rounds, 3 steps")
    options = parser.parse_args()
    if options.smoke:
        options.model, options.rounds, options.steps, options.warm_up = "tiny", 2, 3, 1
        options.programs = "lockstep-2x1,lockstep-1x2-v2,peer-2x1,peer-padded"
    if not options.model:
        parser.error("say --model or --smoke")
    least = programs.LockstepBench.FIRST_STEPS if options.via == "bench" else 1
    if options.rounds < 1 or options.steps < 2 or options.warm_up < least:
        parser.error(f"at least 1 round, 2 steps and {least} of warm-up")
    options.lockstep = options.lockstep.resolve()
    if options.via == "bench" and not programs.has_option(options.lockstep, ["bench", "step"], "--steps"):
        parser.error(f"{options.lockstep} has no `bench step`")
    options.flags = options.flags.split()
    return options


def chosen(options):
    kind = programs.LockstepBench if options.via == "bench" else programs.Lockstep
    known = {name: kind(*shape) for name, shape in OURS.items()} | PEERS
    known |= {name: kind(1, 2, count) for name, count in MICRO_BATCHES.items()}
    names = SETS.get(options.programs) or options.programs.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"--programs: expected {', '.join(known)}; found {', '.join(unknown)}")
    return {name: known[name] for name in names}


def shard(options, model, folder):
    for name, table in (("train", options.data), ("validation", SAMPLE / "dev.txt")):
        programs.run([
            options.lockstep, "shard", table, "--model", model, "--output", folder / name,
            "--max-length", Job.max_length])


def measure(options, job):
    """{program: [result of each round]}, and the ceilings before and after."""
    ceilings = [programs.ceilings(cores=2)]
    results = rounds.alternate(
        {name: lambda program=program: program(job) for name, program in chosen(options).items()},
        options.rounds)
    ceilings.append(programs.ceilings(cores=2))
    return results, {
        key: max(entry[key][-1] for entry in ceilings) for key in ("gflops", "gigabytes_per_second")}


def best(results, names):
    """The program with the highest median; None when none of them ran."""
    ran = [name for name in names if name in results]
    return max(ran, key=lambda name: rounds.median(results[name], "tokens_per_second"), default=None)


def ratios(results):
    """Rows of times of a token, numerator / denominator within each round."""
    found = []

    def add(text, over, under, goal=""):
        if over in results and under in results:
            # The time of a token is the inverse of the tokens a second.
            ratio = rounds.paired(results[under], results[over], "tokens_per_second")
            found.append((f"{text} ({over} / {under})", ratio, goal))

    ours = best(results, ["lockstep-2x1", "lockstep-1x2"])
    add("the peer's best", ours, best(results, ["peer-1x2", "peer-2x1"]))
    add("the peer on 2 ranks", ours, "peer-2x1")
    add("the peer padded to 128", ours, "peer-padded")
    add("1 rank x 1 thread against 2 ranks", "lockstep-1x1", "lockstep-2x1")
    for name, count in MICRO_BATCHES.items():
        add(f"V = {count} against V = 1", name, "lockstep-1x2")
    return found


def report(options, model, job, results, ceiling):
    floor = models.Floor(model).seconds(
        job.batches, ceiling["gflops"], ceiling["gigabytes_per_second"])
    text = [f"### {options.model}, batch {job.batch_size}", ""]
    text.append(
        f"{options.rounds} alternating rounds of {job.steps} steps of "
        f"{statistics.mean(sum(map(len, batch)) for batch in job.batches):.0f} tokens. Two cores: "
        f"sgemm {ceiling['gflops']:.1f} GFLOP/s, triad {ceiling['gigabytes_per_second']:.1f} GB/s; "
        f"floor {1000 * floor:.1f} ms a step.")
    body = []
    for name, entries in results.items():
        milliseconds = rounds.median(entries, "ms_per_step")
        body.append([
            name, rounds.shown(milliseconds), rounds.shown(rounds.median(entries, "tokens_per_second"), 0),
            f"{1000 * floor / milliseconds:.2f}" if name.startswith("lockstep") else "",
            rounds.shown(rounds.median(entries, "peak_rss_mb"), 0)])
    text += ["", rounds.table(["", "ms a step", "tokens/s", "floor / step", "peak RSS, MB"], body)]
    compared = ratios(results)
    if compared:
        text += ["", rounds.table(
            ["time of a token against", "median", "rounds", ""],
            [rounds.ratio_row(*row) for row in compared])]
    print("\n".join(text) + "\n", flush=True)
    return {
        "model": options.model, "batch_size": job.batch_size, "ceilings": ceiling,
        "floor_ms": 1000 * floor, "results": results,
        "ratios": {name: ratio for name, ratio, _ in compared}}


def check_losses(results):
    """Programs that learn the same thing begin with about the same loss."""
    for name, entries in results.items():
        losses = [loss for entry in entries for loss in entry.get("losses", [])]
        if not all(math.isfinite(loss) and 0 < loss < 2 for loss in losses):
            raise SystemExit(f"{name}: expected losses near 0.7, found {losses}")


def main():
    options = parse()
    model = models.folder(options.model, options.tokenizer)
    reports = []
    with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as scratch:
        shards = pathlib.Path(scratch)
        shard(options, model, shards)
        data = rows.Rows(shards / "train")
        for batch_size in map(int, options.batch_sizes.split(",")):
            job = Job(options, model, shards, data, batch_size)
            results, ceiling = measure(options, job)
            check_losses(results)
            reports.append(report(options, model, job, results, ceiling))
    rounds.write(options.json, {"machine": rounds.machine(), "reports": reports})


if __name__ == "__main__":
    main()
