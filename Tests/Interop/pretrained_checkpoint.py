"""Opens a pre-trained checkpoint with transformers, and compares the losses of an evaluation.

    pretrained_checkpoint.py --lockstep BINARY --model CHECKPOINT --data SHARDS

BertForPreTraining must take every weight and miss none, but for the word table's second name. It is shown the rows of
the shards with the words hidden that `lockstep evaluate` hides (Philox4x32-10 of seed, row and position), padded: both
losses and both accuracies must be the same. Tests/Pretraining makes such a checkpoint; see its --keep.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import h5py
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Peers"))
import rows

SEED = 42
# Second word of the counter: the generator's use for masks; fourth: the epoch of evaluations.
MASKING, EVALUATION = 4 << 28, (1 << 32) - 1


def hide(ids, row, tokenizer):
    """(ids with words hidden, what is to be found, -100 elsewhere)."""
    shown, truth = list(ids), [-100] * len(ids)
    for position, word in enumerate(ids):
        if word in tokenizer.all_special_ids:
            continue
        words = rows._philox((position, MASKING, row, EVALUATION), (SEED, 0))
        if words[0] / 2**32 >= 0.15:
            continue
        truth[position] = word
        choice = words[1] / 2**32
        if choice < 0.8:
            shown[position] = tokenizer.mask_token_id
        elif choice < 0.9:
            shown[position] = words[2] * len(tokenizer) >> 32
    return shown, truth


def read(folder):
    """(ids, types, whether the second segment is random) of every row."""
    found = []
    for file in json.loads((folder / "manifest.json").read_text())["files"]:
        with h5py.File(folder / file["name"], "r") as shard:
            offsets, ids, types = (shard[name][:] for name in ("offsets", "input_ids", "token_type_ids"))
            found += [
                (ids[a:b].tolist(), types[a:b].tolist(), int(label))
                for a, b, label in zip(offsets[:-1], offsets[1:], shard["labels"][:])]
    return found


def padded(values, by):
    length = max(map(len, values))
    return torch.tensor([row + [by] * (length - len(row)) for row in values])


def evaluate(model, tokenizer, data):
    totals = dict.fromkeys(("masked_loss", "masked_accuracy", "next_sentence_loss", "next_sentence_accuracy"), 0.0)
    hidden = 0
    for start in range(0, len(data), 64):
        part = data[start:start + 64]
        masked = [hide(ids, start + index, tokenizer) for index, (ids, _, _) in enumerate(part)]
        truth, follows = padded([labels for _, labels in masked], -100), torch.tensor([label for _, _, label in part])
        with torch.no_grad():
            out = model(
                input_ids=padded([ids for ids, _ in masked], tokenizer.pad_token_id),
                attention_mask=padded([[1] * len(ids) for ids, _, _ in part], 0),
                token_type_ids=padded([types for _, types, _ in part], 0))
        is_hidden = truth != -100
        words, wanted = out.prediction_logits[is_hidden].double(), truth[is_hidden]
        hidden += len(wanted)
        cross_entropy = torch.nn.functional.cross_entropy
        totals["masked_loss"] += cross_entropy(words, wanted, reduction="sum").item()
        totals["masked_accuracy"] += (words.argmax(1) == wanted).sum().item()
        pairs = out.seq_relationship_logits.double()
        totals["next_sentence_loss"] += cross_entropy(pairs, follows, reduction="sum").item()
        totals["next_sentence_accuracy"] += (pairs.argmax(1) == follows).sum().item()
    return {name: total / (hidden if name.startswith("masked") else len(data)) for name, total in totals.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    options = parser.parse_args()
    model, loading = transformers.BertForPreTraining.from_pretrained(options.model, output_loading_info=True)
    unexpected = {key: value for key, value in loading.items() if value}
    assert not unexpected, f"{options.model}: {unexpected}"
    table = model.bert.embeddings.word_embeddings.weight
    assert model.cls.predictions.decoder.weight.data_ptr() == table.data_ptr(), "the word table is not shared"
    print(f"BertForPreTraining: {sum(p.numel() for p in model.parameters())} parameters, none missing or left over")

    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    data = read(options.data)
    want = evaluate(model.eval(), tokenizer, data)
    command = [options.lockstep, "evaluate", "--model", options.model, "--data", options.data, "--format", "json"]
    found = json.loads(subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True).stdout)
    for name, value in want.items():
        print(f"{name:24} lockstep {found[name]:.7f}  transformers {value:.7f}")
        # One pair of nearly equal logits may fall the other way.
        tolerance = 1.5 / len(data) if name.endswith("accuracy") else 1e-5 * max(1, value)
        assert abs(found[name] - value) <= tolerance, f"{name}: expected {value}, found {found[name]}"


main()
