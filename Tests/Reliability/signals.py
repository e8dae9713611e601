"""Signals in training, in an evaluation and in a save: the job saves and exits 75, and goes on.

    USR1 to mpirun, which forwards it; TERM to launch/local, which makes it USR1: exit code 75.
    TERM to mpirun, which kills its ranks: any exit code.
    USR1 to one rank other than rank 0: exit code 75.
    A second signal, later than a second after the first: the job ends at once.

Each interrupted run is resumed on another number of ranks and must end with the weights, the
optimizer and the records of a run that was left alone.
"""

import collections
import itertools
import random
import signal
import time

import checks
import jobs
import runs
import workload

EVALUATE_EVERY, SAVE_EVERY, STEPS = 8, 6, 16
PHASES = ("training", "evaluation", "save")
# What is signalled, with what, through which launcher, and the exit code that is promised.
KINDS = {
    "USR1 to mpirun": (signal.SIGUSR1, jobs.MPIRUN, 75),
    "TERM to launch/local": (signal.SIGTERM, jobs.LAUNCH_LOCAL, 75),
    "TERM to mpirun": (signal.SIGTERM, jobs.MPIRUN, None),
    "USR1 to one rank": (signal.SIGUSR1, jobs.MPIRUN, 75),
}
# Of a short test: the promises, and the moments in which they are hardest to keep.
SHORT = {"TERM to mpirun": ["save"], "USR1 to one rank": ["evaluation"]}
# An evaluation or a save that was under way is given up or finished well within this.
ANSWER_SECONDS = 10


class Signals:
    def __init__(self, tests, options):
        self.tests = tests
        self.random = random.Random(options.seed)
        self.numbers = itertools.count(1)
        self.good = collections.Counter()
        self.rounds = collections.Counter()
        # A save of 38 MB and an evaluation of a second or more, so that a signal lands inside.
        self.load = workload.Workload(
            tests.lockstep, tests.folder / "load", hidden=128, words=24_000, validation_copies=80,
            flags=[
                "--max-steps", STEPS, "--batch-size", 128, "--micro-batches", 4, "--learning-rate",
                1e-3, "--evaluate-every", EVALUATE_EVERY, "--save-every", SAVE_EVERY, "--keep", 1])

    def reference(self):
        run = runs.RunFolder(self.tests.folder / "undisturbed")
        code, output = self.load.finish(run.path, 2)
        self.tests.expect("the undisturbed run ends with 0", [] if code == 0 else [output])
        self.tests.expect("the undisturbed run", run.problems(STEPS, keep=1))
        self.digest = run.digest()
        seconds = [f"{record['seconds']:.2f}" for record in run.records("evaluation")]
        self.tests.say(f"undisturbed: evaluations of {', '.join(seconds)} s")
        self.tests.expect(
            "an evaluation is long enough to be interrupted",
            all(float(second) > 0.5 for second in seconds))

    def await_phase(self, job, run, phase):
        """Waits until the job is in the phase: its step; None when it ended before."""
        found = [None]

        def reached():
            if phase == "save":
                found[0] = run.saving()
            elif phase == "evaluation":
                found[0] = run.evaluating(EVALUATE_EVERY)
            else:
                step = run.last_step()
                due = step % EVALUATE_EVERY == 0 or step % SAVE_EVERY == 0
                found[0] = step if step and not due and not run.saving() else None
            return found[0]

        # Not always the first chance. A signal in the last save finds nothing left to do.
        earliest = self.random.choice([0, EVALUATE_EVERY if phase == "evaluation" else SAVE_EVERY])
        if not job.wait_until(lambda: run.last_step() >= earliest, 120):
            return None
        return found[0] if job.wait_until(reached, 120, pause=0.001) else None

    def round(self, kind, phase):
        number, launcher, expected = KINDS[kind]
        run = runs.RunFolder(self.tests.folder / f"run-{next(self.numbers)}")
        few, many = self.random.sample([1, 2, 4], 2) if "rank" not in kind else (4, 2)
        job = self.load.start(run.path, few, launcher=launcher)
        wrong = []
        step = self.await_phase(job, run, phase)
        victim = job.ranks().get(1) if kind == "USR1 to one rank" else job.session
        if step is None or not job.send(victim, number):
            wrong.append("the job ended before its signal")
        sent = time.monotonic()
        code = job.wait(60)
        seconds = time.monotonic() - sent
        output = job.excerpt()
        left = job.wait_for_silence(10)
        job.end()
        if expected is not None and code != expected:
            wrong.append(f"expected exit code {expected}, found {code}: {output}")
        if code is None or seconds > ANSWER_SECONDS:
            wrong.append(f"expected the end within {ANSWER_SECONDS} s, found {seconds:.1f} s")
        if left:
            wrong.append(f"ranks are left: {left}")
        abandoned = all(record["step"] != step for record in run.records("evaluation"))
        if phase == "evaluation" and expected is not None and not abandoned:
            wrong.append(f"the evaluation of step {step} was finished instead of given up")
        checkpoints = run.checkpoints()
        if expected is not None and max(checkpoints, default=0) < (step or 0):
            wrong.append(f"expected a checkpoint of step {step} or later, found {checkpoints}")
        wrong += self.resume(run, many)
        self.rounds[kind, phase] += 1
        self.good[kind, phase] += not wrong
        self.tests.expect(f"{kind} in {phase}", wrong)
        self.tests.say(
            f"{kind} of {few} ranks in {phase} of step {step}: exit code {code} after {seconds:.2f} s, "
            f"checkpoints {checkpoints}, resumed on {many}: {'WRONG' if wrong else 'equal'}")

    def resume(self, run, ranks):
        code, output = self.load.finish(run.path, ranks)
        wrong = [] if code == 0 else [f"exit code {code} after the resume: {output}"]
        wrong += run.problems(STEPS, self.digest, keep=1)
        if not self.load.verify(run.path):
            wrong.append("lockstep verify finds it damaged")
        if run.rejected():
            wrong.append(f"a signal damaged a committed checkpoint: {run.rejected()}")
        return wrong

    def second_signal(self):
        """A stopped rank keeps the others from agreeing on the first signal."""
        what = "a second signal ends the job at once"
        run = runs.RunFolder(self.tests.folder / f"run-{next(self.numbers)}")
        # A watchdog would end a job that has a stopped rank.
        job = self.load.start(run.path, 2, "--watchdog", 0)
        wrong = []
        self.await_phase(job, run, "training")
        if not job.send(job.ranks().get(1), signal.SIGSTOP):
            wrong.append(f"the job ended before one of its ranks could be stopped: {job.excerpt()}")
        job.send(job.session, signal.SIGUSR1)
        if job.wait(1.5) is not None:
            wrong.append("the job ended although one of its ranks was stopped")
        sent = time.monotonic()
        job.send(job.session, signal.SIGUSR1)
        code = job.wait(10)
        seconds = time.monotonic() - sent
        # mpirun gives a rank a second between TERM and KILL, and a stopped one needs the latter.
        if code is None or seconds > 4:
            wrong.append(
                f"expected the end within 4 s of the second signal, found {code} after {seconds:.1f} s")
        if code == 0:
            wrong.append("exit code: expected a failure, found 0")
        job.end()
        wrong += self.resume(run, 4)
        self.tests.expect(what, wrong)
        self.tests.say(f"{what}: exit code {code} after {seconds:.2f} s: {'WRONG' if wrong else 'equal'}")


def main():
    parser = checks.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of each signal in each phase (default: 10)")
    parser.add_argument("--short", action="store_true", help="only the cases that are hardest to keep")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and rank counts (default: 1)")
    options = parser.parse_args()
    with checks.Checks("signals", options) as tests:
        signals = Signals(tests, options)
        signals.reference()
        for _ in range(options.rounds):
            for kind, phase in itertools.product(KINDS, PHASES):
                if not options.short or phase in SHORT.get(kind, PHASES):
                    signals.round(kind, phase)
        signals.second_signal()
        print()
        print("exit code and digest right".ljust(28) + "".join(phase.rjust(14) for phase in PHASES))
        for kind in KINDS:
            cells = [f"{signals.good[kind, phase]} of {signals.rounds[kind, phase]}" for phase in PHASES]
            print(kind.ljust(28) + "".join(cell.rjust(14) for cell in cells))


if __name__ == "__main__":
    main()
