"""The batch scripts of cluster/slurm under a real Slurm of two nodes (see slurm_cluster.py).

    cluster/slurm/test                                  # installs what is needed, then this
    python3 Tests/Cluster/slurm.py --lockstep PATH [--only NAME,..]

Jobs train as the scripts say, on one node, on two, with srun and with mpirun; they are preempted by a
job of higher priority, run into their time limit, are requeued, cancelled, and lose a node. Expected: the
job's state, whether Slurm queues it again, and the bytes of the run that nothing happened to.
"""

import contextlib
import os
import pathlib
import signal
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(TESTS / "Reliability"))

import checks
import hosts
import runs
import slurm_cluster
import workload

REPOSITORY = TESTS.parent
SCRIPTS = REPOSITORY / "cluster" / "slurm"
STEPS = 60
# Of the run that is interrupted: late enough for a checkpoint, with time left before the end.
EARLY = 12
ONE_NODE = ["--nodes=1", "--ntasks=2", "--cpus-per-task=1"]
TWO_NODES = ["--nodes=2", "--ntasks-per-node=2", "--cpus-per-task=1"]


class SlurmJobs:
    """The tests, by name; each submits jobs and checks what became of them."""

    def __init__(self, tests, cluster, load, reference):
        self.tests, self.cluster, self.load, self.reference = tests, cluster, load, reference

    def environment(self, run):
        folder = self.load.folder
        return {
            "LOCKSTEP": self.load.lockstep, "MODEL": str(folder / "model"), "TRAIN": str(folder / "train"),
            "VALIDATION": str(folder / "validation"), "RUN": str(run),
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            # Ranks of both nodes share the machine's cores.
            "OMPI_MCA_mpi_yield_when_idle": "1"}

    def submit(self, script, name, options, env=None):
        """(job, its run folder, the path of its log)"""
        run = runs.RunFolder(self.tests.folder / name)
        log = self.tests.folder / f"{name}.log"
        job = self.cluster.submit(
            SCRIPTS / script, *self.load.flags, options=[*options, "--time=30", f"--output={log}"],
            env=self.environment(run.path) | (env or {}), cwd=REPOSITORY)
        return job, run, log

    def trains(self, run, job, step=EARLY, seconds=180):
        """Whether the run gets to a step while its job is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if run.last_step() >= step:
                return True
            if self.cluster.state(job) in ("FAILED", "CANCELLED", "COMPLETED"):
                return False
            time.sleep(0.2)
        return False

    def ended_well(self, what, job, run, log, restarts=0, state="COMPLETED"):
        """Waits for the end: the state, how often Slurm started the job again (a number or a range), and the
        run's bytes."""
        found = self.cluster.wait_for_end(job)
        wrong = []
        if found != state:
            wrong.append(f"expected job {job} {state}, found {found or self.cluster.state(job)}")
        allowed = restarts if isinstance(restarts, range) else [restarts]
        if (count := self.cluster.field(job, "Restarts")) not in map(str, allowed):
            wrong.append(f"expected {restarts} restarts, found {count}")
        if state == "COMPLETED":
            wrong += run.problems(STEPS, self.reference)
        if wrong:
            wrong.append(log.read_text()[-3000:] if log.exists() else "no log")
        return self.tests.expect(what, wrong)

    def one_node(self):
        job, run, log = self.submit("one-node.sbatch", "one-node", ONE_NODE)
        self.ended_well("a job on one node", job, run, log)

    def two_nodes_srun(self):
        job, run, log = self.submit("several-nodes.sbatch", "two-nodes-srun", TWO_NODES)
        self.trains(run, job)
        self.tests.expect("srun's ranks are on both nodes", [len(ranks) for ranks in self.ranks_on_each()] == [2, 2])
        self.ended_well("a job on two nodes by srun --mpi=pmix", job, run, log)

    def two_nodes_mpirun(self):
        """USR1 as Slurm sends it before the time limit."""
        job, run, log = self.submit(
            "several-nodes.sbatch", "two-nodes-mpirun", TWO_NODES, {"LAUNCHER": "mpirun"})
        self.trains(run, job)
        self.tests.expect("mpirun's ranks are on both nodes", [len(ranks) for ranks in self.ranks_on_each()] == [2, 2])
        self.cluster.run("scancel", "--batch", "--signal=USR1", job)
        self.ended_well("a job on two nodes by mpirun, stopped and requeued", job, run, log, restarts=1)

    def salloc(self):
        run = runs.RunFolder(self.tests.folder / "salloc")
        done = self.cluster.run(
            "salloc", *TWO_NODES, SCRIPTS / "run", "--launcher", "mpirun", "--", *self.load.command(run.path),
            env=self.environment(run.path))
        wrong = [] if done.returncode == 0 else [f"exit code {done.returncode}: {done.stderr[-2000:]}"]
        self.tests.expect("salloc and mpirun", wrong + run.problems(STEPS, self.reference))

    def preempted(self):
        self.makes_way("preempted")

    def preempted_by_usr1(self):
        """Where Slurm sends preempted jobs their own signal."""
        self.cluster.configure("SlurmctldParameters=preempt_send_user_signal")
        self.makes_way("preempted-by-usr1")
        self.cluster.configure()

    def preempted_mpirun(self):
        """Slurm ends mpirun's daemons, and the ranks with them if they do not save fast enough."""
        self.makes_way("preempted-mpirun", "several-nodes.sbatch", {"LAUNCHER": "mpirun"}, 27, regular=25)

    def makes_way(self, name, script="preemptible.sbatch", env=None, step=EARLY, regular=None):
        """A job is preempted after a step; a checkpoint of its last one, or a regular one, has to be there."""
        job, run, log = self.submit(script, name, ["--partition=low", *TWO_NODES], env)
        self.trains(run, job, step)
        short = self.tests.folder / "short.sh"
        short.write_text("#!/bin/sh\nsleep 3\n")
        other = self.cluster.submit(
            short, options=["--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null"])
        wrong = []
        if self.cluster.wait_for_end(other, seconds=2 * slurm_cluster.GRACE) != "COMPLETED":
            wrong.append("the job of higher priority did not run")
        stopped = run.last_step()
        newest = max(run.checkpoints(), default=0)
        if not step <= stopped < STEPS or newest not in (stopped, regular):
            wrong.append(f"expected a checkpoint of step {regular or stopped}, found {run.checkpoints()}")
        self.tests.expect(f"{name}: makes way with a checkpoint", wrong)
        self.ended_well(f"{name}: goes on when it may", job, run, log, restarts=1)

    def time_limit(self):
        job, run, log = self.submit(
            "one-node.sbatch", "time-limit", [*ONE_NODE, "--signal=B:USR1@20"])
        # Slurm's shortest; a slow machine needs several of them, a fast one is held up until its notice.
        self.cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        self.trains(run, job)
        self.signal_ranks(signal.SIGSTOP)
        try:
            deadline = time.monotonic() + 120
            while "got USR1" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            self.signal_ranks(signal.SIGCONT)
        self.ended_well("a job that runs into its time limit", job, run, log, restarts=range(1, 10))

    def requeued_by_hand(self):
        job, run, log = self.submit("several-nodes.sbatch", "by-hand", TWO_NODES)
        self.trains(run, job)
        self.cluster.run("scontrol", "requeue", job)
        self.ended_well("a job that is requeued by hand", job, run, log, restarts=1)

    def seeds(self):
        array, _, log = self.submit("seeds.sbatch", "seeds", [*ONE_NODE, "--array=42,43%2"])
        found = [runs.RunFolder(self.tests.folder / "seeds" / f"seed-{seed}") for seed in (42, 43)]
        for seed, run in zip((42, 43), found):
            self.trains(run, f"{array}_{seed}")
            self.cluster.run("scancel", "--batch", "--signal=USR1", f"{array}_{seed}")
        self.ended_well("the seed of the reference, stopped and requeued", f"{array}_42", found[0], log, restarts=1)
        # The last task, whose job has the array's number.
        state = self.cluster.wait_for_end(f"{array}_43")
        restarts = self.cluster.field(f"{array}_43", "Restarts")
        wrong = [] if (state, restarts) == ("COMPLETED", "1") else [
            f"expected COMPLETED after 1 restart, found {state} after {restarts}"]
        wrong += found[1].problems(STEPS)
        if not wrong and found[1].digest().weights == self.reference.weights:
            wrong.append("two seeds ended with the same weights")
        self.tests.expect("another seed of the array", wrong)

    def bad_input(self):
        job, run, log = self.submit(
            "preemptible.sbatch", "bad-input", TWO_NODES, {"MODEL": str(self.tests.folder / "nowhere")})
        self.ended_well("a job without a model is not queued again", job, run, log, state="FAILED")
        self.tests.expect("its log names the model", "nowhere" in log.read_text())

    def cancelled(self):
        job, run, log = self.submit("preemptible.sbatch", "cancelled", TWO_NODES)
        self.trains(run, job)
        self.cluster.run("scancel", job)
        self.ended_well("a cancelled job is not queued again", job, run, log, state="CANCELLED")
        self.tests.expect("it leaves a checkpoint of its last step", run.last_step() in run.checkpoints())
        job, run, log = self.submit("preemptible.sbatch", "cancelled", TWO_NODES)
        self.ended_well("a cancelled job that is submitted again", job, run, log)

    def loses_a_node(self, launcher):
        """Every process of a node is killed, its slurmd too; later the node comes back."""
        job, run, log = self.submit(
            "several-nodes.sbatch", f"lost-node-{launcher}", TWO_NODES, {"LAUNCHER": launcher})
        self.trains(run, job, 27)
        self.cluster.here.kill(1)
        queued = self.cluster.wait_for_state(job, "PENDING", seconds=120)
        self.tests.expect(
            f"a job of {launcher} that lost a node is queued again", [] if queued else [log.read_text()[-2000:]])
        self.cluster.start_node(1)
        self.cluster.wait_for_nodes()
        self.ended_well(f"a job of {launcher} goes on when its node is back", job, run, log, restarts=1)

    def lost_node_srun(self):
        self.loses_a_node("srun")

    def lost_node_mpirun(self):
        self.loses_a_node("mpirun")

    def ranks_on_each(self):
        """[hosts] The processes that are ranks there."""
        return [
            [pid for pid, program in self.cluster.here.programs(name) if program == self.load.program]
            for name in self.cluster.here.names]

    def signal_ranks(self, number):
        for pid in sum(self.ranks_on_each(), []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


TESTS_BY_NAME = {
    name: getattr(SlurmJobs, name) for name in (
        "one_node", "two_nodes_srun", "two_nodes_mpirun", "salloc", "preempted", "preempted_by_usr1", "preempted_mpirun",
        "time_limit", "requeued_by_hand", "seeds", "bad_input", "cancelled",
        "lost_node_srun", "lost_node_mpirun")}


def main():
    options = checks.choose(checks.parser(__doc__), TESTS_BY_NAME)
    with checks.Checks("slurm", options) as tests:
        if reason := hosts.missing() or slurm_cluster.missing():
            tests.expect("Slurm can run here", [reason])
            return
        load, reference = workload.small(tests, STEPS)
        here = hosts.Hosts(tests.folder)
        here.open()
        try:
            with slurm_cluster.SlurmCluster(tests.folder / "slurm", here) as cluster:
                checks.run(tests, options, TESTS_BY_NAME, SlurmJobs(tests, cluster, load, reference))
        finally:
            here.close()


if __name__ == "__main__":
    main()
