"""Reads the model cards of trained checkpoints as the Hugging Face hub does.

    model_cards.py --lockstep BINARY

Trains a tiny BERT for every task on launch/sample/tasks, and for labels that YAML and Markdown would take
for something else. Checks of each best checkpoint: huggingface_hub loads its README.md, the metadata and
the results are valid and say what metrics.jsonl says; the Python code of the card runs in transformers; the
tables have their columns when a Markdown parser renders them; names come out as they went in.
"""

import argparse
import contextlib
import io
import json
import pathlib
import re
import subprocess
import tempfile

import huggingface_hub
from markdown_it import MarkdownIt

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "launch" / "sample" / "tasks"
STRANGE = ["a|b", "a|\u0301`\u0301b", "<b>&amp;</b>", "`x` *y*", "no", "[l](u)", "~", "$x$", "1e3", "# h", "ü\u200b"]
# task, files, pipeline, options of shard
TASKS = [
    ("multi-class", "topics-{}.tsv", "text-classification", []),
    ("regression", "scores-{}.tsv", "text-classification", []),
    ("multi-class", "pairs-{}.tsv", "text-classification", ["--pair-column", "other"]),
    ("token-classification", "names-{}.conll", "token-classification", []),
    ("question-answering", "questions-{}.json", "question-answering", []),
    ("pretraining", "documents-{}.txt", "fill-mask", []),
]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{command}: exit code {done.returncode}: {done.stderr}"


def train(lockstep, scratch, files, task, *more):
    for name, file in zip(("train", "dev"), files):
        run(lockstep, "shard", file, "--task", task, "--model", SAMPLE, "--max-length", "48", "--output",
            scratch / name, *more)
    run(lockstep, "train", "--model", SAMPLE, "--size", "tiny", "--train", scratch / "train", "--validation",
        scratch / "dev", "--output", scratch / "run", "--batch-size", "16", "--max-steps", "4",
        "--evaluate-every", "2", "--metric", "loss")
    return (scratch / "run" / "best").resolve()


def metrics_of(checkpoint):
    step = int(checkpoint.name.split("-")[1])
    records = [json.loads(line) for line in open(checkpoint.parent / "metrics.jsonl", encoding="utf-8")]
    return next(each for each in records if each["event"] == "evaluation" and each["step"] == step)


def check_metadata(checkpoint, pipeline):
    card = huggingface_hub.ModelCard.load(checkpoint / "README.md")
    data = card.data
    assert data.library_name == "transformers" and data.pipeline_tag == pipeline, data
    assert "lockstep" in data.tags
    wanted = metrics_of(checkpoint)
    assert data.eval_results, "no results"
    for result in data.eval_results:
        assert result.task_type == pipeline
        assert abs(float(result.metric_value) - wanted[result.metric_name]) < 1e-6, result
    named = {result.metric_name for result in data.eval_results}
    scores = {key for key, value in wanted.items() if isinstance(value, (int, float))} - {
        "step", "epoch", "train_loss", "seconds", "tokens_per_second", "peak_rss_mb"}
    assert named == scores, (named, scores)
    # What the library writes of it, it reads back the same.
    again = huggingface_hub.ModelCard(str(card))
    assert again.data.to_dict() == data.to_dict()
    return card


def check_code(card, checkpoint):
    blocks = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    assert len(blocks) == 1, blocks
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks[0].replace("FOLDER", str(checkpoint)), "README.md", "exec"), {})
    assert "score" in printed.getvalue() or "Auto" in blocks[0] or "tag(" in blocks[0], printed.getvalue()


def tables(card):
    """Rows of cells as a reader sees them: text and code, without marks."""
    rows = []
    for token in MarkdownIt("commonmark").enable("table").parse(card.text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1].append("".join(
                child.content for child in token.children if child.type in ("text", "code_inline", "text_special")))
            assert all(child.type in ("text", "code_inline", "text_special") for child in token.children), token
    return rows


def check_strange_names(lockstep, scratch):
    for name, texts in (("train", 16), ("dev", 8)):
        with open(scratch / f"{name}.tsv", "w", encoding="utf-8") as file:
            print("text", *STRANGE, sep="\t", file=file)
            for row in range(texts):
                print("a text", *((row + column) % 2 for column in range(len(STRANGE))), sep="\t", file=file)
    checkpoint = train(lockstep, scratch, (scratch / "train.tsv", scratch / "dev.tsv"), "multi-label")
    card = check_metadata(checkpoint, "text-classification")
    check_code(card, checkpoint)
    rows = tables(card)
    labels = [row[1] for row in rows if len(row) == 2 and row[0].isdigit()]
    shown = [name.replace("\u200b", "\\u{200b}") for name in STRANGE]
    assert labels == shown, labels
    scored = [row[0] for row in rows if len(row) == 5 and row[0] != "label"]
    assert scored == shown, scored


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    for number, (task, files, pipeline, more) in enumerate(TASKS):
        with tempfile.TemporaryDirectory() as folder:
            paths = [SAMPLE / files.format(split) for split in ("train", "dev")]
            checkpoint = train(arguments.lockstep, pathlib.Path(folder), paths, task, *more)
            card = check_metadata(checkpoint, pipeline)
            check_code(card, checkpoint)
            assert tables(card)
            print(f"{task}: {files.format('train')}: card of {checkpoint.name} is valid, its code runs")
    with tempfile.TemporaryDirectory() as folder:
        check_strange_names(arguments.lockstep, pathlib.Path(folder))
        print(f"{len(STRANGE)} strange names come out as they went in")


if __name__ == "__main__":
    main()
