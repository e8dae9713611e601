"""Compares the rows of `lockstep tokenize` with those of a Hugging Face tokenizer: ids, type ids, what each token stands for, words."""
import itertools, json, subprocess, sys


def lockstep(binary, folder, cases):
    run = subprocess.run([binary, "tokenize", "--model", folder, "--offsets"], input="".join(json.dumps(c) + "\n" for c in cases).encode(),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode:
        print(run.stderr.decode())
        sys.exit(f"lockstep tokenize ended with status {run.returncode}")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def byte_offsets(text):
    """By character, and one more for the end: where it begins in UTF-8."""
    return list(itertools.accumulate((len(c.encode()) for c in text), initial=0))


def limit(tokenizer, length):
    if length is None: tokenizer.no_truncation()
    else: tokenizer.enable_truncation(length)


def expected_row(tokenizer, case):
    limit(tokenizer, case["max_length"])
    encoding = tokenizer.encode(case["text"], case["pair"])
    starts = [byte_offsets(text or "") for text in (case["text"], case["pair"])]
    offsets = [None if i is None else [starts[i][begin], starts[i][end]] for i, (begin, end) in zip(encoding.sequence_ids, encoding.offsets)]
    return dict(ids=encoding.ids, type_ids=encoding.type_ids, offsets=offsets, texts=encoding.sequence_ids), encoding.tokens


def expected_words(tokenizer, case):
    limit(tokenizer, case["max_length"])
    encoding = tokenizer.encode(case["words"], is_pretokenized=True)
    return dict(ids=encoding.ids, type_ids=encoding.type_ids, words=encoding.word_ids), encoding.tokens


def compare(binary, name, folder, tokenizer, cases, keys=None):
    """The number of rows that differ, in any field or in those named; the first ones are printed."""
    special = [tokenizer.num_special_tokens_to_add(pair) for pair in (False, True)]
    cases = [c for c in cases if c["max_length"] is None or c["max_length"] > special[c.get("pair") is not None]]
    differing = 0
    for case, answer in zip(cases, lockstep(binary, folder, cases)):
        expected, tokens = (expected_words if "words" in case else expected_row)(tokenizer, case)
        wrong = [key for key in keys or expected if answer[key] != expected[key]]
        if not wrong: continue
        differing += 1
        if differing > 3: continue
        mine, theirs = answer[wrong[0]], expected[wrong[0]]
        at = next((i for i, (x, y) in enumerate(zip(mine, theirs)) if x != y), -1)
        print(f"  differs in {', '.join(wrong)}: {json.dumps(case)[:1500]}")
        print(f"  at {at}: lockstep {mine[at:at + 8]} of {len(mine)}, tokenizers {theirs[at:at + 8]} of {len(theirs)} {tokens[max(0, at - 2):at + 5]}")
    print(f"{name}: {len(cases)} rows, {differing} differ", flush=True)
    return differing
