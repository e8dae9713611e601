"""Writes a padded data set of 1,000 rows with h5py, in two files.

    python Tests/Interop/padded_shards.py FOLDER

Row r has the tokens r, r + 1, .. (r % 17 of them) and the labels r % 2 and r % 3 == 0.
"""

import pathlib
import sys

import h5py
import numpy

folder = pathlib.Path(sys.argv[1])
for part, rows in enumerate([range(0, 600), range(600, 1000)]):
    ids = numpy.zeros((len(rows), 16), dtype="int16")
    mask = numpy.zeros((len(rows), 16), dtype="uint8")
    for index, row in enumerate(rows):
        ids[index, : row % 17] = numpy.arange(row, row + row % 17)
        mask[index, : row % 17] = 1
    labels = numpy.array([[row % 2, row % 3 == 0] for row in rows], dtype="float64")
    with h5py.File(folder / f"part-{part}.h5", "w") as file:
        file.create_dataset("input_ids", data=ids, compression="gzip", shuffle=True)
        file.create_dataset("attention_mask", data=mask, compression="gzip", fletcher32=True)
        file.create_dataset("labels", data=labels)
        file.attrs["label_names"] = numpy.array(["odd", "third"], dtype="S")

# A file of each other task, in folders by their names: three rows of two tokens and padding.
for task, labels in {
    "multi-class": numpy.array([2, 0, 1], dtype="int64"),
    "regression": numpy.array([0.5, -1.25, 3], dtype="float64"),
    "token-classification": numpy.array([[0, 1, -100], [1, -100, -100], [-100, 0, 1]], dtype="int8"),
}.items():
    (folder / task).mkdir()
    with h5py.File(folder / task / "rows.h5", "w") as file:
        file["input_ids"] = numpy.array([[5, 6, 0], [7, 8, 0], [0, 9, 10]], dtype="int32")
        file["attention_mask"] = numpy.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype="uint8")
        file["labels"] = labels
        file.attrs["task"] = numpy.bytes_(task)
