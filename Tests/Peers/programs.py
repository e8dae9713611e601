"""The programs that are compared, each as a function that runs it once and gives its numbers."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LOCAL = HERE.parents[1] / "launch" / "local"


def environment(threads=1):
    """`threads` for OpenMP, one BLAS thread in each of them; no parallel tokenizer; no hub."""
    return os.environ | {
        "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def run(command, threads=1, **options):
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(threads), **options)
    if done.returncode != 0:
        raise SystemExit(
            f"{' '.join(map(str, command))}: exit code {done.returncode}\n"
            + done.stderr.decode(errors="replace")[-4000:])
    return done.stdout


def stay_on_one_core():
    """Binds this process, and what it starts from now on."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def last_object(output):
    """The JSON object on the last line that is one."""
    lines = [line for line in output.decode().splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"expected a JSON object, found {output!r}")
    return json.loads(lines[-1])


def has_option(lockstep, command, option):
    """Whether a subcommand of this program is there and knows an option."""
    done = subprocess.run(
        [lockstep, *command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode == 0 and option.encode() in done.stdout


def ceilings(cores):
    """What ceilings.py prints, from a process of its own: it moves from core to core."""
    return last_object(run([sys.executable, HERE / "ceilings.py", "--cores", cores]))


class PyTorch:
    def __init__(self, ranks, threads, padding="dynamic", fewer=1):
        self.ranks, self.threads, self.padding, self.fewer = ranks, threads, padding, fewer

    def __call__(self, job):
        steps = max(2, job.steps // self.fewer)
        command = [sys.executable]
        if self.ranks > 1:
            command += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", self.ranks]
        command += [
            HERE / "pytorch_step.py", "--model", job.model, "--shards", job.train, "--padding",
            self.padding, "--max-length", job.max_length, "--batch-size", job.batch_size, "--threads",
            self.threads, "--steps", steps, "--warm-up", job.warm_up, "--seed", job.seed]
        result = last_object(run(command, self.threads))
        job.check_tokens(result["tokens"])
        return result


class Lockstep:
    """`lockstep train`, timed by when the records of its steps appear."""

    def __init__(self, ranks, threads, micro_batches=None, flags=()):
        self.ranks, self.threads, self.micro_batches = ranks, threads, micro_batches
        self.flags = flags

    def launcher(self):
        """The start of the command line, before the program's name."""
        return [LOCAL, "-n", self.ranks, "-t", self.threads, "--"]

    def seen(self, steps):
        """Called when the records of so many steps have been seen."""

    def __call__(self, job):
        with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as scratch:
            return self.time(job, pathlib.Path(scratch))

    def time(self, job, scratch):
        log = scratch / "run" / "metrics.jsonl"
        total = job.warm_up + job.steps
        command = [
            *self.launcher(), job.lockstep, "train", "--model", job.model, "--train", job.train,
            "--validation", job.validation, "--output", log.parent, "--threads", self.threads,
            "--max-steps", total, "--batch-size", job.batch_size, "--seed", job.seed,
            "--save-mode", "sync", "--keep", 1, "--verify-shards", "never",
            "--check-replicas-every", 0, *job.flags, *self.flags]
        if self.micro_batches:
            command += ["--micro-batches", self.micro_batches]
        with open(scratch / "output", "wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command], env=environment(), stdout=output, stderr=output,
                stdin=subprocess.DEVNULL)
            try:
                times, peak = watch(log, total, process, job.lockstep, self.seen)
                code = process.wait(600)
            finally:
                if process.poll() is None:
                    # Asked twice it ends the ranks at once.
                    process.send_signal(signal.SIGTERM)
                    time.sleep(1)
                    process.send_signal(signal.SIGTERM)
                    process.wait(60)
        if code != 0 or len(times) < total:
            raise SystemExit(
                f"{' '.join(map(str, command))}: exit code {code} after {len(times)} steps\n"
                + (scratch / "output").read_text(errors="replace")[-4000:])
        records = [json.loads(line) for line in log.read_text().splitlines()]
        steps = [record for record in records if record["event"] == "step"]
        tokens = [sum(step["tokens_by_rank"]) for step in steps[job.warm_up:]]
        job.check_tokens(tokens)
        seconds = times[-1] - times[job.warm_up - 1]
        return {
            "ms_per_step": 1000 * seconds / job.steps, "tokens_per_second": sum(tokens) / seconds,
            "steps": job.steps, "tokens": tokens, "losses": [step["loss"] for step in steps],
            "ranks": self.ranks, "threads": self.threads, "micro_batches": self.micro_batches,
            "batch_size": job.batch_size, "peak_rss_mb": peak}


class LockstepBench(Lockstep):
    """`lockstep bench step`."""

    # It takes so many by itself, to compare the bits of two times: the warm-up goes on after them.
    FIRST_STEPS = 2

    def __call__(self, job):
        command = [
            *self.launcher(), job.lockstep, "bench", "step", "--model", job.model, "--train", job.train,
            "--batch-size", job.batch_size, "--steps", job.steps, "--warmup",
            job.warm_up - self.FIRST_STEPS, "--seed", job.seed, "--threads", self.threads, "--format",
            "json", *job.flags, *self.flags]
        if self.micro_batches:
            command += ["--micro-batches", self.micro_batches]
        result = last_object(run(command))
        job.check_mean_tokens(result["tokens_per_step"])
        # The others' times are means too.
        return result | {"ms_per_step": result["ms_per_step_mean"]}


def watch(log, total, process, lockstep, seen):
    """When each step's record appeared, and then the largest rank's peak memory in MB."""
    times, size, file = [], 0, None
    with at_once():
        # Every 4 ms: less than a step, and nothing to a core that is at work.
        while len(times) < total and process.poll() is None:
            time.sleep(0.004)
            try:
                file = file or open(log, "rb")
            except FileNotFoundError:
                continue
            if os.fstat(file.fileno()).st_size == size:
                continue
            now, new = time.monotonic(), file.read()
            size += len(new)
            times += [now] * new.count(b'"event":"step"')
            seen(len(times))
        if file:
            file.close()
        return times, peak_memory(log.parent, lockstep)


@contextlib.contextmanager
def at_once():
    """Lets this process run as soon as it wakes, though the ranks keep all cores busy; for root."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except PermissionError:
        pass
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def peak_memory(run_folder, lockstep):
    """Of the largest process of `lockstep` that names the run folder; None when all have ended."""
    peaks = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if words[0] != str(lockstep).encode() or str(run_folder).encode() not in words:
                continue
            status = pathlib.Path(f"/proc/{name}/status").read_text()
        except OSError:
            continue
        found = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        peaks += [int(line.split()[1]) / 1024 for line in found]
    return max(peaks, default=None)
