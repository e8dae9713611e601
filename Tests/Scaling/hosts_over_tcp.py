"""Training steps over hosts that a network joins, beside one host: step times and bytes sent.

    python Tests/Scaling/hosts_over_tcp.py --lockstep PATH --model DIR|bert-base [--tokenizer DIR]
        [--data FILE] [--hosts 2] [--rates 1gbit,10gbit] [--delay 0.1ms] [--batch-size 8] [--rounds 3]
    python Tests/Scaling/hosts_over_tcp.py --lockstep PATH --smoke

The hosts are network namespaces (see Tests/Reliability/hosts.py) on this machine: a rank of one thread
each, bound to a core. `tc` bounds what each one sends, and delays it where the kernel has netem. Every
program runs once a round; what a cable gives is measured with a plain TCP stream beforehand, and the
bytes that went over it are read from the devices' counters. Where the program has `--overlap`, both of
its values run. Needs root and iproute2; everything that it made is removed at the end.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / "Peers"), str(TESTS / "Reliability")]

import compare
import hosts
import models
import programs
import rounds
import rows

LINK = pathlib.Path(__file__).with_name("link.py")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", help="a folder, or bert-base, bert-large or tiny: random weights")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="the folder that lends a size its tokenizer")
    parser.add_argument("--data", type=pathlib.Path, default=compare.SAMPLE / "train.txt")
    parser.add_argument("--hosts", type=int, default=2, help="up to 8")
    parser.add_argument("--rates", default="1gbit,10gbit", help="as tc has them; none: unbounded")
    parser.add_argument("--delay", default="0.1ms", help="of what a host sends; none: as it is")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--micro-batches", type=int, help="default: a power of two from the hosts on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--flags", default="", help="more flags for lockstep")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--smoke", action="store_true", help="a tiny model, 1 round, 10 steps")
    options = parser.parse_args()
    if options.smoke:
        options.model, options.rounds, options.steps, options.rates = "tiny", 1, 10, "1gbit"
    if not options.model:
        parser.error("say --model or --smoke")
    if not 2 <= options.hosts <= 8:
        parser.error("--hosts: 2 to 8")
    options.lockstep = options.lockstep.resolve()
    options.flags = options.flags.split()
    options.micro_batches = options.micro_batches or 1 << (options.hosts - 1).bit_length()
    return options


class OverHosts(programs.Lockstep):
    """A rank on each host, bound to a core of its own while there are some."""

    def __init__(self, here, rate, delay, **arguments):
        super().__init__(len(here.names), 1, **arguments)
        self.here, self.rate, self.delay = here, rate, delay

    def launcher(self):
        return [
            *self.here.launcher(), "-n", self.ranks, "bash", "-c",
            f'exec taskset -c $((OMPI_COMM_WORLD_RANK % {os.cpu_count()})) "$@"', "bash"]

    def seen(self, steps):
        # The weights that rank 0 sends at the start are over by then.
        if self.at_start is None and steps >= self.first:
            self.at_start, self.first = self.here.sent(), steps
        if steps >= self.last:
            self.at_end, self.last = self.here.sent(), steps

    def __call__(self, job):
        self.here.shape(self.rate, self.delay)
        self.at_start = None
        self.first, self.last = job.warm_up, job.warm_up + job.steps
        result = super().__call__(job)
        steps = max(1, self.last - self.first)
        sent = [(end - start) / steps for start, end in zip(self.at_start, self.at_end)]
        return result | {"mb_sent_per_step": max(sent) / 1e6}


def cable(here, rate, delay):
    """What link.py measures between the first host and the second."""
    here.shape(rate, delay)
    python = [sys.executable, str(LINK)]
    listener = subprocess.Popen(
        [*here.on(1), *python, "listen", here.addresses[1]], stdout=subprocess.PIPE)
    try:
        listener.stdout.readline()
        return programs.last_object(
            programs.run([*here.on(0), *python, "measure", here.addresses[1]]))
    finally:
        listener.kill()
        listener.wait()


def delay_here(here, delay):
    """The delay that this kernel can make: none of it without netem."""
    if delay == "none":
        return None
    try:
        here.shape(None, delay)
    except subprocess.CalledProcessError as error:
        rounds.say(f"no delay of {delay}: {error.stderr.decode().strip()}")
        return None
    return delay


def compared(options, here):
    """{name: program}: one host, then every rate, without overlap and with."""
    V = options.micro_batches
    found = {"1 rank": programs.Lockstep(1, 1, V)}
    if options.hosts == 2:
        found["2 ranks, one host"] = programs.Lockstep(2, 1, V)
    has_overlap = programs.has_option(options.lockstep, ["train"], "--overlap")
    for rate in options.rates.split(","):
        for overlap in ("off", "on") if has_overlap else (None,):
            name = f"{options.hosts} hosts, {rate}" + (f", overlap {overlap}" if overlap else "")
            found[name] = OverHosts(
                here, None if rate == "none" else rate, options.delay, micro_batches=V,
                flags=("--overlap", overlap) if overlap else ())
    return found


def check_bytes(name, entries, dense, exchanged):
    """Whether the gradients went over the cable, and not through memory that the hosts share."""
    least = min(entry["mb_sent_per_step"] for entry in entries)
    if least < exchanged * dense:
        sys.exit(
            f"{name}: expected at least {exchanged * dense:.2f} MB a step over the cable, found {least:.2f}")


def report(options, job, results, cables, floor):
    dense = 4e-6 * floor.parameters * 2 * (options.hosts - 1) / options.hosts
    body = []
    for name, entries in results.items():
        sent = rounds.median(entries, "mb_sent_per_step")
        if sent is not None:
            check_bytes(name, entries, dense, 0.1)
        ratio = rounds.paired(entries, results["1 rank"], "ms_per_step")["median"]
        body.append([
            name, rounds.shown(rounds.median(entries, "ms_per_step")), f"{ratio:.2f}",
            rounds.shown(sent, 2), rounds.shown(sent and sent / dense, 2)])
    tokens = sum(map(sum, ([len(ids) for ids in batch] for batch in job.batches))) / len(job.batches)
    print(
        f"### {options.model}, batch {options.batch_size}, V = {options.micro_batches}, {options.hosts} "
        f"hosts of one thread\n\n{options.rounds} alternating rounds of {options.steps} steps of "
        f"{tokens:.0f} tokens. A dense all-reduce sends {dense:.1f} MB a rank.\n")
    print(rounds.table(
        ["cable", "Gbit/s of a TCP stream", "round trip, ms"],
        [[rate, f"{entry['gigabits_per_second']:.2f}", f"{entry['round_trip_ms']:.3f}"]
         for rate, entry in cables.items()]) + "\n")
    print(rounds.table(
        ["", "ms a step", "against 1 rank", "MB sent a step", "of a dense all-reduce"], body))
    rounds.write(options.json, {
        "machine": rounds.machine(), "cables": cables, "dense_mb": dense, "results": results})


def measure(options, folder):
    model = models.folder(options.model, options.tokenizer)
    compare.shard(options, model, folder)
    job = compare.Job(options, model, folder, rows.Rows(folder / "train"), options.batch_size)
    here = hosts.Hosts(folder, options.hosts, slots=1)
    here.open()
    try:
        options.delay = delay_here(here, options.delay)
        cables = {
            rate: cable(here, None if rate == "none" else rate, options.delay)
            for rate in options.rates.split(",")}
        results = rounds.alternate(
            {name: lambda program=program: program(job)
             for name, program in compared(options, here).items()}, options.rounds)
    finally:
        here.close()
    compare.check_losses(results)
    report(options, job, results, cables, models.Floor(model))


def main():
    options = parse()
    if reason := hosts.missing() or (None if shutil.which("tc") else "no tc"):
        print(f"hosts-over-tcp: skipped: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-hosts-") as folder:
        measure(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
