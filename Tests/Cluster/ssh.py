"""cluster/ssh/run on three hosts made of network namespaces (see ssh_hosts.py), and what becomes of it.

    cluster/ssh/test                                  # installs what is needed, then this
    python3 Tests/Cluster/ssh.py --lockstep PATH [--only NAME,..]

A run trains on all hosts; its launcher gets TERM; a cable is pulled for a moment, and for good; a host is
killed; the network is slow. Expected: the job goes on or ends as docs/reliability.md says, says why, leaves
no process behind, and the same command, on the hosts that are left, ends with the bytes of the run that
nothing happened to.
"""

import pathlib
import re
import signal
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "Reliability"))

import checks
import hosts
import runs
import ssh_hosts
import workload

RUN = TESTS.parent / "cluster" / "ssh" / "run"
STEPS = 60
EARLY = 12
WATCHDOG = 8
# Parameters of the small model that every step changes.
LAYERS = 2 * (4 * 128 * 128 + 2 * 128 * 256)


class SshJobs:
    """The tests, by name."""

    def __init__(self, tests, ssh, load, reference):
        self.tests, self.ssh, self.load, self.reference = tests, ssh, load, reference
        self.here = ssh.here

    def start(self, name, hostfile, ranks, *flags):
        """(job, its run folder): the command on the first host."""
        run = runs.RunFolder(self.tests.folder / name)
        launcher = (
            *self.here.on(0), str(RUN), "--hostfile", str(hostfile), "--network", f"{hosts.NETWORK}.0/24",
            "--no-bind", "--verbose")
        job = self.load.start(
            run.path, ranks, "--watchdog", WATCHDOG, *flags, launcher=launcher, separator="--",
            environment={
                "LOCKSTEP_SSH": f"ssh -F {self.ssh.client}", "OMPI_MCA_mpi_yield_when_idle": "1",
                "OMPI_MCA_btl": "self,vader,tcp"})
        return job, run

    def trains(self, job, run, step=EARLY):
        """Whether the run gets to a step; a failure of the test when not."""
        return job.wait_until(lambda: run.last_step() >= step, 180, pause=0.02) or self.tests.expect(
            f"{run.path.name} trains", [f"found step {run.last_step()}: {job.output()[-3000:]}"])

    def finishes(self, what, job, run):
        """The job ends with 0 and the run with the reference's bytes."""
        code = job.wait(300)
        wrong = [] if code == 0 else [f"exit code {code}: {job.output()[-3000:]}"]
        job.end()
        return self.tests.expect(what, wrong or run.problems(STEPS, self.reference, keep=1))

    def goes_on(self, what, name, *indices):
        """The same command, on these hosts."""
        self.finishes(what, *self.start(name, self.ssh.hostfile("left", *indices), len(indices)))

    def silent(self, what, seconds=30):
        """No rank and no daemon of mpirun is left on any host."""
        deadline = time.monotonic() + seconds
        while (left := self.workers()) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.tests.expect(what, [f"left: {left}"] if left else [])

    def workers(self):
        """[(host, process, name)] of what a job has started."""
        found = []
        for host, name in zip(self.here.host_names, self.here.names):
            found += [
                (host, pid, program) for pid, program in self.here.programs(name)
                if program in (self.load.program, "mpirun", "orted")]
        return found

    def all_hosts(self):
        return self.ssh.hostfile("hosts", *range(len(self.here.names)))

    def undisturbed(self):
        before = self.here.sent()
        job, run = self.start("all-hosts", self.all_hosts(), 3)
        if self.trains(job, run):
            ranks = [sum(host == found and name == self.load.program for found, _, name in self.workers())
                     for host in self.here.host_names]
            self.tests.expect("a rank on every host", [] if ranks == [1, 1, 1] else [f"found {ranks}"])
        self.finishes("a run over ssh", job, run)
        sent = [(after - start) / 1e6 for after, start in zip(self.here.sent(), before)]
        # A third of an all-reduce of the layers alone, every step.
        least = STEPS * LAYERS * 4e-6 / 3
        self.tests.expect(
            f"the ranks talk over the cables: {', '.join(f'{number:.0f} MB' for number in sent)}",
            [] if min(sent) > least else [f"expected {least:.0f} MB from each host"])

    def stopped(self):
        job, run = self.start("stopped", self.all_hosts(), 3)
        if self.trains(job, run):
            job.send(job.process.pid, signal.SIGTERM)
        code = job.wait(120)
        wrong = [] if code == 75 else [f"expected exit code 75, found {code}: {job.output()[-3000:]}"]
        if run.last_step() not in run.checkpoints():
            wrong.append(f"no checkpoint of step {run.last_step()}: {run.checkpoints()}")
        job.end()
        self.tests.expect("TERM ends a run with a checkpoint", wrong)
        self.goes_on("two of the hosts end it", "stopped", 0, 2)

    def cable_out_and_in(self):
        job, run = self.start("out-and-in", self.all_hosts(), 3)
        if self.trains(job, run):
            self.here.cut(1)
            time.sleep(WATCHDOG / 4)
            before = run.last_step()
            self.here.mend(1)
            self.tests.say(f"cable out for {WATCHDOG / 4:.0f} s at step {before}")
        self.finishes("a cable that is out for a moment", job, run)

    def cable_out(self):
        job, run = self.start("cable-out", self.all_hosts(), 3)
        if self.trains(job, run, 26):
            self.here.cut(2)
        start = time.monotonic()
        code = job.wait(WATCHDOG + 30)
        lines = re.findall(r"lockstep: error: rank 2 on node-c: .* of step \d+;.*", job.output())
        wrong = [] if lines else [f"expected a line that names rank 2 on node-c: {job.output()[-3000:]}"]
        if code in (None, 0, 75):
            wrong.append(f"expected a failure, found exit code {code}")
        self.tests.expect("a cable that is out ends the run", wrong)
        self.tests.say(f"cable out: exit code {code} after {time.monotonic() - start:.1f} s: {lines[:1]}")
        job.end()
        self.silent("nothing is left of it on any host")
        self.goes_on("the hosts that are left end it", "cable-out", 0, 1)
        self.here.mend(2)

    def host_killed(self):
        job, run = self.start("host-killed", self.all_hosts(), 3)
        if self.trains(job, run, 26):
            self.here.kill(1)
        start = time.monotonic()
        code = job.wait(WATCHDOG + 30)
        wrong = [] if code not in (None, 0, 75) else [f"expected a failure, found exit code {code}"]
        self.tests.expect("a killed host ends the run", wrong)
        self.tests.say(f"host killed: exit code {code} after {time.monotonic() - start:.1f} s")
        job.end()
        self.silent("nothing is left of it on the others")
        job, run = self.start("host-killed", self.all_hosts(), 3)
        code, said = job.wait(60), job.output()
        wrong = [] if code == 64 and "node-b: ssh:" in said else [f"exit code {code}: {said[-1000:]}"]
        job.end()
        self.tests.expect("a start with a dead host names it", wrong)
        self.ssh.serve(1)
        self.goes_on("all hosts, up again, end it", "host-killed", 0, 1, 2)

    def slow_link(self):
        rate, delay = "50mbit", "5ms"
        try:
            self.here.shape(rate, delay)
        except subprocess.CalledProcessError as error:
            self.tests.say(f"no delay of {delay} with this kernel: {error.stderr.decode().strip()}")
            self.here.shape(rate)
        job, run = self.start("slow", self.all_hosts(), 3)
        start = time.monotonic()
        self.finishes("a slow network", job, run)
        self.tests.say(f"at {rate}: {time.monotonic() - start:.1f} s")
        self.here.shape()


TESTS_BY_NAME = {
    name: getattr(SshJobs, name) for name in (
        "undisturbed", "stopped", "cable_out_and_in", "cable_out", "host_killed", "slow_link")}


def main():
    options = checks.choose(checks.parser(__doc__), TESTS_BY_NAME)
    with checks.Checks("ssh", options) as tests:
        if reason := hosts.missing() or ssh_hosts.missing():
            tests.expect("ssh can run here", [reason])
            return
        load, reference = workload.small(tests, STEPS)
        here = hosts.Hosts(tests.folder, 3, slots=1)
        here.open()
        try:
            with ssh_hosts.SshHosts(tests.folder / "ssh", here) as ssh:
                checks.run(tests, options, TESTS_BY_NAME, SshJobs(tests, ssh, load, reference))
        finally:
            here.close()


if __name__ == "__main__":
    main()
