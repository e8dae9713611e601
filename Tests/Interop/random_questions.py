"""Writes questions in SQuAD's form about contexts of random words that are hard to tokenize.

    python Tests/Interop/random_questions.py SEED CONTEXTS OUTPUT.json

Four of five answers are whole words, the others any characters; a fifth of the questions has no answer.
"""

import json
import random
import sys

WORDS = (
    "the red lamp café naïve Zürich 東京 は 2019 3.5% don't İstanbul ﬁne e\u0301te 🙂 👩‍👩‍👧 state-of-the-art "
    "A.B. “quoted” (x) \u200bzero\u200b straße ŁÓDŹ 한국어 tokenization unbelievably extraordinary of and in New "
    "York [SEP] <s> \u00adsoft"
).split(" ")
GAPS = [" "] * 12 + ["  ", "\n", "\t", "\u00a0", ", ", ". "]


def answer(source, context):
    while True:
        start = source.randrange(len(context))
        end = min(len(context), start + source.randint(1, 30))
        if source.random() < 0.8:
            start = context.rfind(" ", 0, start) + 1
            end = context.find(" ", end) if " " in context[end:] else len(context)
        text = context[start:end]
        if text and text == text.strip():
            return {"text": text, "answer_start": start}


def main():
    source = random.Random(int(sys.argv[1]))
    articles, count = [], 0
    for _ in range(int(sys.argv[2])):
        words = source.randint(1, 220)
        context = "".join(source.choice(WORDS) + source.choice(GAPS) for _ in range(words))
        entries = []
        for _ in range(source.randint(1, 3)):
            impossible = source.random() < 0.2
            question = " ".join(source.choice(WORDS) for _ in range(source.randint(1, 9))) + "?"
            entries.append(
                {
                    "id": f"q{count}",
                    "question": source.choice(["", " "]) + question,
                    "answers": [] if impossible else [answer(source, context)],
                    "is_impossible": impossible,
                }
            )
            count += 1
        articles.append({"paragraphs": [{"context": context, "qas": entries}]})
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump({"version": "random", "data": articles}, file, ensure_ascii=False)


main()
