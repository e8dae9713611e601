"""A Slurm of two nodes on this machine: Debian's munged, slurmctld and slurmd, each started here in a
network namespace of its node, with a key, a configuration and all state in one folder. Needs root.

Nodes claim more CPUs than the machine has, tasks are not bound (task/none) and found by their ancestry
(proctrack/linuxproc): no cgroup is asked for. Jobs of the partition `high` preempt those of `low`, which
have GRACE seconds to stop.
"""

import os
import pathlib
import re
import secrets
import shutil
import subprocess
import time

CPUS = 4
GRACE = 60

CONFIGURATION = """\
ClusterName=lockstep
SlurmctldHost={names[0]}({addresses[0]})
AuthType=auth/munge
# A requeued job waits until its credential has expired: two minutes unless told otherwise.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{more}
KillWait=20
SlurmdTimeout=20
ReturnToService=2
SlurmdParameters=config_overrides
MpiDefault=none
{nodes}
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace}
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
"""


class SlurmCluster:
    """Use as a context, on hosts that are open. `folder` has to be short: Unix sockets are in it."""

    def __init__(self, folder, here):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.here = here
        self.daemons = {}
        for name in ("state", *(f"spool-{host}" for host in here.host_names)):
            (self.folder / name).mkdir()
        self.configuration = self.folder / "slurm.conf"
        self._write_configuration()
        # Without it slurmd looks for a cgroup of its own.
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        # A folder that the nodes do not share, as /tmp is here.
        (self.folder / "mpi.conf").write_text("PMIxCliTmpDirBase=/dev/shm\n")
        self.environment = os.environ | {"SLURM_CONF": str(self.configuration)}

    def __enter__(self):
        try:
            self._start_munge()
            self._start(0, "slurmctld", ["slurmctld", "-D", "-f", str(self.configuration)])
            for index in range(len(self.here.names)):
                self.start_node(index)
            self.wait_for_nodes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """Ends the daemons, the last one first: slurmd ends what is left of its jobs."""
        for name in reversed(list(self.daemons)):
            daemon = self.daemons.pop(name)
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _write_configuration(self, more=""):
        nodes = "\n".join(
            f"NodeName={name} NodeAddr={address} CPUs={CPUS} State=UNKNOWN"
            for name, address in zip(self.here.host_names, self.here.addresses))
        self.configuration.write_text(CONFIGURATION.format(
            folder=self.folder, names=self.here.host_names, addresses=self.here.addresses, nodes=nodes,
            grace=GRACE, more=more))

    def configure(self, more=""):
        """Adds a line to the configuration, instead of the one that was added before."""
        self._write_configuration(more)
        done = self.run("scontrol", "reconfigure")
        if done.returncode != 0:
            raise RuntimeError(f"scontrol reconfigure: {done.stderr}")

    def start_node(self, index):
        """Starts a node's slurmd, once more after the node was killed."""
        self._start(
            index, f"slurmd-{self.here.host_names[index]}",
            ["slurmd", "-D", "-f", str(self.configuration)])

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        socket = self.folder / "munge.socket"
        self._start(0, "munged", [
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={socket}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed", "--num-threads=4"])
        self._wait(socket.exists, 30, "munged to listen")

    def _start(self, index, name, command):
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(
                [*self.here.on(index), *command], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, cwd=self.folder)

    def _wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    raise RuntimeError(f"{name} ended with {daemon.returncode}: {self.log(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"waited {seconds} s for {what}\n" + "\n".join(map(self.log, self.daemons)))
            time.sleep(0.1)

    def log(self, name):
        """The end of a daemon's log."""
        lines = []
        for suffix in ("log", "out"):
            path = self.folder / f"{name}.{suffix}"
            lines += path.read_text(errors="replace").splitlines()[-8:] if path.exists() else []
        return f"{name}:\n" + "\n".join(lines)

    def wait_for_nodes(self, seconds=120):
        def idle():
            states = self.run("sinfo", "--Node", "--noheader", "--partition", "low", "--format=%T")
            return states.stdout.split() == ["idle"] * len(self.here.names)
        self._wait(idle, seconds, "the nodes to be idle")

    def run(self, *command, node=0, **options):
        """Runs one of Slurm's commands, or any other, on a node; never raises for its exit code."""
        return subprocess.run(
            [*self.here.on(node), *map(str, command)], env=self.environment | options.pop("env", {}),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, **options)

    def submit(self, script, *arguments, options=(), env=None, cwd=None):
        """The number of the job that `sbatch OPTIONS SCRIPT ARGUMENTS` queues."""
        done = self.run("sbatch", "--parsable", *options, script, *arguments, env=env or {}, cwd=cwd)
        if done.returncode != 0:
            raise RuntimeError(f"sbatch {script}: {done.stderr}")
        return done.stdout.split(";")[0].strip()

    def field(self, job, name):
        """A field of `scontrol show job`, None when the job is not known."""
        shown = self.run("scontrol", "show", "job", "--oneliner", job).stdout
        match = re.search(rf"(?:^|\s){name}=(\S*)", shown)
        return match[1] if match else None

    def state(self, job):
        """RUNNING, PENDING, COMPLETED .."""
        return self.field(job, "JobState")

    def wait_for_state(self, job, *states, seconds=300):
        """Whether the job gets into one of the states."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.state(job) in states:
                return True
            time.sleep(0.3)
        return False

    def wait_for_end(self, job, seconds=300):
        """The job's last state; None when it takes longer."""
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")
        return self.state(job) if self.wait_for_state(job, *ended, seconds=seconds) else None


def missing():
    """Why Slurm cannot run here; None when it can."""
    absent = [
        name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "mpirun")
        if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")]
    return f"no {' / no '.join(absent)}" if absent else None
