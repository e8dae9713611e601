"""Exports a trained model with lockstep and opens the folders with transformers.

    exported_model.py --lockstep BINARY --model DIR [--steps 60]

Checks, on the posts of launch/sample: exports in float32, float16 and bfloat16 hold the model and
nothing else, no weight missing or left over; their weights are those that torch rounds to; the
logits are the checkpoint's in float32 and near in 16 bits; save_pretrained gives the same weights.
pytorch_model.bin, as torch.save writes it of the same weights (zip, protocols 2, 4 and 5, bare,
several files, old names of norms, halves), exports to the bytes of the checkpoint's export, and
predicts what it predicts.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile

import torch
import transformers
from safetensors.torch import load_file

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "launch" / "sample"
TYPES = {"float32": 1e-6, "float16": 1e-2, "bfloat16": 5e-2}


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 0, f"{command}: exit code {done.returncode}"
    return done.stdout


def train(lockstep, model, scratch, steps):
    for name in ("train", "dev"):
        run(lockstep, "shard", SAMPLE / f"{name}.txt", "--model", model, "--output", scratch / name)
    run(
        lockstep, "train", "--model", model, "--train", scratch / "train", "--validation", scratch / "dev",
        "--output", scratch / "run", "--max-steps", steps, "--learning-rate", "2e-4")


def logits(folder, texts, dtype):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype="auto", output_loading_info=True)
    unexpected = {key: value for key, value in loading.items() if value}
    assert not unexpected, f"{folder.name}: {unexpected}"
    assert model.dtype == dtype, f"{folder.name}: expected {dtype}, found {model.dtype}"
    model.eval()
    with torch.no_grad():
        return model, torch.cat([model(**tokenizer(t, return_tensors="pt")).logits.float() for t in texts])


def check_export(lockstep, scratch, name, tolerance, texts, wanted):
    dtype = getattr(torch, name)
    folder = scratch / name
    result = json.loads(run(
        lockstep, "export", "--model", scratch / "run", "--output", folder, "--dtype", name, "--format", "json"))
    best = (scratch / "run" / "best").resolve()
    private = {"manifest.json", "manifest.sha256", "trainer_state.json"}
    expected = {p.name for p in best.iterdir() if not p.name.startswith("optimizer-")} - private
    found = {path.name for path in folder.iterdir()}
    assert found == expected == {file["name"] for file in result["files"]}, f"{name}: {found}"
    source, exported = load_file(best / "model.safetensors"), load_file(folder / "model.safetensors")
    assert source.keys() == exported.keys()
    for tensor, value in exported.items():
        rounded = source[tensor].to(dtype)
        assert value.dtype == dtype and value.equal(rounded), f"{name}: {tensor} is not what torch rounds to"
    assert json.loads((folder / "config.json").read_text())["dtype"] == name
    model, found = logits(folder, texts, dtype)
    worst = (found - wanted).abs().max().item()
    print(f"{name}: {result['bytes']} bytes, worst logit difference {worst:.2e}")
    assert worst <= tolerance, f"{name}: logits: worst difference {worst}"
    # The hub's tools write the folder again.
    model.save_pretrained(scratch / f"{name}-again")
    again = load_file(scratch / f"{name}-again" / "model.safetensors")
    assert all(again[key].equal(value) for key, value in exported.items()) and again.keys() == exported.keys()


def write_pickled(state, folder, form):
    options = {"bare": {"_use_new_zipfile_serialization": False}}
    options |= {f"protocol-{n}": {"pickle_protocol": n} for n in (2, 4, 5)}
    if form == "old-names":
        state = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
                 for k, v in state.items()}
    if form == "buffers":
        state = state | {"bert.embeddings.position_ids": torch.arange(512).expand((1, -1))}
    if form == "transposed":
        state = {k: v.t().contiguous().t() if v.dim() == 2 else v for k, v in state.items()}
    if form == "halves":
        state = {k: v.half() for k, v in state.items()}
    if form != "several":
        return torch.save(state, folder / "pytorch_model.bin", **options.get(form, {}))
    # transformers 5 writes safetensors only; these are the names that version 4 gave.
    weight_map = {}
    for index in range(3):
        name = f"pytorch_model-{index + 1:05}-of-00003.bin"
        part = dict(list(state.items())[index::3])
        torch.save(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    size = sum(t.nbytes for t in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def check_pickled(lockstep, scratch):
    best = (scratch / "run" / "best").resolve()
    state = load_file(best / "model.safetensors")
    predict = [lockstep, "predict", "--format", "jsonl", "this is a joy", "--model"]
    wanted = run(*predict, best)
    assert wanted.count('"scores"') == 1
    forms = ["protocol-2", "protocol-4", "protocol-5", "bare", "several", "old-names", "buffers", "transposed", "halves"]
    for form in forms:
        folder, output = scratch / f"pickled-{form}", scratch / f"from-{form}"
        shutil.copytree(best, folder, ignore=shutil.ignore_patterns("*.safetensors", "manifest.*", "trainer_state*"))
        write_pickled(state, folder, form)
        dtype = "float16" if form == "halves" else "float32"
        run(lockstep, "export", "--model", folder, "--output", output, "--dtype", dtype)
        for name in ("model.safetensors", "config.json"):
            same = (output / name).read_bytes() == (scratch / dtype / name).read_bytes()
            assert same, f"{form}: {name} differs from that of the checkpoint's export"
        if form != "halves":
            assert run(*predict, folder) == wanted, f"{form}: another prediction than the checkpoint's"
        shutil.rmtree(folder)
        shutil.rmtree(output)
    print(f"pytorch_model.bin: {', '.join(forms)}: the bytes of the checkpoint's export")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        train(arguments.lockstep, arguments.model, scratch, arguments.steps)
        lines = (SAMPLE / "dev.txt").read_text(encoding="utf-8").splitlines()[1:33]
        texts = [line.split("\t")[1] for line in lines]
        _, wanted = logits((scratch / "run" / "best").resolve(), texts, torch.float32)
        for name, tolerance in TYPES.items():
            check_export(arguments.lockstep, scratch, name, tolerance, texts, wanted)
        check_pickled(arguments.lockstep, scratch)


main()
