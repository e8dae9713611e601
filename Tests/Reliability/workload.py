"""Something small to train: a BERT with seeded random weights, and shards of the posts in launch/sample."""

import array
import json
import os
import pathlib
import random
import struct
import subprocess
import sys

import jobs
import runs

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "launch" / "sample"

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"#@-_:;()&/*%$+=<>"
FREQUENT = "the to and of is it in for my on ##ing ##ed ##ly so".split()


def vocabulary(size):
    """Every character as a word and within one, frequent words, and unused ones up to `size`."""
    words = SPECIAL + [form for c in CHARACTERS for form in (c, "##" + c)] + FREQUENT
    return words + [f"[unused{i}]" for i in range(size - len(words))]


def shapes(hidden, layers, intermediate, words, positions):
    """Names and shapes of an encoder's tensors as Hugging Face has them; no classifier."""
    norm = lambda name: {f"{name}.weight": [hidden], f"{name}.bias": [hidden]}
    linear = lambda name, outputs, inputs: {
        f"{name}.weight": [outputs, inputs], f"{name}.bias": [outputs]}
    found = {
        "bert.embeddings.word_embeddings.weight": [words, hidden],
        "bert.embeddings.position_embeddings.weight": [positions, hidden],
        "bert.embeddings.token_type_embeddings.weight": [2, hidden],
        **norm("bert.embeddings.LayerNorm"),
        **linear("bert.pooler.dense", hidden, hidden),
    }
    for layer in range(layers):
        prefix = f"bert.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            found |= linear(f"{prefix}.attention.self.{part}", hidden, hidden)
        found |= linear(f"{prefix}.attention.output.dense", hidden, hidden)
        found |= norm(f"{prefix}.attention.output.LayerNorm")
        found |= linear(f"{prefix}.intermediate.dense", intermediate, hidden)
        found |= linear(f"{prefix}.output.dense", hidden, intermediate)
        found |= norm(f"{prefix}.output.LayerNorm")
    return found


def write_safetensors(path, tensors):
    """`tensors`: {name: (shape, array of float32)}"""
    header, offset = {}, 0
    for name, (shape, values) in tensors.items():
        end = offset + 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            file.write(values.tobytes())


def write_model(folder, *, hidden, words, layers=2, heads=4, intermediate=None, positions=160):
    """A pretrained encoder without a head: config.json, weights, vocabulary."""
    assert sys.byteorder == "little", "safetensors are little-endian"
    intermediate = intermediate or 2 * hidden
    names = vocabulary(words)
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")
    (folder / "tokenizer_config.json").write_text(
        '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    (folder / "config.json").write_text(json.dumps({
        "model_type": "bert", "vocab_size": len(names), "hidden_size": hidden,
        "num_hidden_layers": layers, "num_attention_heads": heads, "hidden_act": "gelu",
        "intermediate_size": intermediate, "max_position_embeddings": positions,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02}))
    generator = random.Random(5)
    # Drawn once and repeated: drawing millions of them takes Python seconds.
    block = array.array("f", (generator.gauss(0, 0.1) for _ in range(65_521)))
    tensors = {}
    for name, shape in shapes(hidden, layers, intermediate, len(names), positions).items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        start = generator.randrange(len(block))
        values = (block[start:] + block * (count // len(block) + 1))[:count]
        if name.endswith("LayerNorm.weight"):
            values = array.array("f", (1 + value for value in values))
        tensors[name] = (shape, values)
    write_safetensors(folder / "model.safetensors", tensors)


def table(name, copies=1):
    """A table of launch/sample with its rows `copies` times, each under an ID of its own."""
    header, *rows = (SAMPLE / name).read_text().splitlines()
    repeated = [row.replace("\t", f"-{copy}\t", 1) for copy in range(copies) for row in rows]
    return "\n".join([header, *repeated]) + "\n"


class Workload:
    """A model, shards and the flags of one trajectory. Runs of it end with the same bytes."""

    def __init__(self, lockstep, folder, *, hidden, words=0, copies=1, validation_copies=1, flags=()):
        self.lockstep = str(lockstep)
        #: What the kernel calls its processes.
        self.program = os.path.basename(self.lockstep)[:15]
        self.folder = folder
        self.flags = [str(flag) for flag in flags]
        write_model(folder / "model", hidden=hidden, words=words)
        for name, file, count in (
            ("train", "train.txt", copies), ("validation", "dev.txt", validation_copies)):
            rows = folder / file
            rows.write_text(table(file, count))
            subprocess.run(
                [self.lockstep, "shard", str(rows), "--model", str(folder / "model"), "--output",
                 str(folder / name), "--shards", "2", "--max-length", "64"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self, run, *more):
        """The command line of a job on the run folder `run`."""
        return [
            self.lockstep, "train", "--model", str(self.folder / "model"),
            "--train", str(self.folder / "train"), "--validation", str(self.folder / "validation"),
            "--output", str(run), "--threads", "1", *self.flags, *(str(word) for word in more)]

    def start(self, run, ranks, *more, launcher=jobs.MPIRUN, environment=None, separator=None):
        """Starts a job on the run folder `run`; its output is appended to a log beside it. `separator`
        is what the launcher wants before the command."""
        log = self.folder / (os.path.basename(run) + ".log")
        command = ([separator] if separator else []) + self.command(run, *more)
        return jobs.Job(command, ranks, log, launcher, environment)

    def finish(self, run, ranks, *more, seconds=300, **options):
        """Runs a job to its end: (exit code, what it wrote, without mpirun's paragraphs)."""
        job = self.start(run, ranks, *more, **options)
        try:
            return job.wait(seconds), job.excerpt()
        finally:
            job.end()

    def verify(self, path):
        """Whether `lockstep verify` finds every hash as it was sealed."""
        done = subprocess.run(
            [self.lockstep, "verify", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode == 0


def small(tests, steps):
    """(a workload of that many steps in `tests.folder`, the digest of a run that nothing happens to)"""
    load = Workload(
        tests.lockstep, tests.folder / "load", hidden=128, words=12_000, flags=[
            "--max-steps", steps, "--batch-size", 128, "--micro-batches", 4, "--learning-rate", 1e-3,
            "--evaluate-every", steps, "--save-every", 25, "--keep", 1])
    undisturbed = runs.RunFolder(load.folder / "undisturbed")
    code, output = load.finish(undisturbed.path, 2)
    if code != 0:
        raise RuntimeError(f"the undisturbed run ended with exit code {code}: {output}")
    return load, undisturbed.digest()
