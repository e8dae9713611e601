"""Hosts made of network namespaces: each with a network device, a host name and a /dev/shm of its own,
cables to one switch, and cores and files shared with the machine. Needs root.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess

# Of the first host; the others follow.
NETWORK = "10.77.0"


def missing():
    """Why hosts cannot be made here; None when they can."""
    if os.geteuid() != 0:
        return "not root"
    absent = [name for name in ("ip", "unshare") if not shutil.which(name)]
    if absent:
        return f"no {' / no '.join(absent)}"
    name = f"lockstep-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE)
    if made.returncode != 0:
        return f"no network namespaces: {made.stderr.decode().strip()}"
    _ip("netns", "del", name)
    return None


class Hosts:
    """`count` hosts called node-a, node-b .., from `open` to `close`."""

    def __init__(self, folder, count=2, slots=2):
        letters = "abcdefgh"[:count]
        prefix = f"lockstep-{os.getpid()}"
        self.switch = f"{prefix}-switch"
        self.names = [f"{prefix}-{letter}" for letter in letters]
        self.devices = [f"ls{os.getpid()}{letter}" for letter in letters]
        self.addresses = [f"{NETWORK}.{number + 1}" for number in range(count)]
        self.host_names = [f"node-{letter}" for letter in letters]
        lines = [f"{address} {host}\n" for address, host in zip(self.addresses, self.host_names)]
        self.names_file = folder / "etc-hosts"
        self.names_file.write_text("".join(["127.0.0.1 localhost\n", *lines]))
        # enter HOST COMMAND...: what is mounted here is seen by the command alone.
        self.enter = folder / "enter"
        self.enter.write_text(
            "#!/usr/bin/env bash\nset -e\n"
            'if [[ $1 == --inside ]]; then\n  hostname "$2"\n'
            f"  mount --bind {shlex.quote(str(self.names_file))} /etc/hosts\n"
            "  mount -t tmpfs lockstep-shm /dev/shm\n"
            '  exec "${@:3}"\nfi\n'
            f'exec ip netns exec "{prefix}-${{1#node-}}" unshare --uts --mount "$0" --inside "$@"\n')
        self.enter.chmod(0o755)
        # What mpirun starts its daemons on the other hosts with, in place of ssh.
        self.agent = folder / "agent"
        cases = "".join(
            f"{address}) host={host} ;;\n" for address, host in zip(self.addresses, self.host_names))
        self.agent.write_text(
            "#!/usr/bin/env bash\nwhile [[ $1 == -* ]]; do shift; done\n"
            f"case $1 in\n{cases}*) exit 1 ;;\nesac\nshift\n"
            f'exec {shlex.quote(str(self.enter))} "$host" bash -c "$*"\n')
        self.agent.chmod(0o755)
        self.list = folder / "hosts"
        self.list.write_text("".join(f"{address} slots={slots}\n" for address in self.addresses))
        self.counters = []

    def open(self):
        try:
            _ip("netns", "add", self.switch)
            _ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
            _ip("-n", self.switch, "link", "set", "switch", "up")
            for name, device, address in zip(self.names, self.devices, self.addresses):
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
                _ip("link", "add", device, "netns", name, "type", "veth", "peer", "name", device,
                    "netns", self.switch)
                _ip("-n", self.switch, "link", "set", device, "master", "switch")
                _ip("-n", self.switch, "link", "set", device, "up")
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
                _ip("-n", name, "link", "set", device, "up")
                self.counters.append(_open_counters(name))
        except BaseException:
            self.close()
            raise

    def close(self):
        while self.counters:
            self.counters.pop().close()
        for index in range(len(self.names)):
            self.kill(index)
        for name in [*self.names, self.switch]:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def launcher(self):
        """The start of a job's command line: mpirun on the first host."""
        mpirun = [
            "mpirun", "--hostfile", str(self.list), "--map-by", "node", "--oversubscribe", "--bind-to",
            "none", "--mca", "mpi_yield_when_idle", "1", "--mca", "plm_rsh_agent", str(self.agent),
            "--mca", "plm_rsh_no_tree_spawn", "1", "--mca", "btl", "self,vader,tcp", "--mca",
            "btl_vader_single_copy_mechanism", "none"]
        for layer in ("btl_tcp", "oob_tcp"):
            mpirun += ["--mca", f"{layer}_if_include", f"{NETWORK}.0/24"]
        return (*self.on(0), *mpirun)

    def on(self, index):
        """The start of a command line that runs on one host."""
        return (str(self.enter), self.host_names[index])

    def cut(self, index):
        """Pulls a host's cable."""
        _ip("-n", self.names[index], "link", "set", self.devices[index], "down")

    def mend(self, index):
        """Puts a host's cable back."""
        _ip("-n", self.names[index], "link", "set", self.devices[index], "up")

    def kill(self, index):
        """Ends every process of a host at once."""
        for pid in self.processes(self.names[index]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def shape(self, rate=None, delay=None, only=None):
        """Bounds what every host sends, `1gbit`, and delays it, `0.1ms`; None: as fast as it goes. Of one
        host alone where `only` is its index.

        Raises `subprocess.CalledProcessError` where the kernel lacks tbf or netem.
        """
        chosen = slice(None) if only is None else slice(only, only + 1)
        for name, device in zip(self.names[chosen], self.devices[chosen]):
            queue = ["tc", "-n", name, "qdisc"]
            subprocess.run([*queue, "del", "dev", device, "root"], stderr=subprocess.DEVNULL)
            parent = ["root"]
            if rate:
                _run([*queue, "add", "dev", device, *parent, "handle", "1:", "tbf", "rate", rate,
                      "burst", "256kb", "latency", "50ms"])
                parent = ["parent", "1:"]
            if delay:
                _run([*queue, "add", "dev", device, *parent, "netem", "delay", delay, "limit", "10000"])

    def sent(self):
        """[hosts] Bytes that went out over the cables so far; takes microseconds."""
        return [_sent(file, device) for file, device in zip(self.counters, self.devices)]

    def processes(self, name):
        """Process numbers on one host."""
        found = subprocess.run(["ip", "netns", "pids", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return [int(pid) for pid in found.stdout.split()]

    def programs(self, name):
        """[(process, its program's name)] on one host."""
        found = []
        for pid in self.processes(name):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    found.append((pid, file.read().rstrip("\n")))
            except OSError:
                continue
        return found


def _open_counters(name):
    """A host's /proc/net/dev, which stays that host's wherever it is read."""
    inside = subprocess.Popen(
        ["ip", "netns", "exec", name, "sh", "-c", "echo; read line"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)
    try:
        inside.stdout.readline()
        return open(f"/proc/{inside.pid}/net/dev", buffering=1)
    finally:
        inside.communicate()


def _sent(file, device):
    file.seek(0)
    for line in file:
        interface, _, numbers = line.partition(":")
        if interface.strip() == device:
            return int(numbers.split()[8])
    raise RuntimeError(f"no {device} among the host's devices")


def _run(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _ip(*words):
    _run(["ip", *words])
