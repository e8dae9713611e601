"""Saves that fail: a full disk and a folder that becomes read-only, and then space again.

Needs root, for it mounts a small tmpfs; says so and exits 0 where it cannot.

    no room for a checkpoint     two saves in a row fail, then there is room
    no byte left                 the same, and metrics.jsonl cannot grow either
    no room at the end           the last save fails: exit code 65, and a job with room goes on
    read-only                    as above with EROFS, by a read-only mount over the run folder

The run must go on with a warning for each save that failed and for no other, keep its earlier
checkpoint whole meanwhile, and end as a run that nothing happened to.
"""

import os
import re
import subprocess

import checks
import runs
import workload

SAVE_EVERY, STEPS = 10, 60
# Three tensors of float32 a parameter: about 14 MB.
CHECKPOINT_BYTES = 14_000_000


class Mount:
    """A tmpfs with room for a few checkpoints."""

    def __init__(self, path, megabytes):
        self.path = path
        self.megabytes = megabytes

    def __enter__(self):
        self.path.mkdir()
        mount("-t", "tmpfs", "-o", f"size={self.megabytes}m", "none", self.path)
        return self

    def __exit__(self, *_):
        while subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL).returncode == 0:
            pass

    def free(self):
        state = os.statvfs(self.path)
        return state.f_bavail * state.f_frsize

    def fill(self, leaving):
        """Until so many bytes are free."""
        with open(self.path / "filler", "ab", buffering=0) as file:
            while (left := self.free() - leaving) > 0:
                try:
                    file.write(bytes(min(left, 1 << 20)))
                except OSError:
                    return

    def empty(self):
        (self.path / "filler").unlink()


class ReadOnly:
    """A read-only mount of the run folder over itself: new files cannot be made, open ones go on."""

    def __init__(self, run):
        self.run = run

    def fill(self, leaving):
        mount("--bind", self.run, self.run)
        mount("-o", "remount,bind,ro", self.run)

    def empty(self):
        subprocess.run(["umount", self.run], check=True)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True, stderr=subprocess.PIPE)


def warned(output):
    """Steps of the checkpoints that warnings on standard error name."""
    lines = [line for line in output.splitlines() if "warning" in line]
    return [int(step) for line in lines for step in re.findall(r"checkpoint-(\d+)", line)[:1]]


class DiskFull:
    def __init__(self, tests):
        self.tests = tests
        self.load = workload.Workload(
            tests.lockstep, tests.folder / "load", hidden=96, words=12_000, validation_copies=1,
            flags=[
                "--max-steps", STEPS, "--batch-size", 16, "--micro-batches", 4, "--learning-rate",
                1e-3, "--evaluate-every", STEPS, "--save-every", SAVE_EVERY, "--keep", 1])

    def reference(self):
        run = runs.RunFolder(self.tests.folder / "undisturbed")
        code, output = self.load.finish(run.path, 2)
        self.tests.expect("the undisturbed run ends with 0", [] if code == 0 else [output])
        self.tests.expect("the undisturbed run", run.problems(STEPS, keep=1))
        self.tests.expect("the undisturbed run warns of no save", not warned(output))
        self.digest = run.digest()

    def until_room(self, what, obstacle, run, leaving):
        """Two saves in a row fail, then there is room."""
        job = self.load.start(run.path, 2)
        wrong = []
        if not job.wait_until(lambda: run.checkpoints() == [SAVE_EVERY] and not run.hidden(), 60):
            wrong.append(f"no first checkpoint: {job.excerpt()}")
        obstacle.fill(leaving)
        twice = job.wait_until(lambda: len(warned(job.output())) >= 2, 60, pause=0.001)
        # While the disk is full: what was committed before is whole, what was not is gone.
        if twice:
            kept = run.checkpoints()
            if kept != [SAVE_EVERY] or not self.load.verify(run.path):
                wrong.append(f"the earlier checkpoint is not whole while the disk is full: {kept}")
        obstacle.empty()
        code = job.wait(120)
        output = job.output()
        job.end()
        if not twice:
            wrong.append("expected warnings of two saves that failed")
        if code != 0:
            wrong.append(f"expected exit code 0, found {code}: {job.excerpt()}")
        saved = {record["step"] for record in run.records("checkpoint")}
        failed = [step for step in range(SAVE_EVERY, STEPS + 1, SAVE_EVERY) if step not in saved]
        if warned(output) != failed:
            wrong.append(f"expected a warning for each of {failed}, found {warned(output)}")
        if code == 0:
            wrong += self.ended_well(run)
        self.report(what, wrong, f"saves {failed} failed, exit code {code}", output)

    def at_the_end(self, what, obstacle, run, leaving):
        """The last save fails, and a later job with room ends the run."""
        job = self.load.start(run.path, 2)
        wrong = []
        last_but_one = STEPS - 2 * SAVE_EVERY
        job.wait_until(lambda: last_but_one in run.checkpoints() and not run.hidden(), 60)
        obstacle.fill(leaving)
        code = job.wait(120)
        output = job.output()
        job.end()
        if code != 65:
            wrong.append(f"expected exit code 65, found {code}: {job.excerpt()}")
        kept = run.checkpoints()
        if last_but_one not in kept or STEPS in kept or not self.load.verify(run.path):
            wrong.append(f"the earlier checkpoint is not whole: {kept}")
        if run.hidden():
            wrong.append(f"a partial checkpoint is left: {run.hidden()}")
        obstacle.empty()
        again, more = self.load.finish(run.path, 4)
        if again != 0:
            wrong.append(f"expected the next job to end with 0, found {again}: {more}")
        else:
            wrong += self.ended_well(run)
        self.report(what, wrong, f"exit code {code}, kept {kept}, then {again}", output)

    def ended_well(self, run):
        wrong = run.problems(STEPS, self.digest, keep=1)
        if not self.load.verify(run.path):
            wrong.append("lockstep verify finds it damaged")
        return wrong

    def report(self, what, wrong, outcome, output):
        self.tests.expect(what, wrong)
        self.tests.say(f"{what}: {outcome}: {'WRONG' if wrong else 'equal'}")
        for line in output.splitlines():
            if "warning" in line or "expected" in line:
                self.tests.say(f"    {line}")


def main():
    options = checks.parser(__doc__).parse_args()
    with checks.Checks("disk-full", options) as tests:
        try:
            if os.geteuid() != 0:
                raise PermissionError("not root")
            with Mount(tests.folder / "try", 1):
                pass
        except (OSError, subprocess.CalledProcessError):
            tests.expect("skipped", True)
            print("disk-full: skipped: not root / no mount")
            return
        disk_full = DiskFull(tests)
        disk_full.reference()
        half = CHECKPOINT_BYTES // 2
        for what, case, leaving in (
            ("no room for a checkpoint", disk_full.until_room, half),
            ("no byte left", disk_full.until_room, 0),
            ("no room at the end", disk_full.at_the_end, half),
            ("no byte left at the end", disk_full.at_the_end, 0)):
            with Mount(tests.folder / what.replace(" ", "-"), 60) as disk:
                case(what, disk, runs.RunFolder(disk.path / "run"), leaving)
        for what, case in (
            ("read-only", disk_full.until_room), ("read-only at the end", disk_full.at_the_end)):
            with Mount(tests.folder / what.replace(" ", "-"), 60) as disk:
                run = runs.RunFolder(disk.path / "run")
                case(what, ReadOnly(run.path), run, 0)


if __name__ == "__main__":
    main()
