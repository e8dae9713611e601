#!/usr/bin/env python3
"""Opens pages of `lockstep report` in a headless Chromium without a network and checks what is seen."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from browser import Browser
from written_runs import HOSTILE, write_run

WIDTHS = (360, 768, 1440)

# Labels of one plot whose boxes meet.
OVERLAPS = """[...document.querySelectorAll('.canvas > svg')].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll('.axis text')].map((text) => text.getBoundingClientRect());
  return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => a.left < b.right && b.left < a.right
    && a.top + 2 < b.bottom && b.top + 2 < a.bottom).map((b) => svg.querySelector('title').textContent
    + ` at ${Math.round(a.left)},${Math.round(a.top)}`));
})"""

# Labels that stick out of their figure.
OUTSIDE = """[...document.querySelectorAll('figure')].flatMap((figure) => {
  const frame = figure.getBoundingClientRect();
  return [...figure.querySelectorAll('.axis text')].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom;
  }).map((text) => figure.id + ': ' + text.textContent);
})"""

# Coordinates of curves beyond their picture.
STRAYS = """[...document.querySelectorAll('.curves')].flatMap((svg) => {
  const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
  const paths = [...svg.querySelectorAll('path')];
  const bad = paths.filter((path) => {
    const numbers = path.getAttribute('d').match(/[-0-9.]+/g).map(Number);
    return /[^-MLZ0-9.,]/.test(path.getAttribute('d')) || numbers.some((n, i) => !(n >= 0 && n <= (i % 2 ? height : width)));
  });
  return paths.length === 0 ? ['a plot without a path'] : bad.map((path) => path.getAttribute('d'));
})"""

# Texts and curves with too little contrast to what is behind them (WCAG 2: 4.5 and 3).
PALE = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const bytes = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [r, g, b] = bytes(color).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (bytes(color)[3] === 255) return color;
    }
    return 'white';
  };
  const ratio = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const bad = [];
  const check = (element, color, least) => {
    const found = ratio(color, behind(element));
    if (found < least) bad.push(`${element.tagName} ${element.className.baseVal ?? element.className} `
      + `"${element.textContent.slice(0, 20)}": ${found.toFixed(2)}`);
  };
  for (const element of document.querySelectorAll('body *:not(script)')) {
    const style = getComputedStyle(element);
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (element.tagName === 'title' || element.closest('.hidden')) continue;
    check(element, element instanceof SVGElement ? style.fill : style.color, 4.5);
  }
  for (const curve of document.querySelectorAll('.curve:not(.faint), .ring')) {
    check(curve, getComputedStyle(curve).stroke, 3);
  }
  for (const bar of document.querySelectorAll('.fill, .part')) {
    check(bar, getComputedStyle(bar).fill, 3);
  }
  return [...new Set(bad)];
})()"""

BACKGROUND = "getComputedStyle(document.body).backgroundColor"


class Failures(list):
    def expect(self, holds, message):
        if not holds:
            self.append(message)
            print(f"FAILED: {message}", file=sys.stderr)


def check_layout(browser, page, failures):
    """At every width, light and dark: nothing is wider than the screen, meets, strays or is pale."""
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        for width in WIDTHS:
            place = f"{page.name}, {width} px, {scheme}"
            browser.resize(width)
            browser.open(page)
            failures.expect(not browser.complaints, f"{place}: console: {browser.complaints}")
            failures.expect(len(browser.requests) == 1, f"{place}: requests: {browser.requests}")
            wide = browser.evaluate("document.documentElement.scrollWidth")
            failures.expect(wide <= width, f"{place}: the page is {wide} px wide")
            for what, script in (("labels that overlap", OVERLAPS), ("labels outside", OUTSIDE),
                                 ("strays", STRAYS)):
                found = browser.evaluate(script)
                failures.expect(not found, f"{place}: {what}: {found[:5]}")
        found = browser.evaluate(PALE)
        failures.expect(not found, f"{page.name}, {scheme}: too little contrast: {found[:5]}")


def check_checks(browser, page, failures):
    """What the other checks look for is seen when it is there."""
    labels = "document.querySelectorAll('.axis .x').forEach((e) => e.setAttribute('x', '%s'))"
    browser.prefer("light")
    for fault, script in (
            (labels % "50%", OVERLAPS), (labels % "200%", OUTSIDE),
            ("document.querySelector('path.curve').setAttribute('d', 'M0,0L1000,999')", STRAYS),
            ("document.querySelector('path.curve').setAttribute('d', 'M0,nanL1000,9')", STRAYS),
            ("document.documentElement.style.setProperty('--muted', '#999')", PALE),
            ("document.documentElement.style.setProperty('--color-0', '#9cf')", PALE),
            ("document.querySelector('main').style.minWidth = '3000px'",
             "document.documentElement.scrollWidth > innerWidth")):
        browser.open(page)
        browser.evaluate(fault)
        failures.expect(browser.evaluate(script), f"{page.name}: not seen: {fault}")


def check_theme(browser, page, failures):
    """The switch turns either preference around, and back."""
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.open(page)
        colors = [browser.evaluate(BACKGROUND)]
        for _ in range(2):
            browser.evaluate("document.getElementById('theme').click()")
            colors.append(browser.evaluate(BACKGROUND))
        failures.expect(colors[0] == colors[2] != colors[1],
                        f"{page.name}: the switch gives {colors} where {scheme} is preferred")


def shown_at(browser, plot, step):
    """What the readout says with the pointer at a step."""
    x, y = browser.evaluate(f"""(() => {{
      const curves = document.querySelector('#plot-{plot} .curves');
      curves.scrollIntoView({{block: 'center'}});
      const box = curves.getBoundingClientRect();
      const [x0, x1] = [curves.dataset.x0, curves.dataset.x1].map(Number);
      return [box.left + box.width * ({step} - x0) / (x1 - x0), box.top + box.height / 2];
    }})()""")
    browser.move(x, y)
    return browser.evaluate(
        f"[...document.querySelectorAll('#plot-{plot} .tip div')].map((row) => row.innerText)")


def check_readout(browser, page, records, failures):
    """The pointer shows what metrics.jsonl has; so do the arrow keys, for the ear too."""
    browser.resize(1440)
    browser.open(page)
    evaluations = [record for record in records if record["event"] == "evaluation"]
    steps = {record["step"]: record for record in records if record["event"] == "step"}
    for evaluation in evaluations[:2] + evaluations[-1:]:
        step = evaluation["step"]
        for plot, name, expected in (
                ("loss", "validation", evaluation["loss"]),
                ("learning-rate", "learning rate", steps[step]["learning_rate"])):
            rows = shown_at(browser, plot, step)
            values = [float(row.split()[-1]) for row in rows if name in row]
            failures.expect(
                rows and rows[0].replace(",", "") == f"step {step}" and values
                and abs(values[0] - expected) <= 1e-4 * abs(expected) + 1e-12,
                f"{page.name}: {plot} at step {step} shows {rows}, expected {name} {expected}")
    browser.evaluate("document.querySelector('#plot-learning-rate .canvas').focus()")
    browser.press("End")
    spoken = browser.evaluate("document.getElementById('spoken').textContent").replace(",", "")
    failures.expect(f"step {max(steps)}" in spoken, f"{page.name}: End says {spoken!r}")
    browser.press("Escape")
    shown = browser.evaluate("[...document.querySelectorAll('.tip')].filter((t) => !t.hidden).length")
    failures.expect(shown == 0, f"{page.name}: {shown} readouts are left after Escape")


def check_runs(browser, page, names, failures):
    """Every run has its button, which takes its curves away and brings them back."""
    browser.open(page)
    buttons = browser.evaluate("[...document.querySelectorAll('[data-run]')].map((b) => b.innerText)")
    failures.expect(buttons == names, f"{page.name}: runs {buttons}, expected {names}")
    visible = "[...document.querySelectorAll('#plot-loss .run-1')].filter((e) => e.checkVisibility()).length"
    counts = [browser.evaluate(visible)]
    for _ in range(2):
        browser.evaluate("document.querySelector('[data-run=\"1\"]').click()")
        counts.append(browser.evaluate(visible))
    failures.expect(counts[0] == counts[2] > counts[1] == 0, f"{page.name}: curves shown: {counts}")
    differing = browser.evaluate(
        "[...document.querySelectorAll('#configuration .different th')].map((e) => e.innerText)")
    failures.expect({"≠ seed", "≠ learning_rate"} <= set(differing),
                    f"{page.name}: marked as different: {differing}")


def check_hostile(browser, page, failures):
    """Names stay text."""
    browser.open(page)
    failures.expect(not browser.complaints, f"{page.name}: {browser.complaints}")
    shown = browser.evaluate("[...document.querySelectorAll('#labels tbody th')].map((e) => e.textContent)")
    failures.expect(shown == HOSTILE, f"{page.name}: labels {shown}")
    added = browser.evaluate("document.querySelectorAll('img, script:not([type]) ~ script, b').length")
    failures.expect(added == 0, f"{page.name}: {added} elements out of names")


def check_roles(browser, page, failures):
    """Pictures have titles, tables captions, the page one heading of the first rank."""
    browser.open(page)
    for what, script in (
            ("pictures without a name",
             "[...document.querySelectorAll('svg[role=img]')].filter((e) => !(e.ariaLabel"
             " || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent)).length"),
            ("tables without a caption",
             "[...document.querySelectorAll('table')].filter((e) => !e.caption?.textContent).length"),
            ("headings too many", "document.querySelectorAll('h1').length - 1"),
            ("names that stand twice",
             "(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
             " return ids.length - new Set(ids).size; })()")):
        found = browser.evaluate(script)
        failures.expect(found == 0, f"{page.name}: {found} {what}")


def written_pages(folder, report):
    """Pages of runs in all states and of all tasks; gives those with what is checked of them."""
    three = [write_run(folder / name, seed=seed, learning_rate=rate, steps=steps, total_steps=104)
             for name, seed, rate, steps in (("baseline", 42, 1e-4, 104), ("seed-7", 7, 5e-5, 104),
                                             ("stopped", 3, 2e-5, 70))]
    write_run(folder / "hostile <b>&", labels=HOSTILE)
    write_run(folder / "no-timing", has_timing=False, cut=40)
    write_run(folder / "one-step", steps=1)
    write_run(folder / "ranks", ranks=64, steps=40)
    for task in ("multi-class", "regression", "token-classification", "pretraining"):
        write_run(folder / task, task=task)
    pages = {name: report([folder / name], name) for name in (
        "baseline", "hostile <b>&", "no-timing", "one-step", "ranks", "multi-class", "regression",
        "token-classification", "pretraining")}
    names = ["baseline", "seed-7", "stopped"]
    pages["three"] = report([folder / name for name in names], "three")
    return pages, names, three[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lockstep", required=True, help="the program")
    parser.add_argument("--run", action="append", default=[], help="a real run; several may be given")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for pictures of the pages")
    options = parser.parse_args()
    failures = Failures()
    with tempfile.TemporaryDirectory(prefix="lockstep-report-") as scratch, \
            Browser(options.browser) as browser:
        folder = pathlib.Path(scratch)

        def report(runs, name):
            page = folder / (re.sub(r"\W+", "-", name) + ".html")
            subprocess.run([options.lockstep, "report", *map(str, runs), "--output", page], check=True,
                           stdout=subprocess.DEVNULL)
            return page

        pages, names, records = written_pages(folder, report)
        check_readout(browser, pages["baseline"], records, failures)
        check_runs(browser, pages["three"], names, failures)
        check_hostile(browser, pages["hostile <b>&"], failures)
        if options.run:
            pages["real"] = report(options.run, "real")
            lines = (pathlib.Path(options.run[0]) / "metrics.jsonl").read_text().splitlines()
            if len(options.run) == 1:
                check_readout(browser, pages["real"], [json.loads(line) for line in lines], failures)
        for page in pages.values():
            check_layout(browser, page, failures)
            check_roles(browser, page, failures)
        check_theme(browser, pages["three"], failures)
        check_checks(browser, pages["three"], failures)
        if options.screenshots:
            take_screenshots(browser, options.screenshots,
                             pages["real"] if options.run else pages["three"])
    print(f"{len(pages)} pages at {len(WIDTHS)} widths, light and dark: {len(failures)} failures")
    sys.exit(1 if failures else 0)


def take_screenshots(browser, folder, page):
    folder.mkdir(parents=True, exist_ok=True)
    for name, width, scheme in (("wide", 1440, "light"), ("dark", 1440, "dark"),
                                ("narrow", 360, "light"), ("narrow-dark", 360, "dark")):
        browser.prefer(scheme)
        browser.resize(width)
        browser.open(page)
        browser.screenshot(folder / f"{name}.png")


if __name__ == "__main__":
    main()
