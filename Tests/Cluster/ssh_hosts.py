"""Hosts of network namespaces that ssh reaches: an sshd on each, with a host key of its own, and a key and
known hosts for the client, all in one folder."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time

SERVER = """\
HostKey {folder}/{host}.key
AuthorizedKeysFile {folder}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""

CLIENT = """\
Host *
  User root
  IdentityFile {folder}/client
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""


@contextlib.contextmanager
def separation_folder():
    """The folder that sshd locks itself into before it knows a client, which its package makes at boot."""
    folder = pathlib.Path("/run/sshd")
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        if made:
            folder.rmdir()


class SshHosts:
    """Use as a context, on hosts that are open."""

    def __init__(self, folder, here):
        self.folder, self.here = pathlib.Path(folder), here
        self.folder.mkdir()
        self.servers = {}
        self._make_key("client")
        known = []
        for host, address in zip(here.host_names, here.addresses):
            self._make_key(f"{host}.key")
            kind, key, *_ = (self.folder / f"{host}.key.pub").read_text().split()
            known.append(f"{host},{address} {kind} {key}\n")
            (self.folder / f"{host}.sshd").write_text(SERVER.format(folder=self.folder, host=host))
        (self.folder / "known_hosts").write_text("".join(known))
        self.client = self.folder / "client.conf"
        self.client.write_text(CLIENT.format(folder=self.folder))

    def __enter__(self):
        self.separation = separation_folder()
        self.separation.__enter__()
        try:
            for index in range(len(self.here.names)):
                self.serve(index)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.kill()
            server.wait()
        self.separation.__exit__(None, None, None)

    def serve(self, index, seconds=30):
        """Starts a host's sshd, once more after the host was killed, and waits until it answers."""
        host = self.here.host_names[index]
        if index in self.servers:
            self.servers[index].wait(seconds)
        with open(self.folder / f"{host}.log", "ab") as log:
            # By its full path, which it asks for.
            self.servers[index] = subprocess.Popen(
                [*self.here.on(index), shutil.which("sshd", path="/usr/sbin:/usr/local/sbin"), "-D", "-e",
                 "-f", str(self.folder / f"{host}.sshd")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + seconds
        while self.ssh(host, "true").returncode != 0:
            if time.monotonic() > deadline or self.servers[index].poll() is not None:
                raise RuntimeError(f"sshd on {host}: {(self.folder / f'{host}.log').read_text()}")
            time.sleep(0.2)

    def ssh(self, host, command):
        """Runs a command there, as the first host would."""
        return subprocess.run(
            [*self.here.on(0), "ssh", "-F", str(self.client), "-o", "ConnectTimeout=5", host, command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def hostfile(self, name, *indices, slots=1):
        """The path of a host file of these hosts."""
        path = self.folder / name
        path.write_text("".join(f"{self.here.host_names[index]} slots={slots}\n" for index in indices))
        return path

    def _make_key(self, name):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name)],
            check=True, stdin=subprocess.DEVNULL)


def missing():
    """Why there can be no ssh here; None when there can."""
    absent = [
        name for name in ("ssh", "sshd", "ssh-keygen", "mpirun", "tc")
        if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")]
    return f"no {' / no '.join(absent)}" if absent else None
