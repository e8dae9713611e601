"""Compares the question-answering shards of `lockstep shard` with Hugging Face's run_qa.

    python Tests/Interop/question_windows.py MODEL QUESTIONS.json SHARDS MAX_LENGTH STRIDE

Makes the windows as run_qa's prepare_train_features does, with the tokenizer of MODEL, and compares ids, types and
the place of every token. A label must be the tokens that have a character of the answer, where the window has all of
them. Prints the number of rows, and in how many of them run_qa has another label: where several tokens stand for one
character, and where an answer begins or ends with characters that no token stands for.
"""

import json
import pathlib
import sys

import h5py
import tokenizers


def bytes_of(context):
    """For each character of a text the bytes before it, and for its end."""
    starts = [0]
    for character in context:
        starts.append(starts[-1] + len(character.encode()))
    return starts


def load(model):
    tokenizer = tokenizers.Tokenizer.from_file(str(pathlib.Path(model) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def run_qa(model, questions, max_length, stride):
    untruncated, tokenizer = load(model), load(model)
    tokenizer.enable_truncation(max_length, stride=stride, strategy="only_second")
    for article in json.load(open(questions))["data"]:
        for paragraph in article["paragraphs"]:
            context, starts = paragraph["context"], bytes_of(paragraph["context"])
            for entry in paragraph["qas"]:
                pair = entry["question"].lstrip(), context
                whole = tokenizer.encode(*pair)
                wanted = len(tokens_of(answer(entry), untruncated.encode(*pair)))
                for window in [whole] + whole.overflowing:
                    yield {
                        "id": entry["id"],
                        "ids": window.ids,
                        "types": window.type_ids,
                        "places": [
                            [starts[begin], starts[end]] if sequence == 1 else [-1, -1]
                            for (begin, end), sequence in zip(window.offsets, window.sequence_ids)
                        ],
                        "run_qa_span": span(window, entry),
                        "span": whole_span(tokens_of(answer(entry), window), wanted),
                    }


def answer(entry):
    """First character of the first answer and the one after its last; None where there is no answer."""
    answers = [] if entry.get("is_impossible") else entry["answers"]
    if not answers:
        return None
    start = answers[0]["answer_start"]
    return start, start + len(answers[0]["text"])


def tokens_of(place, encoding):
    """The tokens that have a character of the answer."""
    if place is None:
        return []
    return [
        index
        for index, ((begin, end), sequence) in enumerate(zip(encoding.offsets, encoding.sequence_ids))
        if sequence == 1 and begin < end and end > place[0] and begin < place[1]
    ]


def whole_span(tokens, wanted):
    return [tokens[0], tokens[-1]] if tokens and len(tokens) == wanted else [0, 0]


def span(window, entry):
    if answer(entry) is None:
        return [0, 0]
    start, end = answer(entry)
    tokens = [index for index, sequence in enumerate(window.sequence_ids) if sequence == 1]
    first, last = tokens[0], tokens[-1]
    if not (window.offsets[first][0] <= start and window.offsets[last][1] >= end):
        return [0, 0]
    while first < len(window.offsets) and window.offsets[first][0] <= start:
        first += 1
    while window.offsets[last][1] >= end:
        last -= 1
    return [first - 1, last + 1]


def lockstep(shards):
    for path in sorted(pathlib.Path(shards).glob("*.h5")):
        with h5py.File(path) as file:
            offsets, id_offsets = file["offsets"][:], file["row_id_offsets"][:]
            ids, types, places = (file[n][:] for n in ("input_ids", "token_type_ids", "context_ranges"))
            row_ids, labels = bytes(file["row_ids"][:]), file["labels"][:]
            for row, label in enumerate(labels):
                tokens = slice(offsets[row], offsets[row + 1])
                yield {
                    "id": row_ids[id_offsets[row] : id_offsets[row + 1]].decode(),
                    "ids": ids[tokens].tolist(),
                    "types": types[tokens].tolist(),
                    "places": places[tokens].tolist(),
                    "span": label.tolist(),
                }


def main():
    model, questions, shards, max_length, stride = sys.argv[1:]
    ours = list(lockstep(shards))
    theirs = list(run_qa(model, questions, int(max_length), int(stride)))
    differing = 0
    if len(ours) != len(theirs):
        sys.exit(f"{len(ours)} rows, run_qa has {len(theirs)}")
    for row, (found, expected) in enumerate(zip(ours, theirs)):
        for key, value in found.items():
            if value != expected[key]:
                sys.exit(f"row {row}: {key} {value}, expected {expected[key]}")
        differing += found["span"] != expected["run_qa_span"]
    print(json.dumps({"rows": len(ours), "other_labels_in_run_qa": differing}))


main()
