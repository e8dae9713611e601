"""Alternating runs, their medians, and ratios between programs that ran beside each other.

Machines are shared and drift: an absolute time says little, a ratio of two runs a few seconds apart
much. So every program runs once a round, every other round in reverse, and a ratio is the median over
the rounds of the ratios within a round.
"""

import json
import os
import platform
import statistics
import sys


# What is shown of a run while the others follow.
SHOWN = ("ms_per_step", "tokens_per_second", "seconds", "peak_rss_mb", "mb_sent_per_step")


def say(text):
    print(text, file=sys.stderr, flush=True)


def alternate(programs, count):
    """Runs every program once a round: {name: [result of each round]}.

    `programs`: {name: callable without arguments, which gives a dictionary of numbers}.
    """
    results = {name: [] for name in programs}
    for number in range(count):
        order = list(programs)
        for name in order if number % 2 == 0 else reversed(order):
            result = programs[name]()
            shown = ", ".join(
                f"{key} {result[key]:.4g}" for key in SHOWN if result.get(key) is not None)
            say(f"round {number + 1}/{count}  {name}: {shown}")
            results[name].append(result)
    return results


def median(results, key):
    """Over the rounds; None where no round has it."""
    values = [result[key] for result in results if result.get(key) is not None]
    return statistics.median(values) if values else None


def paired(over, under, key):
    """The ratio over / under within each round, as {median, lowest, highest}."""
    ratios = [a[key] / b[key] for a, b in zip(over, under)]
    return {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}


def table(header, body):
    """Markdown; numbers go to the right."""
    lines = [header, ["---" if not column else "---:" for column in range(len(header))], *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shown(value, digits=1):
    return "" if value is None else f"{value:.{digits}f}"


def ratio_row(name, ratio, goal=""):
    spread = f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}"
    return [name, f"{ratio['median']:.2f}", spread, goal]


def machine():
    """What a reader has to know of the machine."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            name = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": name, "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE")}


def write(path, report):
    if path:
        path.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
        say(f"{path}: written")
