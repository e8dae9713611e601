"""Training steps of Hugging Face transformers on PyTorch, on the rows and in the batches of lockstep.

    python Tests/Peers/pytorch_step.py --model DIR --shards DIR [--threads 2] [--padding dynamic|max]
    torchrun --standalone --nproc_per_node 2 Tests/Peers/pytorch_step.py --model DIR --shards DIR --threads 1

One process, or as many as torchrun starts, with DistributedDataParallel over gloo; each is bound to
cores of its own. As lockstep does it: AdamW (fused) with weight decay on all but biases and norms, a
linear schedule, gradients clipped to norm 1, dropout on, float32. Prints one JSON object; tokens are
real ones, without padding.
"""

import argparse
import json
import os
import resource
import time

os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from transformers import AutoModelForSequenceClassification

import rows


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="an encoder in Hugging Face's layout")
    parser.add_argument("--shards", required=True, help="a folder that `lockstep shard` wrote")
    parser.add_argument("--padding", choices=["dynamic", "max"], default="dynamic")
    parser.add_argument("--max-length", type=int, default=128, help="what `--padding max` pads to")
    parser.add_argument("--batch-size", type=int, default=8, help="rows over all processes")
    parser.add_argument("--threads", type=int, default=2, help="of each process")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the measured ones")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def bind(place, threads):
    """To cores of its own, where there are enough."""
    cores = sorted(os.sched_getaffinity(0))
    mine = cores[place * threads:(place + 1) * threads]
    if len(mine) == threads:
        os.sched_setaffinity(0, mine)
    torch.set_num_threads(threads)


def groups(model, weight_decay):
    """All but biases and norms decay."""
    flat, rest = [], []
    for name, parameter in model.named_parameters():
        is_flat = name.endswith("bias") or "layernorm" in name.lower().replace("_", "")
        (flat if is_flat else rest).append(parameter)
    return [
        {"params": rest, "weight_decay": weight_decay}, {"params": flat, "weight_decay": 0.0}]


def collate(data, numbers, length, padding):
    """The rows `numbers`, padded with a token to `length`, or to the longest where it is None."""
    ids = [data.ids[number] for number in numbers]
    length = length or max(map(len, ids), default=1)
    inputs = torch.full((len(ids), length), padding, dtype=torch.long)
    mask = torch.zeros(len(ids), length, dtype=torch.long)
    for row, tokens in enumerate(ids):
        inputs[row, :len(tokens)] = torch.tensor(tokens)
        mask[row, :len(tokens)] = 1
    return {
        "input_ids": inputs, "attention_mask": mask,
        "labels": torch.from_numpy(data.labels[numbers]).float()}


class Training:
    def __init__(self, options, rank, ranks):
        self.options, self.rank, self.ranks = options, rank, ranks
        self.data = rows.Rows(options.shards)
        torch.manual_seed(options.seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            options.model, num_labels=self.data.labels.shape[1],
            problem_type="multi_label_classification").train()
        self.padding = model.config.pad_token_id or 0
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.optimizer = torch.optim.AdamW(
            groups(model, options.weight_decay), lr=options.learning_rate, fused=True)
        total = options.warm_up + options.steps
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: max(0.0, (total - step) / total))
        self.model = model
        if ranks > 1:
            self.model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)

    def step(self, batch):
        length = self.options.max_length if self.options.padding == "max" else None
        loss = self.model(**collate(self.data, batch[self.rank::self.ranks], length, self.padding)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return loss.item()

    def tokens(self, batch):
        return sum(len(self.data.ids[number]) for number in batch)


def main():
    options = parse()
    ranks, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    bind(int(os.environ.get("LOCAL_RANK", 0)), options.threads)
    if ranks > 1:
        torch.distributed.init_process_group("gloo")
    training = Training(options, rank, ranks)
    batches = rows.batches(
        len(training.data.ids), options.batch_size, options.warm_up + options.steps, options.seed)
    if min(map(len, batches)) < ranks:
        # DistributedDataParallel has no answer to a rank without a row.
        raise SystemExit("a batch at the end of the epoch is smaller than the world: take fewer steps")
    losses = [training.step(batch) for batch in batches[:options.warm_up]]
    if ranks > 1:
        torch.distributed.barrier()
    start = time.perf_counter()
    measured = batches[options.warm_up:]
    losses += [training.step(batch) for batch in measured]
    if ranks > 1:
        torch.distributed.barrier()
    seconds = time.perf_counter() - start
    if rank == 0:
        tokens = [training.tokens(batch) for batch in measured]
        print(json.dumps({
            "ms_per_step": 1000 * seconds / len(measured), "tokens_per_second": sum(tokens) / seconds,
            "steps": len(measured), "tokens": tokens, "losses": losses, "ranks": ranks,
            "threads": options.threads, "padding": options.padding,
            "batch_size": options.batch_size, "parameters": training.parameters,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "torch": torch.__version__}), flush=True)
    if ranks > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
