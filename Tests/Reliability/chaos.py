"""Kills a training job again and again, and compares what it ends with.

A run is killed with SIGKILL at random moments (a rank, mpirun, or all at once; while it starts,
resumes, steps, evaluates, saves or ends), restarted on another number of ranks, and so on to its end.
Its last checkpoint and its records must then be those of a run that was left alone. Whole runs are
repeated until the kills have all been delivered; one that came too late to hit anything counts for
nothing.
"""

import collections
import random
import signal
import sys
import time

import checks
import runs
import workload

EVALUATE_EVERY, SAVE_EVERY, STEPS = 12, 5, 180
PHASES = ("start-up", "resume", "step", "evaluation", "save", "end")
VICTIMS = ("a rank", "mpirun", "all")


class Chaos:
    def __init__(self, tests, options):
        self.tests = tests
        self.random = random.Random(options.seed)
        self.kills = options.kills
        self.delivered = collections.Counter()  # (phase, victim): kills
        self.totals = collections.Counter()
        self.load = workload.Workload(
            tests.lockstep, tests.folder / "load", hidden=96, words=24_000, validation_copies=3,
            flags=[
                "--max-steps", STEPS, "--batch-size", 16, "--micro-batches",
                self.random.choice([4, 8]), "--learning-rate", 1e-3, "--evaluate-every",
                EVALUATE_EVERY, "--save-every", SAVE_EVERY])

    @property
    def count(self):
        return sum(self.delivered.values())

    def reference(self):
        """The run that nobody disturbs."""
        run = runs.RunFolder(self.tests.folder / "undisturbed")
        job = self.load.start(run.path, 2)
        job.wait_until(lambda: run.last_step() > 0, 60)
        self.startup = job_age(job)
        code = job.wait(300)
        self.seconds = job_age(job) - self.startup
        job.end()
        self.tests.expect("the undisturbed run ends with 0", [] if code == 0 else [job.excerpt()])
        self.tests.expect("the undisturbed run", run.problems(STEPS))
        self.digest = run.digest()
        self.tests.say(f"undisturbed: {self.startup:.1f} s to the first step, then {self.seconds:.1f} s")
        for name, value in zip(runs.Digest._fields, self.digest):
            self.tests.say(f"  {name} {value}")

    def run_to_the_end(self, number):
        """One run, killed for as long as there are kills to deliver."""
        run = runs.RunFolder(self.tests.folder / f"run-{number}")
        orphans = []
        while True:
            ranks = self.random.choice([1, 2, 4])
            job = self.load.start(run.path, ranks)
            self.totals["jobs"] += 1
            landed = self.count < self.kills and self.disturb(job, run)
            code = job.wait(180)
            if landed and code != 0:
                orphans.append(job)
                continue
            break
        left = [pid for job in orphans for pid in job.wait_for_silence(40)]
        for orphan in orphans:
            orphan.end()
        wrong = [] if code == 0 else [f"exit code {code}: {job.excerpt()}"]
        job.end()
        wrong += run.problems(STEPS, self.digest)
        if left:
            wrong.append(f"ranks outlived a killed mpirun by 40 s: {left}")
        if run.rejected():
            wrong.append(f"a kill damaged a committed checkpoint: {run.rejected()}")
        if not self.load.verify(run.path):
            wrong.append("lockstep verify finds it damaged")
        self.totals["runs"] += 1
        self.totals["rejected"] += len(run.rejected())
        self.tests.expect(f"run {number}, killed {len(orphans)} times", wrong)
        self.tests.say(f"run {number}: killed {len(orphans)} times, {'WRONG' if wrong else 'equal'}")
        return not wrong

    def disturb(self, job, run):
        """Waits for a moment and kills; whether that hit a job that was still at work."""
        before = run.size()
        self.ranks = {}
        has_checkpoint = bool(run.checkpoints())
        leftovers = run.hidden()
        if not self.await_moment(job, run, before):
            return False
        phase = self.phase(run, before, has_checkpoint, leftovers)
        step = run.last_step()
        # Known since the first record: looking for them takes longer than a save.
        ranks = self.ranks or job.ranks()
        if not ranks and (run.size() != before or STEPS in run.checkpoints()):
            return False  # the ranks are done, only mpirun is still there
        victim = self.random.choice(VICTIMS) if ranks else "mpirun"
        if not self.kill(job, victim, ranks):
            return False
        ended = job.wait(60)
        if ended is None:
            self.tests.expect("a job with a killed process ends within 60 s", [job.excerpt()])
            job.end()
        if ended == 0:
            return False
        self.delivered[phase, victim] += 1
        cleaned = len(run.hidden())
        self.totals["leftovers"] += cleaned
        orphans = job.processes()
        fate = ""
        if orphans and victim == "mpirun":
            # In turns, so that a short test has both.
            if self.totals["orphaned jobs left alive"] <= self.totals["orphaned jobs killed"]:
                self.totals["orphaned jobs left alive"] += 1
                fate = f", {len(orphans)} orphans left alive"
            else:
                job.send_all(signal.SIGKILL, orphans)
                self.totals["orphaned jobs killed"] += 1
                fate = f", {len(orphans)} orphans killed"
        self.tests.say(
            f"kill {self.count}: {victim} of {job.ranks_wanted} ranks, {phase} after step {step}, "
            f"{cleaned} hidden{fate}")
        return True

    def await_moment(self, job, run, before):
        """False when the job ends before the moment that was drawn."""
        kinds = {"start": 4 if run.checkpoints() else 16, "any": 6, "evaluation": 4, "save": 7, "end": 1}
        kind = self.random.choices(list(kinds), list(kinds.values()))[0]
        if kind == "start":
            return not self.lasts(job, self.random.uniform(0, 1.2 * self.startup))
        # A resume cuts metrics.jsonl, then training adds to it.
        if not job.wait_until(lambda: run.size() != before, 120):
            return False
        self.ranks = job.ranks()
        if kind == "any":
            return not self.lasts(job, self.random.uniform(0, self.seconds))
        if kind == "end":
            return job.wait_until(lambda: run.last_step() == STEPS, 120)
        # Not always the first one.
        self.lasts(job, self.random.uniform(0, self.seconds / 4))
        if kind == "evaluation":
            size, evaluating = [0], [None]

            def in_evaluation():
                if run.size() != size[0]:
                    size[0] = run.size()
                    evaluating[0] = run.evaluating(EVALUATE_EVERY)
                return evaluating[0]

            return job.wait_until(in_evaluation, 120) and not self.lasts(
                job, self.random.uniform(0, 0.05))
        delay = self.random.uniform(-0.02, 0.04)
        return job.wait_until(run.saving, 120, pause=0.0005) and (
            delay <= 0 or not self.lasts(job, delay))

    @staticmethod
    def lasts(job, seconds):
        """Whether the job ends within these seconds."""
        return job.wait(seconds) is not None

    def phase(self, run, before, has_checkpoint, leftovers):
        """What the job is doing, as its files say."""
        if run.saving(leftovers) is not None:
            return "save"
        if run.size() == before:
            return "resume" if has_checkpoint else "start-up"
        if run.evaluating(EVALUATE_EVERY):
            return "evaluation"
        if run.last_step() == STEPS:
            return "end"
        return "step" if run.records("step") else "start-up"

    def kill(self, job, victim, ranks):
        """Whether something was hit."""
        if victim == "a rank":
            return job.send(self.random.choice(list(ranks.values())), signal.SIGKILL)
        if victim == "mpirun":
            return job.send(job.session, signal.SIGKILL)
        return job.send_all(signal.SIGKILL) > 0

    def print_summary(self):
        width = 12
        print()
        print("kills".ljust(width) + "".join(name.rjust(width) for name in (*VICTIMS, "together")))
        for phase in PHASES:
            row = [self.delivered[phase, victim] for victim in VICTIMS]
            print(phase.ljust(width) + "".join(f"{n}".rjust(width) for n in (*row, sum(row))))
        row = [sum(self.delivered[phase, victim] for phase in PHASES) for victim in VICTIMS]
        print("together".ljust(width) + "".join(f"{n}".rjust(width) for n in (*row, sum(row))))
        print(
            f"{self.totals['runs']} runs completed, {self.totals['jobs']} jobs started, "
            f"{self.totals['leftovers']} hidden entries left by kills and cleaned, "
            f"{self.totals['rejected']} checkpoints rejected, "
            f"{self.totals['orphaned jobs left alive']} orphaned jobs left alive, "
            f"{self.totals['orphaned jobs killed']} killed")


def job_age(job):
    return time.monotonic() - job.started


def main():
    parser = checks.parser(__doc__)
    parser.add_argument("--kills", type=int, default=100, help="kills to deliver (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    options = parser.parse_args()
    with checks.Checks("chaos", options) as tests:
        chaos = Chaos(tests, options)
        chaos.reference()
        number = 0
        while len(tests.failures) < 10 and (number == 0 or chaos.count < chaos.kills):
            number += 1
            if number > 3 * options.kills + 10:
                sys.exit("chaos: too many runs end before a kill reaches them")
            chaos.run_to_the_end(number)
        tests.expect(f"{options.kills} kills delivered", chaos.count >= options.kills)
        chaos.print_summary()


if __name__ == "__main__":
    main()
