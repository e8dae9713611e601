"""lockstep doctor on machines that are as they should be, and on some that are not.

This machine; two ranks; two ranks on one core; more threads than a rank's cores; processors without AVX2
and without AVX (qemu-user); a /dev/shm of 1 MB; three hosts of which one has a slow cable. Expected: the
finding of each case with its ranks and hosts, as JSON and as text, and the exit code that goes with it.
"""

import json
import os
import pathlib
import platform
import shutil
import subprocess

import checks
import hosts
import jobs

SECONDS = 180
# In front of a rank's command line: holds every rank to the first processor.
ONE_CORE = ("taskset", "-c", "0")


class Doctor:
    """Runs of `lockstep doctor`, alone or under a launcher."""

    def __init__(self, tests):
        self.tests = tests
        self.number = 0

    def run(self, name, *flags, ranks=1, launcher=(), before=(), extra=None, format="json"):
        """(exit code, what it printed, its JSON object if it is one)."""
        self.number += 1
        log = self.tests.folder / f"{self.number}-{name}.log"
        command = [
            *map(str, before), str(self.tests.lockstep), "doctor", "--output", str(self.tests.folder),
            "--format", format, *map(str, flags)]
        if launcher:
            job = jobs.Job(command, ranks, log, launcher=launcher, extra=extra)
            code = job.wait(SECONDS)
            output = job.output()
            job.end()
        else:
            environment = jobs.environment("/tmp") | (extra or {})
            with open(log, "wb") as stream:
                code = subprocess.run(
                    command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=environment,
                    timeout=SECONDS).returncode
            output = log.read_text(errors="replace")
        lines = [line for line in output.splitlines() if line.startswith("{")]
        return code, output, json.loads(lines[-1]) if lines else None


def kinds(result, severity=None):
    return [found["kind"] for found in result["findings"] if severity in (None, found["severity"])]


def problems_with(code, output, result, kind, severity, ranks=None, host=None):
    """What is wrong with a run that was to have one finding of this kind."""
    if result is None:
        return [f"exit code {code} without JSON: {output[-2000:]}"]
    wrong = []
    found = [finding for finding in result["findings"] if finding["kind"] == kind]
    if len(found) != 1:
        return [f"expected one finding {kind}, found {kinds(result)}"]
    if found[0]["severity"] != severity:
        wrong.append(f"expected {kind} as {severity}, found {found[0]}")
    if ranks is not None and found[0]["ranks"] != ranks:
        wrong.append(f"expected {kind} of ranks {ranks}, found {found[0]}")
    if host is not None and found[0]["hosts"] != [host]:
        wrong.append(f"expected {kind} on {host}, found {found[0]}")
    expected = 70 if kinds(result, "error") else 0
    if code != expected:
        wrong.append(f"expected exit code {expected}, found {code}")
    return wrong


def this_machine(tests, doctor):
    code, output, result = doctor.run("alone")
    if result is None:
        tests.expect("this machine", [f"exit code {code}: {output[-2000:]}"])
        return
    facts = result["ranks"][0]
    wrong = []
    if code != (70 if kinds(result, "error") else 0):
        wrong.append(f"exit code {code} with {kinds(result)}")
    allowed = facts["cores"]["allowed"]
    if len(expanded(allowed)) != len(os.sched_getaffinity(0)):
        wrong.append(f"expected the processors of {os.sched_getaffinity(0)}, found {allowed}")
    if facts["host"] != platform.node():
        wrong.append(f"expected {platform.node()}, found {facts['host']}")
    with open("/proc/meminfo") as file:
        total = int(file.readline().split()[1]) * 1024
    if facts["memory"]["total"] != total:
        wrong.append(f"expected {total} bytes of memory, found {facts['memory']}")
    if result["links"] or "lockstep train" not in result["launch"]["command"]:
        wrong.append(f"expected no links and a launch line, found {result['links']}, {result['launch']}")
    tests.expect("this machine", wrong)
    code, output, _ = doctor.run("alone-text", "--model", "bert-base", format="text")
    missing = [word for word in ("processor", "cores", "/dev/shm", "MPI", "HDF5", "launch/local") if word not in output]
    tests.expect("this machine in words", [f"no {word} in {output}" for word in missing])
    tests.say(f"findings here: {kinds(result)}")


def expanded(text):
    """The numbers of `0-3,8`."""
    parts = [part.split("-") for part in text.split(",") if part]
    return [number for part in parts for number in range(int(part[0]), int(part[-1]) + 1)]


def several_ranks(tests, doctor):
    code, output, result = doctor.run("two", "--threads", 1, ranks=2, launcher=jobs.MPIRUN)
    wrong = [] if result else [f"exit code {code}: {output[-2000:]}"]
    if result:
        ways = sorted((link["from"], link["to"]) for link in result["links"])
        if [rank["rank"] for rank in result["ranks"]] != [0, 1] or ways != [(0, 1), (1, 0)]:
            wrong.append(f"expected two ranks and both directions, found {ways}")
        if any(link["gigabytes_per_second"] <= 0 or link["latency_us"] <= 0 for link in result["links"]):
            wrong.append(f"expected rates and latencies, found {result['links']}")
        if result["all_reduce"]["gigabytes_per_second"] <= 0:
            wrong.append(f"expected the rate of a sum, found {result['all_reduce']}")
        if "vader" not in result["ranks"][1]["messaging"]["transports"]:
            wrong.append(f"expected vader, found {result['ranks'][1]['messaging']}")
    tests.expect("two ranks", wrong)

    bound = [*jobs.MPIRUN, "--map-by", "core"]
    bound[bound.index("--bind-to") + 1] = "core"
    code, output, result = doctor.run("bound", "--no-measure", ranks=2, launcher=tuple(bound))
    misplaced = {"cores-overcommitted", "ranks-share-cores", "not-bound", "threads-exceed-binding"}
    wrong = [] if result and not misplaced & set(kinds(result)) else [f"exit code {code}: {output[-2000:]}"]
    if os.cpu_count() > 1:
        tests.expect("two ranks bound to a core each", wrong)

    run = doctor.run("one-core", "--threads", 1, ranks=2, launcher=jobs.MPIRUN, before=ONE_CORE)
    tests.expect(
        "two ranks on one core", problems_with(*run, "cores-overcommitted", "error", ranks=[0, 1]))
    many = os.cpu_count() + 1
    run = doctor.run("threads", "--threads", many, "--no-measure", ranks=2, launcher=jobs.MPIRUN, before=ONE_CORE)
    tests.expect(
        "more threads than cores", problems_with(*run, "threads-exceed-binding", "error", ranks=[0, 1]))


def old_processors(tests, doctor):
    qemu = shutil.which("qemu-x86_64")
    if not qemu or platform.machine() != "x86_64":
        tests.say("old processors: skipped: no qemu-x86_64")
        return
    for processor in ("Nehalem", "SandyBridge", "Haswell,-avx2"):
        emulator = (qemu, "-cpu", processor)
        run = doctor.run(f"{processor}-json", before=emulator)
        wrong = problems_with(*run, "processor", "error", ranks=[0])
        code, output, _ = doctor.run(f"{processor}-text", "--model", "bert-base", before=emulator, format="text")
        if code != 70 or "no AVX2" not in output or "left out" not in output:
            wrong.append(f"exit code {code} in words: {output[-2000:]}")
        other = subprocess.run(
            [*emulator, str(tests.lockstep), "tokenize", "--model", "none"], capture_output=True, timeout=SECONDS)
        if other.returncode != 70 or b"expected AVX2 and FMA, found no AVX2" not in other.stderr:
            wrong.append(f"exit code {other.returncode} of another command: {other.stderr[-500:]}")
        tests.expect(f"a processor like {processor}", wrong)
    emulator = (qemu, "-cpu", "Nehalem")
    run = doctor.run("Nehalem-ranks", ranks=2, launcher=jobs.MPIRUN, before=emulator)
    wrong = problems_with(*run, "processor", "error", ranks=[0, 1])
    if run[2] and len(run[2]["links"]) != 2:
        wrong.append(f"expected both directions of a link, found {run[2]['links']}")
    tests.expect("two ranks on a processor like Nehalem", wrong)
    run = doctor.run("whole", "--no-measure", before=(qemu, "-cpu", "max"))
    tests.expect(
        "an emulated processor with all of it",
        [] if run[2] and "processor" not in kinds(run[2]) else [run[1][-2000:]])


def strange_launcher(tests, doctor):
    """As mpiexec of another MPI leaves its ranks: each alone, with the number of all in its environment."""
    run = doctor.run("alien", "--no-measure", extra={"PMI_SIZE": "4", "PMI_RANK": "0"})
    tests.expect("a launcher of another MPI", problems_with(*run, "launcher", "error", ranks=[0]))
    code, output, _ = doctor.run("alien-2", "--no-measure", extra={"PMI_SIZE": "4", "PMI_RANK": "2"})
    tests.expect("its other ranks are silent", [] if (code, output) == (0, "") else [f"exit code {code}: {output}"])


def little_shared_memory(tests, doctor):
    mounted = ("unshare", "--mount", "bash", "-c", 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"', "bash")
    if subprocess.run([*mounted, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        tests.say("a small /dev/shm: skipped: no mount namespace here")
        return
    mpirun = (*mounted, "mpirun", "--oversubscribe", "--bind-to", "none")
    run = doctor.run(
        "shm", "--threads", 1, ranks=2, launcher=mpirun,
        extra={"OMPI_MCA_btl_vader_backing_directory": "/dev/shm"})
    tests.expect("a /dev/shm of 1 MB", problems_with(*run, "shared-memory", "error", ranks=[0, 1]))


def slow_cable(tests, doctor):
    if reason := hosts.missing():
        tests.say(f"hosts: skipped: {reason}")
        return
    here = hosts.Hosts(pathlib.Path(tests.folder), count=3, slots=1)
    here.open()
    try:
        here.shape(rate="40mbit", only=1)
        # Where others use the machine too, a host that gets no core for a while is slow indeed.
        for _ in range(3):
            code, output, result = doctor.run("cable", "--threads", 1, ranks=3, launcher=here.launcher())
            wrong = problems_with_cable(code, output, result)
            if not wrong:
                break
    finally:
        here.close()
    tests.expect("a slow cable", wrong)


def problems_with_cable(code, output, result):
    if result is None:
        return [f"exit code {code}: {output[-2000:]}"]
    slow = [found for found in result["findings"] if found["kind"] == "slow-host" and "sending" in found["found"]]
    wrong = [] if [found["hosts"] for found in slow] == [["node-b"]] else [
        f"expected node-b as slow in sending, found {slow} by {result['links']}"]
    if len(result["links"]) != 6:
        wrong.append(f"expected both directions of three pairs, found {result['links']}")
    if sorted(clock["rank"] for clock in result["clocks"]) != [1, 2] or "clock-skew" in kinds(result):
        wrong.append(f"expected the clocks of two hosts and no skew, found {result['clocks']}")
    return wrong


def main():
    options = checks.parser(__doc__).parse_args()
    with checks.Checks("machines", options) as tests:
        doctor = Doctor(tests)
        this_machine(tests, doctor)
        several_ranks(tests, doctor)
        old_processors(tests, doctor)
        strange_launcher(tests, doctor)
        little_shared_memory(tests, doctor)
        slow_cable(tests, doctor)


if __name__ == "__main__":
    main()
