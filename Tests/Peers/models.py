"""A BERT of any size with seeded random weights, in Hugging Face's layout."""

import json
import os
import pathlib
import shutil
import sys

import numpy
from safetensors.numpy import save_file

# Names and shapes of the tensors, and a vocabulary for tests, are those of the reliability tests.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Reliability"))
import workload

SIZES = {
    "bert-base": {"hidden": 768, "layers": 12, "heads": 12, "intermediate": 3072},
    "bert-large": {"hidden": 1024, "layers": 24, "heads": 16, "intermediate": 4096},
    "tiny": {"hidden": 64, "layers": 2, "heads": 4, "intermediate": 128},
}
POSITIONS = 512
TOKENIZER = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def cache():
    """Where folders stay between runs: hundreds of megabytes are not written twice."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "lockstep" / "peers"


def write(folder, size, tokenizer=None):
    """Writes the model `size` with the tokenizer of another folder, or with one of characters."""
    shape = SIZES[size]
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    if tokenizer:
        for name in TOKENIZER:
            if (tokenizer / name).exists():
                shutil.copy(tokenizer / name, partial)
        words = json.loads((tokenizer / "config.json").read_text())["vocab_size"]
    else:
        names = workload.vocabulary(500)
        words = len(names)
        (partial / "vocab.txt").write_text("\n".join(names) + "\n")
        (partial / "tokenizer_config.json").write_text(
            '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    (partial / "config.json").write_text(json.dumps({
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": words,
        "hidden_size": shape["hidden"], "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"], "intermediate_size": shape["intermediate"],
        "hidden_act": "gelu", "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02, "pad_token_id": 0}))
    save_file(tensors(shape, words), partial / "model.safetensors", metadata={"format": "pt"})
    partial.rename(folder)


def tensors(shape, words):
    generator = numpy.random.default_rng(1)
    found = {}
    shapes = workload.shapes(
        shape["hidden"], shape["layers"], shape["intermediate"], words, POSITIONS)
    for name, dimensions in shapes.items():
        if name.endswith("LayerNorm.weight"):
            found[name] = numpy.ones(dimensions, dtype=numpy.float32)
        elif name.endswith("bias"):
            found[name] = numpy.zeros(dimensions, dtype=numpy.float32)
        else:
            found[name] = generator.standard_normal(dimensions, dtype=numpy.float32) * 0.02
    return found


def folder(name, tokenizer=None):
    """The folder of a model: an existing one's path, or a size, which is written if need be."""
    if name not in SIZES:
        path = pathlib.Path(name)
        if not (path / "config.json").exists():
            raise SystemExit(f"{name}: expected a model folder or one of {', '.join(SIZES)}")
        return path
    path = cache() / name
    if not path.exists():
        write(path, name, tokenizer)
    return path


class Floor:
    """The least that a step can take on a machine with given ceilings."""

    def __init__(self, model):
        config = json.loads((model / "config.json").read_text())
        self.hidden, self.layers = config["hidden_size"], config["num_hidden_layers"]
        inner = config["intermediate_size"]
        self.weights = self.layers * (4 * self.hidden ** 2 + 2 * self.hidden * inner)
        per_layer = 4 * (self.hidden ** 2 + self.hidden) + 2 * self.hidden * inner + inner
        per_layer += 5 * self.hidden
        fixed = config["max_position_embeddings"] + config.get("type_vocab_size", 2) + 2
        #: All but the word embeddings, and without a classifier.
        self.dense = self.layers * per_layer + fixed * self.hidden + self.hidden ** 2 + self.hidden
        self.parameters = self.dense + config["vocab_size"] * self.hidden

    def flop(self, lengths):
        """Of forward and backward over rows of these lengths, products alone."""
        linear = 6 * sum(lengths) * self.weights
        return linear + 12 * self.hidden * self.layers * sum(n * n for n in lengths)

    def bytes(self, words):
        """That the optimizer moves with `words` distinct tokens: AdamW 28 a parameter, the norm 4."""
        return 32 * (self.dense + words * self.hidden)

    def seconds(self, batches, gflops, gigabytes_per_second):
        """The mean over steps; `batches`: the ids of the rows of each."""
        total = 0
        for batch in batches:
            total += self.flop([len(ids) for ids in batch]) / (gflops * 1e9)
            total += self.bytes(len({word for ids in batch for word in ids})) / (
                gigabytes_per_second * 1e9)
        return total / len(batches)
