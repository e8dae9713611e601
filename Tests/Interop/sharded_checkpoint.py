"""Stops a training with checkpoints in many files on four ranks, goes on with two, opens the end.

    sharded_checkpoint.py --lockstep BINARY --model DIR [--max-shard-size 20MB]

Checks: the weights and the optimizer's moments lie in several files each, none over the size; the
files of the end are those of a run that one rank did without a stop, byte for byte; transformers
opens them, with no tensor missing or left over, and has the values that are in the files.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import tempfile

import transformers
from safetensors.torch import load_file

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
UNITS = {"KB": 1000, "MB": 1000**2, "GB": 1000**3}


def run(expected, *command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == expected, f"{command}: exit code {done.returncode}, not {expected}"


def tensor_files(checkpoint):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(checkpoint.glob("*.safetensors"))}


def check_files(checkpoint, limit):
    names = sorted(tensor_files(checkpoint))
    for kind in ("model", "optimizer"):
        count = sum(name.startswith(kind + "-") for name in names)
        assert count > 1, f"{checkpoint}: expected several {kind} files, found {names}"
        print(f"{checkpoint.name}: {count} {kind} files")
    for name in names:
        tensors = load_file(checkpoint / name)
        size = sum(tensor.nbytes for tensor in tensors.values())
        assert size <= limit or len(tensors) == 1, f"{name}: {size} bytes in {len(tensors)} tensors"


def check_opens(checkpoint):
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint, output_loading_info=True)
    unexpected = {key: value for key, value in loading.items() if value}
    assert not unexpected, f"{checkpoint}: {unexpected}"
    index = json.loads((checkpoint / "model.safetensors.index.json").read_text())["weight_map"]
    state = model.state_dict()
    for name, file in index.items():
        assert state[name].equal(load_file(checkpoint / file)[name]), f"{name} of {file}"
    print(f"{checkpoint.name}: transformers has the {len(index)} tensors of the files")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--max-shard-size", default="20MB")
    arguments = parser.parse_args()
    limit = int(arguments.max_shard_size[:-2]) * UNITS[arguments.max_shard_size[-2:]]
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        for name in ("train", "dev"):
            run(0, arguments.lockstep, "shard", REPOSITORY / "launch" / "sample" / f"{name}.txt",
                "--model", arguments.model, "--output", scratch / name)

        def train(expected, ranks, output, *options):
            run(expected, REPOSITORY / "launch" / "local", "-n", ranks, "--no-bind", "--",
                arguments.lockstep, "train", "--model", arguments.model, "--train", scratch / "train",
                "--validation", scratch / "dev", "--output", scratch / output, "--micro-batches", 4,
                "--max-steps", 12, "--max-shard-size", arguments.max_shard_size, *options)
            return (scratch / output / "last").resolve()

        whole = train(0, 1, "whole")
        check_files(train(75, 4, "moved", "--stop-at", 5), limit)
        moved = train(0, 2, "moved")
        check_files(moved, limit)
        assert tensor_files(moved) == tensor_files(whole), "the files differ from the uninterrupted run's"
        digest = hashlib.sha256("".join(tensor_files(moved).values()).encode()).hexdigest()
        print(f"{moved.name}: stopped on 4 ranks, ended on 2, files equal to those of 1 rank, digest {digest[:16]}")
        check_opens(moved)


main()
