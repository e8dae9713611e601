"""A node vanishes from the network: the job ends in time, mpirun too, and goes on elsewhere.

Two network namespaces with a cable between them play two hosts, each with a host name of its own. Ranks
run on both; then the cable is cut. Expected: a message that names a rank of the lost host, its host, what
it was doing and the step; no process left on either side; a resume on the remaining host that ends with
the undisturbed run's bytes.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import checks
import jobs
import runs
import workload

STEPS = 80
WATCHDOG = 8


class Hosts:
    """Two network namespaces, from `open` to `close`."""

    def __init__(self, folder):
        self.names = [f"lockstep-{os.getpid()}-{host}" for host in "ab"]
        self.devices = [f"ls{os.getpid()}{host}" for host in "ab"]
        # What mpirun starts its daemon on the other host with, in place of ssh.
        self.agent = folder / "agent"
        self.agent.write_text(
            "#!/usr/bin/env bash\nwhile [[ $1 == -* ]]; do shift; done\nshift\n"
            f'exec ip netns exec {self.names[1]} unshare --uts bash -c "hostname node-b; $*"\n')
        self.agent.chmod(0o755)
        self.list = folder / "hosts"
        self.list.write_text("10.77.0.1 slots=2\n10.77.0.2 slots=2\n")

    def open(self):
        (a, b), (device_a, device_b) = self.names, self.devices
        try:
            for name in self.names:
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
            _ip("link", "add", device_a, "netns", a, "type", "veth", "peer", "name", device_b, "netns", b)
            for name, device, address in zip(self.names, self.devices, ("10.77.0.1", "10.77.0.2")):
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
                _ip("-n", name, "link", "set", device, "up")
        except BaseException:
            self.close()
            raise

    def close(self):
        for name in self.names:
            for pid in self.processes(name):
                os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def launcher(self):
        """The start of a job's command line: mpirun on host a."""
        mpirun = [
            "mpirun", "--hostfile", str(self.list), "--map-by", "node", "--oversubscribe", "--bind-to",
            "none", "--mca", "mpi_yield_when_idle", "1", "--mca", "plm_rsh_agent", str(self.agent), "--mca",
            "btl", "self,vader,tcp", "--mca", "btl_vader_single_copy_mechanism", "none"]
        for layer in ("btl_tcp", "oob_tcp"):
            mpirun += ["--mca", f"{layer}_if_include", "10.77.0.0/24"]
        return (
            "ip", "netns", "exec", self.names[0], "unshare", "--uts", "bash", "-c",
            'hostname node-a; exec "$@"', "bash", *mpirun)

    def cut(self):
        _ip("-n", self.names[1], "link", "set", self.devices[1], "down")

    def processes(self, name):
        """Process numbers on one host."""
        found = subprocess.run(["ip", "netns", "pids", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return [int(pid) for pid in found.stdout.split()]

    def left(self, seconds):
        """What is still running anywhere after so many seconds at most."""
        deadline = time.monotonic() + seconds
        while (pids := sum((self.processes(name) for name in self.names), [])) and time.monotonic() < deadline:
            time.sleep(0.1)
        return pids


def _ip(*words):
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def lost_node(tests, hosts):
    load = workload.Workload(
        tests.lockstep, tests.folder / "load", hidden=128, words=12_000, flags=[
            "--max-steps", STEPS, "--batch-size", 16, "--micro-batches", 4, "--learning-rate", 1e-3,
            "--evaluate-every", STEPS, "--save-every", 10, "--keep", 1])
    reference = runs.RunFolder(load.folder / "undisturbed")
    code, output = load.finish(reference.path, 2)
    tests.expect("the undisturbed run ends with 0", [] if code == 0 else [output])

    run = runs.RunFolder(tests.folder / "run")
    job = load.start(run.path, 4, "--watchdog", WATCHDOG, launcher=hosts.launcher())
    if not job.wait_until(lambda: run.last_step() >= 24, 60):
        tests.expect("the job trains on both hosts", [job.excerpt()])
        return
    hosts.cut()
    start = time.monotonic()
    # Three quarters of the watchdog's time, five seconds for mpirun, two to kill it.
    code = job.wait(WATCHDOG + 12)
    took = time.monotonic() - start
    left = hosts.left(WATCHDOG + 12)
    lines = re.findall(r"lockstep: error: rank [13] on node-b: .* of step \d+;.*", job.output())
    excerpt = job.excerpt()
    job.end()
    wrong = [] if lines else [f"expected a line that names a rank of node-b and its step: {excerpt}"]
    if code in (None, 0):
        wrong.append(f"expected mpirun to fail, found exit code {code} after {took:.1f} s")
    if left:
        wrong.append(f"processes are left: {left}")
    tests.expect("the job of a lost node ends", wrong)
    tests.say(f"cable cut at step {run.last_step()}: exit code {code} after {took:.1f} s: {lines[:1]}")

    code, output = load.finish(run.path, 2)
    wrong = [] if code == 0 else [f"exit code {code} after the resume: {output}"]
    tests.expect("the resume elsewhere", wrong or run.problems(STEPS, reference.digest(), keep=1))


def main():
    options = checks.parser(__doc__).parse_args()
    with checks.Checks("lost-node", options) as tests:
        if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
            tests.expect("skipped", True)
            print("lost-node: skipped: not root / no ip / no unshare")
            return
        hosts = Hosts(pathlib.Path(tests.folder))
        try:
            hosts.open()
        except subprocess.CalledProcessError as error:
            tests.expect("skipped", True)
            print(f"lost-node: skipped: no network namespaces: {error.stderr.decode().strip()}")
            return
        try:
            lost_node(tests, hosts)
        finally:
            hosts.close()


if __name__ == "__main__":
    main()
