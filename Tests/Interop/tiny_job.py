"""A training job of a small random BERT on the posts of launch/sample, for checks of what a run leaves."""

import json
import os
import pathlib
import signal
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "launch" / "sample"


class TinyJob:
    """Shards, a model folder without weights, and runs of it in a scratch folder."""

    def __init__(self, lockstep, scratch):
        self.lockstep, self.scratch = lockstep, scratch
        self.model = scratch / "model"
        self.model.mkdir()
        vocabulary = (SAMPLE / "tasks" / "vocab.txt").read_text()
        (self.model / "vocab.txt").write_text(vocabulary)
        config = {
            "model_type": "bert", "vocab_size": len(vocabulary.splitlines()), "hidden_size": 48,
            "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 80,
            "max_position_embeddings": 160, "type_vocab_size": 2, "hidden_act": "gelu",
            "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02,
        }
        (self.model / "config.json").write_text(json.dumps(config))
        for name in ("train", "dev"):
            self.run("shard", SAMPLE / f"{name}.txt", "--model", self.model, "--output", scratch / name)

    def run(self, *arguments):
        subprocess.run([str(part) for part in (self.lockstep, *arguments)], check=True)

    def start(self, output, ranks, *options):
        """A training into the folder `output`."""
        launcher = [REPOSITORY / "launch" / "local", "-n", ranks, "--threads", 1, "--no-bind", "--"]
        command = [
            *launcher, self.lockstep, "train", "--model", self.model, "--initial-weights", "random",
            "--train", self.scratch / "train", "--validation", self.scratch / "dev",
            "--output", output, *options]
        return subprocess.Popen([str(part) for part in command])

    def train(self, output, ranks, *options):
        process = self.start(output, ranks, *options)
        assert process.wait(timeout=300) == 0, f"exit code {process.returncode} of {ranks} ranks"


def kill(process):
    """Ends a job's launcher and its ranks at once, as a machine that fails does."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has ended meanwhile.
    job = {process.pid}
    while more := {pid for pid, parent in parents.items() if parent in job} - job:
        job |= more
    for pid in job:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def records(run):
    """The whole lines of a run's metrics.jsonl."""
    path = run / "metrics.jsonl"
    if not os.path.exists(path):
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
