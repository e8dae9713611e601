"""A run folder as the tests look at it: what is in it, what is going on in it, and its digest."""

import collections
import hashlib
import json
import os
import pathlib
import re

# What docs/formats.md lists; anything else at the end of a run is a failure.
ALLOWED = re.compile(r"run\.json|metrics\.jsonl|lock|best|last|checkpoint-\d+|rejected-\d+(-\d+)?")
PARTIAL = re.compile(r"\.checkpoint-(\d+)\.partial-")
# Keys that two jobs of one trajectory differ in.
MEASURED = re.compile(r"seconds$|_per_second$|_ms$|^peak_")

Digest = collections.namedtuple("Digest", "weights optimizer steps evaluations best")


def sha256(paths):
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def comparable(record):
    """A record without what may differ: what was measured, and how many ranks shared the rows (what
    they shared must not)."""
    kept = {key: value for key, value in record.items() if not MEASURED.search(key)}
    for name in ("rows", "tokens"):
        if f"{name}_by_rank" in kept:
            kept[name] = sum(kept.pop(f"{name}_by_rank"))
    return kept


class RunFolder:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def names(self):
        try:
            return sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []

    def hidden(self):
        """Folders under construction or on their way out, and links about to be renamed."""
        return [name for name in self.names() if name.startswith(".")]

    def saving(self, leftovers=()):
        """The step of a checkpoint that is being written; None when there is none but leftovers."""
        for name in self.hidden():
            match = PARTIAL.match(name)
            if match and name not in leftovers and os.path.isdir(self.path / name):
                return int(match[1])
        return None

    def checkpoints(self):
        """Steps of the committed checkpoints, ascending."""
        return sorted(int(name[11:]) for name in self.names() if re.fullmatch(r"checkpoint-\d+", name))

    def rejected(self):
        return [name for name in self.names() if name.startswith("rejected-")]

    def size(self):
        """Of metrics.jsonl, in bytes."""
        try:
            return os.stat(self.path / "metrics.jsonl").st_size
        except FileNotFoundError:
            return 0

    def records(self, event=None):
        """The whole lines of metrics.jsonl; a line that is being written is left out."""
        try:
            lines = (self.path / "metrics.jsonl").read_text().split("\n")[:-1]
        except FileNotFoundError:
            return []
        found = [json.loads(line) for line in lines if line]
        return [record for record in found if event in (None, record["event"])]

    def last_step(self):
        """The last step that metrics.jsonl records; 0 for none."""
        return max((record["step"] for record in self.records("step")), default=0)

    def evaluating(self, every):
        """The step that is being evaluated: its record is there, that of its evaluation is not."""
        step = self.last_step()
        due = step > 0 and step % every == 0
        if due and all(record["step"] != step for record in self.records("evaluation")):
            return step
        return None

    def digest(self):
        """Of what the run ended with; equal for all runs of a trajectory."""
        last = self.path / "last"
        parts = [
            [comparable(record) for record in self.records(event)] for event in ("step", "evaluation")]
        return Digest(
            sha256(last.glob("model*.safetensors")), sha256(last.glob("optimizer*.safetensors")),
            *(hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest() for part in parts),
            os.readlink(self.path / "best") if "best" in self.names() else "none")

    def problems(self, total, reference=None, keep=2):
        """What is wrong with a finished run of `total` steps, in words."""
        found = []
        strange = [name for name in self.names() if not ALLOWED.fullmatch(name)]
        if strange:
            found.append(f"{self.path} holds {', '.join(strange)}")
        if len(self.checkpoints()) > keep + 1:
            found.append(f"{self.path} keeps checkpoints {self.checkpoints()}, expected {keep} and the best")
        steps = [record["step"] for record in self.records("step")]
        if steps != list(range(1, total + 1)):
            counts = collections.Counter(steps)
            found.append(
                f"step records: expected 1 to {total} once each, missing "
                f"{[step for step in range(1, total + 1) if step not in counts]}, more than once "
                f"{[step for step, count in counts.items() if count > 1]}")
        evaluated = [record["step"] for record in self.records("evaluation")]
        if len(set(evaluated)) != len(evaluated):
            found.append(f"evaluation records more than once: {evaluated}")
        if reference:
            for name, mine, expected in zip(Digest._fields, self.digest(), reference):
                if mine != expected:
                    found.append(f"{name}: expected {expected}, found {mine}")
        return found
