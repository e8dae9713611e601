"""How long a step takes on R ranks: a model of compute, imbalance, exchange and update, to be checked and read off.

    python Tests/Scaling/cost_model.py fit --lockstep PATH [--model minilm] [--threads 1]
    python Tests/Scaling/cost_model.py predict --ranks 1,2,4 --batch-sizes 8,64 --gigabits 1,10 [CONSTANTS]
    python Tests/Scaling/cost_model.py predict --ranks 16,1024 --rows-a-rank 8,64 --gigabits 10,100 [CONSTANTS]

`fit` measures `lockstep bench step` at several batch sizes on one rank and prints the constants. `predict` prints a table:
milliseconds a step, and the efficiency against one rank with the same global batch, which is given as it is or by its
rows a rank. Ranks have cores of their own; a network of `--gigabits` in each direction joins them, or one node's memory
where that is 0. The constants are those of MiniLM on the machine of docs/benchmarks/steps.md; docs/performance.md says
what the model leaves out.
"""
import argparse
import json
import math
import subprocess

FLOAT = 4
BUCKET = (1 << 20) * FLOAT


def step_seconds(ranks, batch, gigabits, a):
    """Seconds a step, and its terms by name. No gigabits: all ranks are on one node and use its memory."""
    tokens = batch * a.tokens_a_row / ranks * imbalance(batch, ranks)
    compute = a.seconds_a_token * tokens + a.seconds_a_pass
    on_node = ranks > 1 and gigabits == 0
    memory = 1e9 * (min(a.memory_gigabytes, a.node_gigabytes / ranks) if on_node else a.memory_gigabytes)
    # AdamW reads and writes 28 bytes a parameter, the norm reads 4.
    terms = {"compute": compute, "update": 32 * a.dense / ranks / memory, "exchange": 0.0}
    if on_node:
        # A rank reads its range of all gradients and writes the sum; it reads and writes what others updated, and a
        # line that is written is read first.
        terms["exchange"] = a.dense * (FLOAT * (1 + 1 / ranks) + 3 * FLOAT * (1 - 1 / ranks)) / memory
    elif ranks > 1:
        levels = math.log2(ranks)
        buckets = math.ceil(a.dense * FLOAT / BUCKET)
        sent = FLOAT * a.dense * (1 - 1 / ranks)
        latency = levels * a.latency_microseconds * 1e-6
        half = sent / (a.goodput * gigabits * 1e9 / 8) + buckets * latency
        # The reduce-scatter travels beside backward, but for its last bucket; the all-gather waits for the norm.
        beside = a.backward_share * compute if a.overlap else 0
        exposed = max(half - beside, half / buckets)
        # Sending and receiving, both ways, take the processor too.
        copies = 4 * sent * a.nanoseconds_a_byte * 1e-9
        terms["exchange"] = exposed + half + copies + 2 * latency
    return sum(terms.values()), terms


def imbalance(batch, ranks):
    """Tokens of the fullest part by the mean: as measured for tweets, by rows a part (ShardsTests/BisectionTests)."""
    if ranks == 1:
        return 1.0
    measured = [(1, 1.37), (2, 1.07), (4, 1.02), (8, 1.008), (16, 1.003)]
    rows = batch / ranks
    if rows < 1:
        return 1.37 / rows
    for (low, below), (high, above) in zip(measured, measured[1:]):
        if rows <= high:
            return below + (above - below) * (rows - low) / (high - low)
    return 1.003


def predict(a):
    for gigabits in numbers(a.gigabits):
        place = f"{gigabits:g} Gbit/s, {a.latency_microseconds:g} us a message" if gigabits else "one node"
        print(f"\n{place}\n")
        sizes = [int(n) for n in numbers(a.rows_a_rank or a.batch_sizes)]
        name = "rows a rank" if a.rows_a_rank else "batch"
        print("| ranks | " + " | ".join(f"{n} {name}: ms, efficiency" for n in sizes) + " |")
        print("| ---: |" + " ---: |" * len(sizes))
        for ranks in (int(r) for r in numbers(a.ranks)):
            cells = []
            for size in sizes:
                batch = size * ranks if a.rows_a_rank else size
                alone, _ = step_seconds(1, batch, gigabits, a)
                seconds, _ = step_seconds(ranks, batch, gigabits, a)
                cells.append(f"{seconds * 1e3:.1f}, {alone / seconds / ranks:.0%}")
            print(f"| {ranks} | " + " | ".join(cells) + " |")


def fit(a):
    """Least squares of forward and backward over batch sizes."""
    points = []
    for batch in (2, 4, 8, 16, 32):
        r = json.loads(subprocess.run(
            [a.lockstep, "bench", "step", "--model", a.model, "--batch-size", str(batch), "--threads", str(a.threads),
             "--steps", "40", "--format", "json"], check=True, capture_output=True, text=True).stdout)
        phases = r["phases_ms"]
        points.append((r["tokens_per_step"], phases["forward"] + phases["backward"]))
        share = phases["backward"] / points[-1][1]
        print(f"batch {batch}: {points[-1][0]:.1f} tokens, {points[-1][1]:.2f} ms forward and backward, "
              f"{share:.2f} of it backward, {phases['exchange']:.2f} ms norm, {phases['optimizer']:.2f} ms update")
    # Weighted by 1/t^2: relative errors count.
    w = [1 / y ** 2 for _, y in points]
    sw, sx, sy = (sum(c * v for c, v in zip(w, column)) for column in ([1] * len(w), [x for x, _ in points], [y for _, y in points]))
    sxx = sum(c * x * x for c, (x, _) in zip(w, points))
    sxy = sum(c * x * y for c, (x, y) in zip(w, points))
    slope = (sw * sxy - sx * sy) / (sw * sxx - sx * sx)
    print(f"--seconds-a-token {slope / 1e3:.4g} --seconds-a-pass {(sy - slope * sx) / sw / 1e3:.4g}")


def numbers(text):
    return [float(n) for n in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("fit")
    one.add_argument("--lockstep", required=True)
    one.add_argument("--model", default="minilm")
    one.add_argument("--threads", type=int, default=1)
    two = commands.add_parser("predict")
    two.add_argument("--ranks", default="1,2,4,16,64,256,1024")
    two.add_argument("--batch-sizes", default="8,64")
    two.add_argument("--rows-a-rank")
    two.add_argument("--gigabits", default="1,10")
    two.add_argument("--no-overlap", dest="overlap", action="store_false")
    two.add_argument("--dense", type=float, default=11.0e6, help="parameters but the word table (MiniLM)")
    two.add_argument("--tokens-a-row", type=float, default=27.39)
    two.add_argument("--seconds-a-token", type=float, default=3.17e-4, help="of one rank's forward and backward")
    two.add_argument("--seconds-a-pass", type=float, default=5.6e-3, help="of them, whatever the tokens")
    two.add_argument("--backward-share", type=float, default=0.63)
    two.add_argument("--memory-gigabytes", type=float, default=65, help="a second, of a rank's update")
    two.add_argument("--node-gigabytes", type=float, default=85, help="a second, of all ranks of a node")
    two.add_argument("--goodput", type=float, default=0.8, help="of the exchange, by the cable's rate")
    two.add_argument("--nanoseconds-a-byte", type=float, default=0.23, help="of the processor, to send or receive")
    two.add_argument("--latency-microseconds", type=float, default=30)
    a = parser.parse_args()
    fit(a) if a.command == "fit" else predict(a)


if __name__ == "__main__":
    main()
