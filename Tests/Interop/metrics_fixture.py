"""Writes Tests/Fixtures/metrics.json: random and odd cases, and what Python's libraries make of them.

    python Tests/Interop/metrics_fixture.py UTILS_QA Tests/Fixtures/metrics.json

Needs seqeval, scikit-learn, scipy, and transformers 4, whose squad_metrics are a port of SQuAD's evaluate-v2.0.py; where version 1.1 differs is
written out below, that script itself does not run here. UTILS_QA is utils_qa.py of
transformers' examples/pytorch/question-answering. Offsets of answers are in UTF-8.
"""
import collections, importlib.util, json, sys, tempfile, warnings
import numpy as np
from sklearn.metrics import f1_score, matthews_corrcoef, precision_recall_fscore_support, r2_score
from seqeval.metrics import classification_report
from seqeval.metrics.sequence_labeling import get_entities
import transformers.data.metrics.squad_metrics as squad

warnings.simplefilter("ignore")
spec = importlib.util.spec_from_file_location("utils_qa", sys.argv[1]); utils_qa = importlib.util.module_from_spec(spec); spec.loader.exec_module(utils_qa)
r = np.random.default_rng(11); out = {}

def entities():
    cases = []
    kinds = [["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["O", "I-PER", "I-LOC", "B-LOC"], ["O", "B", "I"], ["B", "I"],
        ["O", "S-PER", "B-PER", "I-PER", "E-PER", "E-LOC", "S-LOC", "I-LOC"], ["O", "B-a-b", "I-a-b", "B-a", "I-a"], ["O", "I-X"]]
    for i in range(70):
        tags = kinds[i % len(kinds)]
        t = [[tags[k] for k in r.integers(0, len(tags), r.integers(0 if i % 5 else 1, 12))] for _ in range(r.integers(1, 6))]
        p = [[tags[r.integers(0, len(tags))] if r.random() < .4 else x for x in s] for s in t]
        case = dict(labels=t, predictions=p, spans=[[[k, a, b + 1] for k, a, b in get_entities(s)] for s in p])
        if any(get_entities(s) for s in t + p):
            report = classification_report(t, p, output_dict=True, zero_division=0); case["micro"] = {k: round(float(v), 12) for k, v in report["micro avg"].items()}
            case["types"] = {k: {n: round(float(x), 12) for n, x in v.items()} for k, v in report.items() if not k.endswith(" avg")}
        cases.append(case)
    return cases

def classes():
    cases = []
    for k, n in [(2, 1), (2, 17), (3, 40), (5, 8), (9, 200), (4, 30)]:
        t = r.integers(0, max(1, k - 1) if n == 30 else k, n); z = r.normal(0, 1, (n, k)).round(3); z[np.arange(n), t] += 1; p = z.argmax(1)
        P, R, F, N = precision_recall_fscore_support(t, p, labels=list(range(k)), average=None, zero_division=0)
        cases.append(dict(labels=t.tolist(), logits=z.tolist(), f1_weighted=float(f1_score(t, p, average="weighted", zero_division=0)), matthews=float(matthews_corrcoef(t, p)),
            precision=P.tolist(), recall=R.tolist(), f1=F.tolist(), support=N.tolist()))
    return cases

def regressions():
    return [dict(labels=a.tolist(), predictions=b.tolist(), rmse=float(np.sqrt(np.mean((a - b) ** 2))), r2=float(r2_score(a, b)))
        for n in (2, 3, 50) for a in [r.normal(0, 1, n).round(4)] for b in [(a * .5 + r.normal(0, 1, n)).round(4)]]

PIECES = ["the", "The", "a", "an", "An", "AN", "cat", "Cats", "of", "New York", "1,000", "$5.00", "3½", "U.S.", "theory", "a-n", "a_n", "the-end", "–the–", "‘a’", "café", "cafe\u0301",
    "a\u0301", "the\u0301", "\u0301an", "É", "İstanbul", "ΟΔΟΣ", "ΟΔΟΣ.", "Σ", "ΣΑ", "ᾳΣ\u0301", "ß", "ẞ", "Ǆ", "中文", "一a", "a一", "²a", "a²", "⑤ the", "Ⅷ", "\u00a0", "\u3000", "\u200b", "\u001c",
    "\u0085", "\t", "\n", "", "!", "?!", "…", "“quoted”", "`x`", "{a}", "|the|", "😀", "the😀", "\u00ada", "٣", "١٢", "a٣", "𝔞", "𝟙a", "ﬁ", "\u2028", "x\u2028the"]
def text(n=5): return "".join(PIECES[r.integers(0, len(PIECES))] + ["", " ", " ", " ", "  "][r.integers(0, 5)] for _ in range(r.integers(0, n)))

def f1_of_v1(prediction, gold):
    """evaluate-v1.1.py differs from 2.0 where there is nothing in common."""
    a, b = squad.normalize_answer(prediction).split(), squad.normalize_answer(gold).split()
    return squad.compute_f1(gold, prediction) if sum((collections.Counter(a) & collections.Counter(b)).values()) else 0

def texts():
    cases = [dict(text=t, normalized=squad.normalize_answer(t)) for t in PIECES + [text(8) for _ in range(250)]]
    return cases

def questions():
    cases = []
    for i in range(60):
        gold, best, difference = [], [], []
        for _ in range(r.integers(1, 12)):
            answers = [text() for _ in range(0 if r.random() < (.4 if i % 4 else 0) else r.integers(1, 4))]
            answer = text() if not answers or r.random() < .5 else answers[r.integers(0, len(answers))] + ["", " the", "x"][r.integers(0, 3)]
            gold.append(answers); best.append(answer); difference.append(round(float(r.normal(0, 3)), 2) if i % 3 else float(r.integers(-2, 3)))
        examples = [type("Example", (), dict(qas_id=str(k), answers=[dict(text=t) for t in g])) for k, g in enumerate(gold)]
        given = {str(k): "" if difference[k] > 0 else t for k, t in enumerate(best)}
        two = squad.squad_evaluate(examples, given, None); raw = squad.get_raw_scores(examples, dict(enumerate_text(best)))
        odds = {str(k): d for k, d in enumerate(difference)}; has = {str(k): bool(g) for k, g in enumerate(gold)}
        best_scores = {}; squad.find_all_best_thresh(best_scores, dict(enumerate_text(best)), *raw, odds, has)
        names = dict(exact="exact_match", f1="f1", HasAns_exact="has_ans_exact", HasAns_f1="has_ans_f1", NoAns_exact="no_ans_exact", NoAns_f1="no_ans_f1")
        scores = {names[k]: v / 100 for k, v in two.items() if k in names}
        scores |= {k: v if k.endswith("thresh") else v / 100 for k, v in best_scores.items()}
        one = None
        if all(gold):
            one = dict(exact_match=float(np.mean([max(squad.compute_exact(g, p) for g in gs) for gs, p in zip(gold, best)])),
                f1=float(np.mean([max(f1_of_v1(p, g) for g in gs) for gs, p in zip(gold, best)])))
        cases.append(dict(gold=gold, best=best, difference=difference, squad2=scores, squad1=one))
    return cases

def enumerate_text(best): return ((str(k), t) for k, t in enumerate(best))

def short(z): return [round(float(x), 3) for x in z]

class Examples(list):
    def __getitem__(self, key): return [e[key] for e in self] if isinstance(key, str) else super().__getitem__(key)

def answers():
    """Windows of contexts with logits that have no ties."""
    cases = []
    for i in range(36):
        words = [w for w in (PIECES[r.integers(0, len(PIECES))] for _ in range(r.integers(1, 90))) if w.strip()] or ["x"]
        context, places = "", []
        for w in words:
            places.append((len(context), len(context) + len(w))); context += w + " "
        size, stride, question = int(r.integers(1, 40)), int(r.integers(1, 20)), int(r.integers(0, 5)); starts, features, logits = [], [], ([], [])
        for start in range(0, len(words), stride):
            own = places[start:start + size]; offsets = [None] * (question + 2) + own + [None]
            features.append(dict(example_id="q", offset_mapping=offsets))
            for side in logits:
                z = r.normal(0, 2, len(offsets)); z[0] += [0, 9, -3][i % 3]; side.append(z.round(3).astype(np.float32))
            if start + size >= len(words): break
        utf8 = lambda k: len(context[:k].encode())
        case = dict(context=context, windows=[dict(start=short(s), end=short(e), offsets=[o and [utf8(o[0]), utf8(o[1])] for o in f["offset_mapping"]]) for f, s, e in zip(features, *logits)])
        for name, negative in (("squad1", False), ("squad2", True)):
            with tempfile.TemporaryDirectory() as folder:
                text = utils_qa.postprocess_qa_predictions(Examples([dict(id="q", context=context)]), features, logits, negative, output_dir=folder)
                nbest = json.load(open(folder + "/nbest_predictions.json")); odds = json.load(open(folder + "/null_odds.json")) if negative else {}
            case[name] = dict(text=text["q"], candidates=[dict(text=p["text"], probability=round(p["probability"], 7)) for p in nbest["q"][:4]], count=len(nbest["q"]), difference=odds.get("q"))
        cases.append(case)
    return cases

for part in (entities, classes, regressions, texts, questions, answers): out[part.__name__] = part()
with open(sys.argv[2], "w") as f: json.dump(out, f, ensure_ascii=True, separators=(",", ":")); f.write("\n")
print({k: len(v) for k, v in out.items()})
