"""The rows of a shard folder, and the order in which lockstep visits them.

With these another program trains on the same rows in the same batches, without a tokenizer.
"""

import json
import pathlib

WORD = (1 << 32) - 1
# Second word of the counter: the generator's use for epoch orders.
EPOCH_ORDER = 2 << 28


class Rows:
    """ids: a list of token ids a row; labels: [rows, labels] of float32."""

    def __init__(self, folder):
        # Not everything that needs an order has these.
        import h5py
        import numpy

        folder = pathlib.Path(folder)
        self.ids, labels = [], []
        for file in json.loads((folder / "manifest.json").read_text())["files"]:
            with h5py.File(folder / file["name"], "r") as shard:
                offsets, ids = shard["offsets"][:], shard["input_ids"][:]
                self.ids += [ids[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:])]
                labels.append(shard["labels"][:])
        self.labels = numpy.concatenate(labels)


def _philox(counter, key):
    """Four random words: Philox4x32-10."""
    (a, b, c, d), (k, l) = counter, key
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k, q & WORD, (p >> 32) ^ d ^ l, p & WORD
        k, l = (k + 0x9E3779B9) & WORD, (l + 0xBB67AE85) & WORD
    return a, b, c, d


def _stream(seed, epoch):
    """Random 64-bit numbers, a function of (seed, epoch)."""
    block = 0
    while True:
        a, b, c, d = _philox(
            (block, EPOCH_ORDER, epoch & WORD, epoch >> 32), (seed & WORD, seed >> 32))
        yield b << 32 | a
        yield d << 32 | c
        block += 1


def epoch_order(seed, epoch, rows):
    """The permutation of Sources/Shards/EpochOrder.swift."""
    order, numbers = list(range(rows)), _stream(seed, epoch)
    for last in range(rows - 1, 0, -1):
        bound = last + 1
        biased = (1 << 64) % bound
        while True:
            product = bound * next(numbers)
            if product & ((1 << 64) - 1) >= biased:
                break
        other = product >> 64
        order[last], order[other] = order[other], order[last]
    return order


def batches(rows, batch_size, steps, seed=42):
    """The rows of each of the first `steps` global batches, epoch after epoch."""
    found, epoch = [], 0
    while len(found) < steps:
        order = epoch_order(seed, epoch, rows)
        found += [order[start:start + batch_size] for start in range(0, rows, batch_size)]
        epoch += 1
    return found[:steps]
