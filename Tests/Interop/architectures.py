"""Trains every architecture with lockstep on two ranks and opens the checkpoints with transformers.

    architectures.py --lockstep BINARY [--only NAME,...] [--steps 40]

A small random model of each, in the folders that transformers saves, starts as a base model, which needs
a new head, and as a classifier, which has one. Checks, on the posts of launch/sample: `lockstep predict`
gives the logits of a classifier that transformers saved; training starts with those weights new that
transformers would make new; a finished checkpoint has no weight too many or too few, its tokenizer
makes the ids of `lockstep tokenize`, its model the logits of `lockstep predict`, its labels are in order.
roberta also starts from float16, and from pytorch_model.bin in place of safetensors.
"""

import argparse
import json
import pathlib
import re
import tempfile
import time

import torch
import transformers as T
from safetensors.torch import load_file

from checkpoint_comparison import (
    LABELS, ODD_TEXTS, REPOSITORY, bert_tokenizer, check_logits, check_tokens, open_model, rows, shard, train)

SUBWORD = REPOSITORY / "Tests" / "Fixtures" / "subword"
SIZES = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, initializer_range=0.1,
    max_position_embeddings=400)
# RoBERTa's ids and what its family does with them: positions are counted from padding's id on.
FAIRSEQ = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2, max_position_embeddings=402)
DISENTANGLED = dict(
    relative_attention=True, pos_att_type=["c2p", "p2c"], position_biased_input=False, type_vocab_size=0)
IN_BRACKETS = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]", "<mask>": "[MASK]"}


def fixture(name):
    model = json.loads((SUBWORD / name / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return model["vocab"], [tuple(pair) for pair in model.get("merges", [])]


def roberta_tokenizer(_):
    vocabulary, merges = fixture("bpe")
    return T.RobertaTokenizer(vocab=vocabulary, merges=merges)


def deberta_tokenizer(_):
    vocabulary, merges = fixture("bpe")
    return T.DebertaTokenizer(vocab={IN_BRACKETS.get(t, t): i for t, i in vocabulary.items()}, merges=merges)


def deberta_v2_tokenizer(_):
    pieces = [tuple(piece) for piece in fixture("unigram")[0]]
    return T.DebertaV2Tokenizer(vocab=pieces, unk_id=3)


def xlm_roberta_tokenizer(_):
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces = [tuple(piece) for piece in fixture("unigram")[0]]
    return T.XLMRobertaTokenizer(vocab=special + pieces[len(special):] + [("<mask>", 0.0)])


def mpnet_tokenizer(_):
    return T.MPNetTokenizer(vocab=fixture("mpnet")[0])


def distilbert_tokenizer(folder):
    return T.DistilBertTokenizer(vocab=bert_tokenizer(folder).get_vocab())


ARCHITECTURES = {
    "bert": (bert_tokenizer, T.BertConfig, {}),
    "roberta": (roberta_tokenizer, T.RobertaConfig, FAIRSEQ | dict(type_vocab_size=1)),
    "xlm-roberta": (xlm_roberta_tokenizer, T.XLMRobertaConfig, FAIRSEQ | dict(type_vocab_size=1)),
    "distilbert": (
        distilbert_tokenizer, T.DistilBertConfig, dict(dim=32, n_layers=2, n_heads=4, hidden_dim=48)),
    "mpnet": (mpnet_tokenizer, T.MPNetConfig, FAIRSEQ),
    "deberta": (deberta_tokenizer, T.DebertaConfig, DISENTANGLED | dict(pooler_hidden_size=32)),
    "deberta-v2": (
        deberta_v2_tokenizer, T.DebertaV2Config, DISENTANGLED | dict(
            pooler_hidden_size=32, position_buckets=16, norm_rel_ebd="layer_norm", share_att_key=True)),
    "canine": (
        lambda _: T.CanineTokenizer(), T.CanineConfig,
        dict(num_hash_buckets=512, local_transformer_stride=16, max_position_embeddings=512)),
}


def make_folders(name, scratch):
    """A base model and a classifier that transformers saved, each with its tokenizer."""
    make_tokenizer, make_config, sizes = ARCHITECTURES[name]
    tokenizer = make_tokenizer(scratch / "vocabulary")
    config = make_config(**SIZES | sizes)
    if hasattr(config, "vocab_size"):
        config.vocab_size = len(tokenizer)
    torch.manual_seed(0)
    T.AutoModel.from_config(config).save_pretrained(scratch / "base")
    labels = dict(enumerate(LABELS))
    config.problem_type, config.id2label = "multi_label_classification", labels
    config.label2id = {label: index for index, label in labels.items()}
    classifier = T.AutoModelForSequenceClassification.from_config(config)
    # Biases and norms at their defaults would say nothing about where they went.
    for parameter in classifier.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    classifier.save_pretrained(scratch / "classifier", max_shard_size="60KB")
    for folder in ("base", "classifier"):
        tokenizer.save_pretrained(scratch / folder)


def new_weights(printed):
    """Names that lockstep said it initialised."""
    found = re.search(r"initialised, to be trained: (.*)", printed)
    return set(found[1].split(", ")) if found else set()


def check(lockstep, folder, texts):
    """How many rows of tokens were equal, and the worst difference of a logit."""
    tokenizer, model = open_model(folder)
    return check_tokens(lockstep, folder, tokenizer, texts), check_logits(lockstep, folder, tokenizer, model, texts)


def compare(lockstep, name, scratch, steps, texts):
    make_folders(name, scratch)
    shard(lockstep, scratch / "base", scratch)
    options = ["--learning-rate", "3e-3", "--dropout", "0.1"]
    count, as_saved = check(lockstep, scratch / "classifier", texts)

    _, loading = T.AutoModelForSequenceClassification.from_pretrained(scratch / "base", output_loading_info=True)
    checkpoint, printed = train(lockstep, scratch / "base", scratch, scratch / "run", steps, options)
    assert new_weights(printed) == set(loading["missing_keys"]), f"{new_weights(printed)}: {loading}"
    _, from_base = check(lockstep, checkpoint, texts)

    checkpoint, printed = train(
        lockstep, scratch / "classifier", scratch, scratch / "run-again", steps // 4, options)
    assert not new_weights(printed), f"initialised {new_weights(printed)} of a whole model"
    _, from_classifier = check(lockstep, checkpoint, texts)
    print(
        f"{name}: {count} rows of tokens equal, worst difference of {len(texts)} x {len(LABELS)} logits: "
        f"as saved {as_saved:.1e}, trained from a base model {from_base:.1e}, "
        f"from a classifier {from_classifier:.1e}")
    if name == "roberta":
        compare_forms(lockstep, scratch, texts, options)


def compare_forms(lockstep, scratch, texts, options):
    """Starts from a base model's other files: the same weights, so the same checkpoint to the byte."""
    state = {key: value.half() for key, value in load_file(scratch / "base" / "model.safetensors").items()}
    checkpoints = {}
    for form in ("float16", "pytorch_model.bin"):
        folder = scratch / form
        T.AutoModel.from_pretrained(scratch / "base", dtype=torch.float16).save_pretrained(folder)
        T.AutoTokenizer.from_pretrained(scratch / "base").save_pretrained(folder)
        if form == "pytorch_model.bin":
            (folder / "model.safetensors").unlink()
            torch.save({key: value.float() for key, value in state.items()}, folder / form)
        checkpoint, _ = train(lockstep, folder, scratch, scratch / f"run-{form}", 10, options)
        checkpoints[form] = (checkpoint / "model.safetensors").read_bytes()
        _, worst = check(lockstep, checkpoint, texts)
        print(f"  from {form}: worst difference {worst:.1e}")
    assert len(set(checkpoints.values())) == 1, "the same weights led to other checkpoints"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    parser.add_argument("--only", default=",".join(ARCHITECTURES))
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    T.utils.logging.set_verbosity_error()
    T.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    texts = rows("dev.txt")[0][:40] + ODD_TEXTS
    start = time.monotonic()
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            compare(arguments.lockstep, name, pathlib.Path(folder), arguments.steps, texts)
    print(f"{time.monotonic() - start:.0f} s")


main()
