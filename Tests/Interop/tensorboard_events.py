"""Reads the event files of a run with TensorBoard and compares every number with metrics.jsonl.

    tensorboard_events.py --lockstep BINARY

The run is killed in the middle and goes on from a checkpoint, so that steps of the first event file
are done again. TensorBoard reads the files twice: as a library, and as the server that people look at.
"""

import argparse
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import numpy
from tensorboard.backend.event_processing import event_accumulator

from tiny_job import TinyJob, kill, records

STEPS = 240


def numbers(value, path, labels):
    """The numbers of nested objects, by path, and of lists, by label; nulls have none."""
    if isinstance(value, list):
        assert len(value) == len(labels), f"{path}: {len(value)} numbers of {len(labels)} labels"
        value = dict(zip(labels, value))
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}/{key}", labels)
    elif isinstance(value, (int, float)):
        yield path, value


def expected_scalars(run, labels):
    """By tag the (step, value) pairs that metrics.jsonl gives, as docs/formats.md has them."""
    scalars = {}
    for record in records(run):
        step, values = record["step"], []
        if record["event"] == "step":
            values = [(f"train/{name}", record[name]) for name in ("loss", "learning_rate", "grad_norm")]
        elif record["event"] == "timing":
            values = [("train/tokens_per_second", record["tokens_per_second"])]
            for phase, seconds in record["phases_by_rank"].items():
                values.append((f"phases/{phase}", sum(seconds) / len(seconds) / record["steps"]))
        elif record["event"] == "evaluation":
            aside = ("event", "step", "epoch", "tokens_per_second", "peak_rss_mb", "sweep")
            rest = {key: value for key, value in record.items() if key not in aside}
            values = [("memory/peak_rss_mb", record["peak_rss_mb"]), *numbers(rest, "eval", labels)]
        for tag, value in values:
            scalars.setdefault(tag, []).append((step, value))
    return scalars


def compare(reader, found, expected):
    """`found` has (step, value) pairs by tag, values in float32."""
    assert set(found) == set(expected), f"{reader}: tags {sorted(set(found) ^ set(expected))}"
    for tag, pairs in expected.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in pairs], f"{reader}: steps of {tag}"
        for (step, value), (_, want) in zip(found[tag], pairs):
            # Sums of the ranks' seconds may be added in another order here.
            equal = numpy.isclose(value, numpy.float32(want), rtol=1e-6, atol=0)
            assert equal, f"{reader}: {tag} at step {step}: expected {want}, found {value}"
    count = sum(map(len, found.values()))
    print(f"{reader}: {len(found)} tags, {count} numbers, equal to metrics.jsonl")


def read_as_library(folder):
    accumulator = event_accumulator.EventAccumulator(
        str(folder), size_guidance={event_accumulator.SCALARS: 0})
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]}


def fetch(port, path, **query):
    url = f"http://127.0.0.1:{port}/data/plugin/scalars/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def read_from_server(run, counts):
    """What the server has once it has so many numbers of each tag, or after two minutes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "tensorboard.main", "--logdir", str(run), "--port", str(port),
        "--host", "127.0.0.1", "--samples_per_plugin", "scalars=100000"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while True:
            # The server reads files beside its answers: at first it may have a part of them.
            try:
                found = {
                    tag: [(step, value) for _, step, value in fetch(port, "scalars", run="tensorboard", tag=tag)]
                    for tag in fetch(port, "tags").get("tensorboard", {})}
            except OSError:
                found = {}
            if {tag: len(pairs) for tag, pairs in found.items()} == counts or time.monotonic() > deadline:
                return found
            time.sleep(0.5)
    finally:
        server.terminate()
        server.wait()


def train_with_kill(job, run):
    """Kills the job when it is past a checkpoint, and lets it go on to the end."""
    options = ["--tensorboard", "--max-steps", STEPS, "--save-every", 50, "--evaluate-every", 30]
    process = job.start(run, 2, *options)
    while not any(record["step"] >= 110 for record in records(run)):
        assert process.poll() is None, f"exit code {process.returncode} before step 110"
        time.sleep(0.01)
    kill(process)
    before = read_as_library(run / "tensorboard")
    job.train(run, 2, *options)
    resumed = [record["step"] for record in records(run) if record["event"] == "resume"]
    assert len(resumed) == 1, f"resumed {len(resumed)} times"
    again = [step for step, _ in before["train/loss"] if step > resumed[0]]
    assert again, f"no step after the checkpoint of step {resumed[0]} was in the first file"
    files = sorted(path.name for path in (run / "tensorboard").iterdir())
    assert len(files) == 2, files
    print(f"killed after step {again[-1]}, resumed after step {resumed[0]}: {len(again)} steps done again")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        job, run = TinyJob(arguments.lockstep, scratch), scratch / "run"
        train_with_kill(job, run)
        labels = json.loads((scratch / "train" / "manifest.json").read_text())["label_names"]
        expected = expected_scalars(run, labels)
        assert [step for step, _ in expected["train/loss"]] == list(range(1, STEPS + 1))
        assert {f"eval/per_label/f1/{label}" for label in labels} < set(expected), sorted(expected)
        compare("EventAccumulator", read_as_library(run / "tensorboard"), expected)
        counts = {tag: len(pairs) for tag, pairs in expected.items()}
        compare("tensorboard's server", read_from_server(run, counts), expected)


main()
