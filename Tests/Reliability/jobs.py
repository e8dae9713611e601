"""Jobs under mpirun whose processes can be found, signalled and ended one by one.

A job is a session of its own, so its ranks are found also after mpirun is gone. Signals go through
pidfds: a process that ended meanwhile is never mistaken for another one that got its number.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

LOCAL = str(pathlib.Path(__file__).resolve().parents[2] / "launch" / "local")

# More ranks than cores, on no core in particular, yielding while they wait; over shared memory and
# without the ptrace permission that containers deny.
MPIRUN = (
    "mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1",
    "--mca", "pml", "ob1", "--mca", "btl", "self,vader",
    "--mca", "btl_vader_single_copy_mechanism", "none")
LAUNCH_LOCAL = (LOCAL, "--no-bind")


def environment(scratch):
    """Without what a launcher around the tests has left, with what mpirun needs as root. What killed
    processes leave of Open MPI's own files goes into `scratch`, so that it goes with the job."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("OMPI_", "PMI_", "PMIX_", "SLURM_"))}
    return kept | {
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_orte_tmpdir_base": scratch, "OMPI_MCA_btl_vader_backing_directory": scratch}


def _state(pid):
    """(state, session) of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[3])


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


class Job:
    """One launch. `end` has to be called; `end_all` does that for those that nobody ended."""

    running = set()

    def __init__(self, command, ranks, log, launcher=MPIRUN, extra=None):
        self.ranks_wanted = ranks
        self.log = pathlib.Path(log)
        # The session folder of mpirun holds a Unix socket, whose path may have 107 bytes.
        self.scratch = tempfile.mkdtemp(prefix="ompi-", dir="/tmp")
        line = [*launcher, "-n", str(ranks)]
        if launcher == LAUNCH_LOCAL:
            line.append("--")
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        self.started = time.monotonic()
        with open(self.log, "ab") as stream:
            self.process = subprocess.Popen(
                line + command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                env=environment(self.scratch) | (extra or {}), start_new_session=True)
        self.session = self.process.pid
        Job.running.add(self)

    def output(self):
        """What this job has written to standard output and standard error so far."""
        return self.log.read_bytes()[self.log_start:].decode(errors="replace")

    def excerpt(self):
        """The same without mpirun's own paragraphs, for messages."""
        return re.sub(r"-{60,}\n.*?-{60,}\n", "", self.output(), flags=re.DOTALL).strip()

    def processes(self):
        """Process numbers of the job that are alive, the launcher's included."""
        alive = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                state = _state(name)
                if state and state[1] == self.session and state[0] not in "ZX":
                    alive.append(int(name))
        return alive

    def ranks(self):
        """{rank: process number} of the ranks that are alive."""
        found = {}
        for pid in self.processes():
            for variable in _read(f"/proc/{pid}/environ").split(b"\0"):
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(variable.partition(b"=")[2])] = pid
        return found

    def mpirun(self):
        """The process number of mpirun, which launch/local starts as its child; None if there is none."""
        for pid in self.processes():
            if _read(f"/proc/{pid}/comm").strip() == b"mpirun":
                return pid
        return None

    def send(self, pid, number):
        """Signals one process of the job; False when it is None, gone or a zombie."""
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            state = _state(pid)
            if not state or state[1] != self.session or state[0] in "ZX":
                return False
            signal.pidfd_send_signal(handle, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)

    def send_all(self, number, pids=None):
        """Signals the processes, all of the job by default, and counts those that got it."""
        return sum(self.send(pid, number) for pid in (pids or self.processes()))

    def is_running(self):
        return self.process.poll() is None

    def wait(self, seconds):
        """The launcher's exit code, negative for a signal; None if it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def wait_until(self, condition, seconds, pause=0.002):
        """Polls until `condition()` holds; False when the job ends or time runs out before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            if not self.is_running():
                return False
            time.sleep(pause)
        return False

    def wait_for_ranks(self, seconds=60):
        """Until every rank runs and answers signals by itself, and mpirun forwards USR1."""
        def ready():
            ranks = self.ranks()
            pids = [*ranks.values(), self.mpirun()]
            return len(ranks) == self.ranks_wanted and all(_catches_usr1(pid) for pid in pids)
        return self.wait_until(ready, seconds, pause=0.01)

    def wait_for_silence(self, seconds):
        """Until no process of the job is alive; the numbers of those that still are."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def end(self):
        """Ends every process of the job, stopped ones too, and removes Open MPI's files."""
        for _ in range(100):
            pids = self.processes()
            if not pids:
                break
            self.send_all(signal.SIGKILL, pids)
            self.process.poll()
            time.sleep(0.02)
        self.process.wait(10)
        shutil.rmtree(self.scratch, ignore_errors=True)
        Job.running.discard(self)


def end_all():
    """Ends the jobs of a script that fails or is interrupted."""
    for job in list(Job.running):
        job.end()


def _catches_usr1(pid):
    for line in _read(f"/proc/{pid}/status").decode().splitlines() if pid else []:
        if line.startswith("SigCgt"):
            return bool(int(line.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1)
    return False


