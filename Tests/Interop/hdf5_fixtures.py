"""Writes the small HDF5 files of Tests/Fixtures with h5py.

    python Tests/Interop/hdf5_fixtures.py Tests/Fixtures
"""

import os
import sys

import h5py
import numpy


def refused(folder):
    """Files whose dataset `data` must not be opened, one reason each."""
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    values = numpy.arange(6, dtype="int32")
    with h5py.File("soft-link.h5", "w") as file:
        file["other"] = values
        file["data"] = h5py.SoftLink("/other")
    with h5py.File("external-link.h5", "w") as file:
        file["data"] = h5py.ExternalLink("soft-link.h5", "/other")
    with h5py.File("virtual.h5", "w") as file:
        layout = h5py.VirtualLayout(shape=(6,), dtype="int32")
        layout[:] = h5py.VirtualSource("soft-link.h5", "other", shape=(6,))
        file.create_virtual_dataset("data", layout)
    with h5py.File("external-storage.h5", "w") as file:
        file.create_dataset("data", (6,), "int32", external=[("/etc/hostname", 0, 24)])
    with h5py.File("variable-length.h5", "w") as file:
        file["data"] = ["variable", "length"]
        file.attrs["label_names"] = ["anger", "joy"]
    with h5py.File("filter.h5", "w") as file:
        file.create_dataset("data", data=values, compression="lzf")
    with h5py.File("group.h5", "w") as file:
        file.create_group("data")
    with h5py.File("scalar.h5", "w") as file:
        file["data"] = 5
    with h5py.File("compound.h5", "w") as file:
        file["data"] = numpy.zeros(3, dtype=[("a", "int32"), ("b", "float32")])
    with h5py.File("declared-size.h5", "w") as file:
        file.create_dataset("data", (1 << 40,), "int32", chunks=(1024,), compression="gzip")
    with h5py.File("declared-text.h5", "w") as file:
        file.create_dataset("data", (1 << 50,), "S65536", chunks=(1024,))
    with h5py.File("declared-chunk.h5", "w") as file:
        file.create_dataset("data", (1 << 10,), "int32", maxshape=(None,), chunks=(1 << 29,))
    with h5py.File("numbers.h5", "w") as file:
        for name in ("int8", "uint16", "int64", "uint64", ">i4", "float16", "float64", "bool"):
            array = numpy.arange(6).reshape(3, 2) % 2
            file.create_dataset(name.replace(">i4", "big"), data=array.astype(name))
        file.attrs["text"] = numpy.bytes_("fixed")
        file.attrs["texts"] = numpy.array(["anger", "joy"], dtype="S")
        file.attrs["number"] = numpy.uint16(7)


def padded(path):
    """A shard in the usual padded form: a row of nothing but padding, one that fills the width,
    and padding on the left of a row, all of which occur in practice."""
    rows = [[101, 7, 8, 102], [], [101, 1, 2, 3, 4, 102], [101, 102]]
    ids = numpy.zeros((4, 6), dtype="int64")
    mask = numpy.zeros((4, 6), dtype="bool")
    types = numpy.zeros((4, 6), dtype="int8")
    for index, row in enumerate(rows):
        start = 2 if index == 3 else 0
        ids[index, start : start + len(row)] = row
        mask[index, start : start + len(row)] = True
    types[2, 3:] = 1
    labels = numpy.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], dtype="int8")
    with h5py.File(path, "w") as file:
        file["input_ids"] = ids
        file["attention_mask"] = mask
        file["token_type_ids"] = types
        file.create_dataset("labels", data=labels, chunks=(2, 3), compression="gzip")
        file.attrs["label_names"] = numpy.array(["anger", "joy", "trust"], dtype="S")


if __name__ == "__main__":
    root = os.path.abspath(sys.argv[1])
    padded(os.path.join(root, "shards", "padded.h5"))
    refused(os.path.join(root, "hdf5"))
