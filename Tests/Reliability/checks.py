"""What the scripts of this folder share: arguments, a scratch folder that stays after a failure, and
a list of failures that decides the exit code."""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import jobs


def parser(description):
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--lockstep", required=True, type=pathlib.Path, help="the program to test")
    made.add_argument("--scratch", type=pathlib.Path, help="where folders go (default: $TMPDIR, else /tmp)")
    return made


def choose(parser, tests):
    """The arguments, with `only`: names out of `tests`, all of them by default."""
    parser.add_argument("--only", help=f"some of {', '.join(tests)}, with commas between")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(tests)
    if unknown := [name for name in options.only if name not in tests]:
        parser.error(f"--only: no test {', '.join(unknown)}; there are {', '.join(tests)}")
    return options


def run(checks, options, tests, subject):
    """Calls the tests that were chosen, and says how long each took."""
    for name in options.only:
        start = time.monotonic()
        tests[name](subject)
        checks.say(f"{name}: {time.monotonic() - start:.0f} s")


class Checks:
    """Use as a context; the folder is removed when all went well."""

    def __init__(self, name, options):
        self.name = name
        self.failures = []
        self.passed = 0
        self.lockstep = options.lockstep.resolve()
        if not self.lockstep.is_file():
            sys.exit(f"{name}: {options.lockstep} is not there")
        self.folder = pathlib.Path(
            tempfile.mkdtemp(prefix=f"lockstep-{name}-", dir=options.scratch)).resolve()
        self.start = time.monotonic()

    def __enter__(self):
        def stop(number, frame):
            raise SystemExit(128 + number)

        signal.signal(signal.SIGTERM, stop)
        return self

    def say(self, text):
        print(f"{self.name} {time.monotonic() - self.start:7.1f} s  {text}", flush=True)

    def expect(self, what, problems):
        """Notes a check by its list of problems, or by its truth."""
        if isinstance(problems, (bool, type(None))):
            problems = [] if problems else ["it is not so"]
        if problems:
            self.failures += [f"{what}: {problem}" for problem in problems]
            for problem in problems:
                self.say(f"FAILED: {what}: {problem}")
        else:
            self.passed += 1
        return not problems

    def __exit__(self, kind, error, trace):
        jobs.end_all()
        if error is not None:
            self.failures.append(f"{kind.__name__}: {error}")
        ok = not self.failures and self.passed > 0
        if ok:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.say(f"kept: {self.folder}")
        print(f"{self.name}: {self.passed} passed, {len(self.failures)} failed", flush=True)
        if error is None and not ok:
            sys.exit(1)
