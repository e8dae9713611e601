"""Reads a shard folder as any h5py user would, and prints it as one JSON object.

    python Tests/Interop/shards.py SHARDS
"""

import hashlib
import json
import pathlib
import sys

import h5py

folder = pathlib.Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
digest = (folder / "manifest.sha256").read_text()
assert digest == f"{hashlib.sha256((folder / 'manifest.json').read_bytes()).hexdigest()}  manifest.json\n"

rows = []
for file in manifest["files"]:
    path = folder / file["name"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
    assert path.stat().st_size == file["bytes"]
    with h5py.File(path, "r") as shard:
        assert shard.attrs["format"] == b"lockstep-shards", shard.attrs["format"]
        assert shard.attrs["rows"] == file["rows"] and shard.attrs["tokens"] == file["tokens"]
        names = [name.decode() for name in shard.attrs["label_names"]]
        assert names == manifest["label_names"]
        for dataset in shard.values():
            assert dataset.chunks and dataset.shuffle and dataset.fletcher32
            assert dataset.compression == "gzip"
            assert dataset.dtype.byteorder in "<=|"
        offsets, id_offsets = shard["offsets"][:], shard["row_id_offsets"][:]
        ids, types = shard["input_ids"][:], shard.get("token_type_ids")
        row_ids = bytes(shard["row_ids"][:])
        for row in range(file["rows"]):
            tokens = slice(offsets[row], offsets[row + 1])
            rows.append(
                {
                    "id": row_ids[id_offsets[row] : id_offsets[row + 1]].decode(),
                    "ids": ids[tokens].tolist(),
                    "types": None if types is None else types[tokens].tolist(),
                    "labels": shard["labels"][row].tolist(),
                }
            )
json.dump({"rows": rows, "label_names": names}, sys.stdout)
