"""Ranks that stop or die end the job in time; what is only slow does not.

    a rank stopped (rank 0, rank 1)   the job ends within --watchdog seconds and 2, with a message that
                                      names the rank, its host, what it was doing, and the step
    a rank killed                     likewise, by mpirun's message or ours
    the whole job stopped for longer  goes on when it is continued, and ends right
    a long evaluation, a slow save    last longer than the watchdog, and are left alone
"""

import re
import signal
import socket
import subprocess
import time

import checks
import runs
import workload

STEPS = 80
# Late enough that every rank has told the others that it trains: they do so now and then only.
STOP_AFTER = 24


class Watchdog:
    def __init__(self, tests):
        self.tests = tests
        # Steps long enough that some are left when the signal comes.
        self.load = self.make("load", copies=1, validation_copies=1)

    def make(self, name, **sizes):
        return workload.Workload(
            self.tests.lockstep, self.tests.folder / name, hidden=128, words=12_000, **sizes,
            flags=[
                "--max-steps", STEPS, "--batch-size", 128, "--micro-batches", 4, "--learning-rate",
                1e-3, "--evaluate-every", STEPS, "--save-every", 20, "--keep", 1])

    def undisturbed(self, load):
        run = runs.RunFolder(load.folder / "undisturbed")
        code, output = load.finish(run.path, 2)
        self.tests.expect("the undisturbed run ends with 0", [] if code == 0 else [output])
        self.tests.expect("the undisturbed run", run.problems(STEPS, keep=1))
        return run.digest()

    def in_training(self, run, ranks, watchdog):
        job = self.load.start(run.path, ranks, "--watchdog", watchdog)
        if not job.wait_until(lambda: run.last_step() >= STOP_AFTER, 60):
            self.tests.expect("the job trains", [job.excerpt()])
        return job

    def disturbed_rank(self, number, rank, ranks, seconds=4):
        """A rank is stopped or killed for good."""
        what = f"{signal.Signals(number).name} to rank {rank} of {ranks}"
        run = runs.RunFolder(self.tests.folder / what.replace(" ", "-"))
        job = self.in_training(run, ranks, seconds)
        wrong = []
        if not job.send(job.ranks().get(rank), number):
            wrong.append("the job ended before its signal")
        sent = time.monotonic()
        told = job.wait_until(lambda: self.messages(job, rank, number), seconds + 20, pause=0.02)
        told_after = time.monotonic() - sent
        code = job.wait(20)
        took = time.monotonic() - sent
        left = job.wait_for_silence(5)
        lines = self.messages(job, rank, number)
        job.end()
        if not lines:
            wrong.append(f"expected a line that names rank {rank}, its host and the step: {job.excerpt()}")
        elif told and told_after > seconds + 2:
            wrong.append(f"expected the message within {seconds + 2} s, found {told_after:.1f} s")
        # Between TERM and KILL mpirun gives its ranks up to 2 s.
        if code is None or took > seconds + 2 + 2:
            wrong.append(f"expected the end within {seconds + 2} s and mpirun's 2, found {took:.1f} s")
        if code == 0:
            wrong.append("exit code: expected a failure, found 0")
        if left:
            wrong.append(f"ranks are left: {left}")
        wrong += self.resumes(run)
        self.tests.expect(what, wrong)
        self.tests.say(f"{what}: exit code {code} after {took:.1f} s: {lines[:1]}")

    @staticmethod
    def messages(job, rank, number):
        """Lines that name the rank; after a stop also its host and step. A death mpirun tells itself."""
        lines = [line for line in job.output().splitlines() if re.search(rf"\brank {rank}\b", line)]
        if number == signal.SIGKILL:
            return lines
        host = socket.gethostname()
        return [line for line in lines if host in line and re.search(r"\bstep \d+", line)]

    def stopped_job(self, ranks=2, seconds=4, pause=10):
        """Ctrl-Z, or a scheduler that suspends jobs."""
        what = f"all stopped for {pause} s"
        run = runs.RunFolder(self.tests.folder / "suspended")
        job = self.in_training(run, ranks, seconds)
        wrong = []
        pids = job.processes()
        if job.send_all(signal.SIGSTOP, pids) < ranks + 1:
            wrong.append("the job ended before it was stopped")
        before = run.last_step()
        time.sleep(pause)
        if run.last_step() != before or before == STEPS:
            wrong.append(f"the job was not stopped in mid-run: step {before}, then {run.last_step()}")
        job.send_all(signal.SIGCONT, pids)
        code = job.wait(120)
        output = job.excerpt()
        job.end()
        if code != 0:
            wrong.append(f"expected exit code 0, found {code}: {output}")
        else:
            wrong += run.problems(STEPS, self.digest, keep=1)
        self.tests.expect(what, wrong)
        self.tests.say(f"{what} at step {before}: exit code {code}: {'WRONG' if wrong else 'equal'}")

    def long_evaluation(self, seconds=2):
        what = "a long evaluation is no stall"
        load = self.make("evaluation", validation_copies=480)
        run = runs.RunFolder(load.folder / "run")
        code, output = load.finish(run.path, 2, "--watchdog", seconds)
        longest = max((record["seconds"] for record in run.records("evaluation")), default=0)
        wrong = [] if code == 0 else [f"expected exit code 0, found {code}: {output}"]
        if longest < 1.5 * seconds:
            wrong.append(f"expected an evaluation of {1.5 * seconds} s or more, found {longest:.1f} s")
        self.tests.expect(what, wrong)
        self.tests.say(f"{what}: {longest:.1f} s with --watchdog {seconds}: exit code {code}")

    def slow_save(self, mode, seconds=2):
        what = f"a slow save is no stall ({mode})"
        library = self.tests.folder / "slow_writes.so"
        if not library.exists():
            source = workload.REPOSITORY / "Tests" / "Reliability" / "slow_writes.c"
            subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        run = runs.RunFolder(self.tests.folder / f"slow-{mode}")
        start = time.monotonic()
        code, output = self.load.finish(
            run.path, 2, "--watchdog", seconds, "--save-mode", mode, "--save-every", STEPS // 2,
            environment={"LD_PRELOAD": str(library)})
        took = time.monotonic() - start
        wrong = [] if code == 0 else [f"expected exit code 0, found {code}: {output}"]
        if code == 0:
            wrong += run.problems(STEPS, self.digest, keep=1)
        size = max((record["bytes"] for record in run.records("checkpoint")), default=0)
        if took < size / (5 << 20):
            wrong.append(f"the writes were not slow: {size} bytes in {took:.1f} s")
        if size / (5 << 20) < 2 * seconds:
            wrong.append(f"a save of {size} bytes is not longer than the watchdog")
        self.tests.expect(what, wrong)
        self.tests.say(f"{what}: {size} bytes, {took:.1f} s in all, --watchdog {seconds}: exit code {code}")

    def resumes(self, run):
        code, output = self.load.finish(run.path, 2)
        wrong = [] if code == 0 else [f"exit code {code} after the resume: {output}"]
        return wrong or run.problems(STEPS, self.digest, keep=1)


def main():
    parser = checks.parser(__doc__)
    parser.add_argument("--short", action="store_true", help="one case of each kind")
    options = parser.parse_args()
    with checks.Checks("watchdog", options) as tests:
        watchdog = Watchdog(tests)
        watchdog.digest = watchdog.undisturbed(watchdog.load)
        cases = [(signal.SIGSTOP, 0, 2), (signal.SIGSTOP, 1, 2), (signal.SIGKILL, 1, 2)]
        if not options.short:
            cases += [
                (signal.SIGSTOP, 0, 4), (signal.SIGSTOP, 3, 4), (signal.SIGKILL, 0, 2),
                (signal.SIGKILL, 2, 4)]
        for number, rank, ranks in cases:
            watchdog.disturbed_rank(number, rank, ranks)
        watchdog.stopped_job()
        watchdog.long_evaluation()
        for mode in ["async"] if options.short else ["async", "sync"]:
            watchdog.slow_save(mode)


if __name__ == "__main__":
    main()
