"""A training step of every architecture at one shape, of lockstep and of Hugging Face transformers.

    python Tests/Peers/architectures.py --lockstep PATH --tokenizer DIR --data FILE
        [--architectures bert,deberta-v2,..] [--batch-size 32] [--rounds 3] [--steps 10] [--threads 2]
        [--shape mini|base]

Every model has random weights, the same sizes and the same word ids: those of the tokenizer in DIR. CANINE has the
characters of the same texts. `lockstep bench step` and pytorch_step.py train by turns on the rows of the same batches
on one process each; the peer pads to the longest row of a batch.
"""

import argparse
import json
import pathlib
import shutil
import tempfile

import compare
import models
import programs
import rounds
import rows

SHAPES = {
    "mini": {"layers": 6, "hidden": 384, "heads": 12, "intermediate": 1536},
    "base": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072},
    "tiny": {"layers": 2, "hidden": 32, "heads": 4, "intermediate": 48}}
# As the models that bear the names are published, but for sizes.
RELATIVE = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
PARTICULARS = {
    "bert": {},
    "roberta": {"max_position_embeddings": 514, "type_vocab_size": 1},
    "distilbert": {},
    "mpnet": {"max_position_embeddings": 514},
    "deberta": RELATIVE,
    "deberta-v2": RELATIVE | {"position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    "canine": {"max_position_embeddings": 2048}}
NAMES_OF_DISTILBERT = {
    "hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "intermediate_size": "hidden_dim"}


def write(folder, architecture, shape, tokenizer):
    """A model with random weights as transformers begins, and the tokenizer's files."""
    import torch
    import transformers

    sizes = {
        "hidden_size": shape["hidden"], "num_hidden_layers": shape["layers"], "num_attention_heads": shape["heads"],
        "intermediate_size": shape["intermediate"]}
    if architecture == "distilbert":
        sizes = {NAMES_OF_DISTILBERT[name]: value for name, value in sizes.items()}
    if architecture != "canine":
        sizes["vocab_size"] = json.loads((tokenizer / "config.json").read_text())["vocab_size"]
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(architecture, **{**sizes, **PARTICULARS[architecture]})
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    if architecture == "canine":
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
        return
    for name in models.TOKENIZER:
        if (tokenizer / name).exists():
            shutil.copy(tokenizer / name, folder)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--tokenizer", required=True, type=pathlib.Path, help="a model folder with WordPiece")
    parser.add_argument("--data", type=pathlib.Path, default=compare.SAMPLE / "train.txt", help="a labelled table")
    parser.add_argument("--architectures", default=",".join(PARTICULARS))
    parser.add_argument("--shape", choices=list(SHAPES), default="mini")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=programs.LockstepBench.FIRST_STEPS + 1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    options.lockstep, options.flags, options.architectures = options.lockstep.resolve(), [], options.architectures.split(",")
    unknown = [name for name in options.architectures if name not in PARTICULARS]
    if unknown:
        parser.error(f"--architectures: expected {', '.join(PARTICULARS)}; found {', '.join(unknown)}")
    return options


def prepare(options, scratch):
    """{architecture: compare.Job}; every model and every shard folder lies in `scratch`."""
    jobs = {}
    for architecture in options.architectures:
        model = scratch / architecture
        write(model, architecture, SHAPES[options.shape], options.tokenizer)
        is_of_words = architecture != "canine"
        shards = scratch / ("words" if is_of_words else "characters")
        if not shards.exists():
            shards.mkdir()
            length = compare.Job.max_length if is_of_words else 512
            for name, table in (("train", options.data), ("validation", compare.SAMPLE / "dev.txt")):
                programs.run([
                    options.lockstep, "shard", table, "--model", model, "--output", shards / name, "--max-length", length])
        jobs[architecture] = compare.Job(options, model, shards, rows.Rows(shards / "train"), options.batch_size)
    return jobs


def mean_length(job):
    return sum(len(ids) for batch in job.batches for ids in batch) / len(job.batches) / job.batch_size


def report(options, jobs, results):
    lengths = ", ".join(f"{architecture} {mean_length(job):.1f}" for architecture, job in jobs.items())
    text = (
        f"{options.rounds} alternating rounds of {options.steps} steps, batch {options.batch_size}, threads: "
        f"{options.threads}, {SHAPES[options.shape]}. Tokens a row: {lengths}.")
    first = rounds.median(results[f"lockstep {options.architectures[0]}"], "ms_per_step")
    body = []
    for architecture in jobs:
        ours, peer = (results[f"{program} {architecture}"] for program in ("lockstep", "transformers"))
        time = rounds.median(ours, "ms_per_step")
        ratio = rounds.paired(ours, peer, "ms_per_step")
        body.append([
            architecture, rounds.shown(time), rounds.shown(rounds.median(ours, "tokens_per_second"), 0),
            f"{time / first:.2f}", rounds.shown(rounds.median(peer, "ms_per_step")),
            rounds.shown(rounds.median(peer, "tokens_per_second"), 0),
            f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"])
    header = [
        "", "lockstep, ms a step", "tokens/s", f"against {options.architectures[0]}", "transformers, ms a step", "tokens/s",
        "lockstep / transformers"]
    print(text + "\n\n" + rounds.table(header, body), flush=True)


def main():
    options = parse()
    with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as scratch:
        jobs = prepare(options, pathlib.Path(scratch))
        kinds = {"lockstep": programs.LockstepBench(1, options.threads), "transformers": programs.PyTorch(1, options.threads)}
        results = rounds.alternate(
            {f"{name} {architecture}": lambda program=program, job=job: program(job)
             for architecture, job in jobs.items() for name, program in kinds.items()},
            options.rounds)
    report(options, jobs, results)
    rounds.write(options.json, {"machine": rounds.machine(), "results": results})


if __name__ == "__main__":
    main()
