"""A node vanishes from the network: the job ends in time, mpirun too, and goes on elsewhere.

Two network namespaces with a cable between them play two hosts, each with a host name of its own. Ranks
run on both; then the cable is cut. Expected: a message that names a rank of the lost host, its host, what
it was doing and the step; no process left on either side; a resume on the remaining host that ends with
the undisturbed run's bytes.
"""

import pathlib
import re
import time

import checks
import hosts
import runs
import workload

STEPS = 80
WATCHDOG = 8


def left(here, seconds):
    """What is still running on any host after so many seconds at most."""
    deadline = time.monotonic() + seconds
    while (pids := sum(map(here.processes, here.names), [])) and time.monotonic() < deadline:
        time.sleep(0.1)
    return pids


def lost_node(tests, here):
    load = workload.Workload(
        tests.lockstep, tests.folder / "load", hidden=128, words=12_000, flags=[
            "--max-steps", STEPS, "--batch-size", 128, "--micro-batches", 4, "--learning-rate", 1e-3,
            "--evaluate-every", STEPS, "--save-every", 10, "--keep", 1])
    reference = runs.RunFolder(load.folder / "undisturbed")
    code, output = load.finish(reference.path, 2)
    tests.expect("the undisturbed run ends with 0", [] if code == 0 else [output])

    run = runs.RunFolder(tests.folder / "run")
    job = load.start(run.path, 4, "--watchdog", WATCHDOG, launcher=here.launcher())
    if not job.wait_until(lambda: run.last_step() >= 24, 60):
        tests.expect("the job trains on both hosts", [job.excerpt()])
        return
    here.cut(1)
    start = time.monotonic()
    # Three quarters of the watchdog's time, five seconds for mpirun, two to kill it.
    code = job.wait(WATCHDOG + 12)
    took = time.monotonic() - start
    remaining = left(here, WATCHDOG + 12)
    lines = re.findall(r"lockstep: error: rank [13] on node-b: .* of step \d+;.*", job.output())
    excerpt = job.excerpt()
    job.end()
    wrong = [] if lines else [f"expected a line that names a rank of node-b and its step: {excerpt}"]
    if code in (None, 0):
        wrong.append(f"expected mpirun to fail, found exit code {code} after {took:.1f} s")
    if remaining:
        wrong.append(f"processes are left: {remaining}")
    tests.expect("the job of a lost node ends", wrong)
    tests.say(f"cable cut at step {run.last_step()}: exit code {code} after {took:.1f} s: {lines[:1]}")

    code, output = load.finish(run.path, 2)
    wrong = [] if code == 0 else [f"exit code {code} after the resume: {output}"]
    tests.expect("the resume elsewhere", wrong or run.problems(STEPS, reference.digest(), keep=1))


def main():
    options = checks.parser(__doc__).parse_args()
    with checks.Checks("lost-node", options) as tests:
        if reason := hosts.missing():
            tests.expect("skipped", True)
            print(f"lost-node: skipped: {reason}")
            return
        here = hosts.Hosts(pathlib.Path(tests.folder))
        here.open()
        try:
            lost_node(tests, here)
        finally:
            here.close()


if __name__ == "__main__":
    main()
