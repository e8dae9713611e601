"""Compares lockstep's checkpoints with the reference implementation of safetensors.

    checkpoints.py check FOLDER...   every file re-saved by safetensors has the same bytes, the
                                     index is what the files hold, the manifest's hashes are right
    checkpoints.py write FOLDER      folders `mixed` (F32, F16, BF16, I64), `expected` (the same
                                     widened to F32), `torch-..` (pytorch_model.bin in the forms of
                                     torch.save), `torch-expected` (the same as safetensors) and
                                     `torch-hostile` (a pickle that runs a command)
"""

import collections
import hashlib
import json
import os
import pathlib
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def check_resaved(path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    with tempfile.TemporaryDirectory() as folder:
        again = pathlib.Path(folder) / path.name
        save_file(tensors, again, metadata=metadata)
        assert again.read_bytes() == path.read_bytes(), f"{path}: not the reference's bytes"
    return tensors


def check(folder):
    files = {path.name: check_resaved(path) for path in sorted(folder.glob("*.safetensors"))}
    index_path = folder / "model.safetensors.index.json"
    if index_path.exists():
        index = json.loads(index_path.read_text())
        held = {name: file for file in files if file.startswith("model") for name in files[file]}
        assert index["weight_map"] == held, f"{index_path}: not what the files hold"
        size = sum(t.nbytes for f in files if f.startswith("model") for t in files[f].values())
        assert index["metadata"]["total_size"] == size
        text = json.dumps(index, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        assert index_path.read_text() == text, f"{index_path}: not in the reference's layout"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == "lockstep-checkpoint" and manifest["version"] == 1
    listed = {record["name"]: record for record in manifest["files"]}
    present = {path.name for path in folder.iterdir()} - {"manifest.json", "manifest.sha256"}
    assert set(listed) == present
    for name, record in listed.items():
        content = (folder / name).read_bytes()
        assert record["bytes"] == len(content)
        assert record["sha256"] == hashlib.sha256(content).hexdigest()
    print(f"{folder.name}: {len(files)} tensor files, {len(listed)} files")


def write(folder):
    patterns = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
    torch.manual_seed(5)
    mixed = {
        "float": torch.randn(17, 3),
        "half": patterns.clone().view(torch.float16).reshape(256, 256),
        "brain": patterns.view(torch.bfloat16),
        "scalar": torch.tensor(0.1, dtype=torch.bfloat16),
        "none": torch.empty(0, 4, dtype=torch.float16),
        "embeddings.position_ids": torch.arange(512).reshape(1, 512),
    }
    expected = {name: t.float() for name, t in mixed.items() if t.is_floating_point()}
    for name, tensors in [("mixed", mixed), ("expected", expected)]:
        (folder / name).mkdir()
        save_file(tensors, folder / name / "model.safetensors", metadata={"format": "pt"})
    write_pickled(folder)


class Command:
    def __reduce__(self):
        return os.system, ("exit 1",)


def write_pickled(folder):
    base = torch.randn(40, 30)
    state = collections.OrderedDict(
        base=base, tied=base, transposed=base.t(), rows=base[3:7], columns=base[:, 5:9],
        every_third=base.flatten()[::3], permuted=torch.randn(3, 4, 5).permute(2, 0, 1),
        parameter=torch.nn.Parameter(torch.randn(6)), scalar=torch.tensor(2.5),
        none=torch.empty(0, 4), half=torch.randn(5, 4).half().t(), brain=torch.randn(9).bfloat16(),
        position_ids=torch.arange(512).expand((1, -1)))
    state._metadata = {"": {"version": 1}}
    files = {
        "zip": {}, "protocol-4": {"pickle_protocol": 4}, "protocol-5": {"pickle_protocol": 5},
        "bare": {"_use_new_zipfile_serialization": False}}
    for name, options in files.items():
        (folder / f"torch-{name}").mkdir()
        torch.save(state, folder / f"torch-{name}" / "pytorch_model.bin", **options)
    (folder / "torch-several").mkdir()
    weight_map = {}
    for index in range(3):
        name = f"pytorch_model-{index + 1:05}-of-00003.bin"
        part = dict(list(state.items())[index::3])
        torch.save(part, folder / "torch-several" / name)
        weight_map.update(dict.fromkeys(part, name))
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "torch-several/pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2))
    (folder / "torch-expected").mkdir()
    plain = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    save_file(plain, folder / "torch-expected" / "model.safetensors", metadata={"format": "pt"})
    (folder / "torch-hostile").mkdir()
    torch.save({"a": base, "b": Command()}, folder / "torch-hostile" / "pytorch_model.bin")


if __name__ == "__main__":
    command, *folders = sys.argv[1:]
    for name in folders:
        {"check": check, "write": write}[command](pathlib.Path(name))
