"""Hosts behind one real sshd: each address of 127.0.0.0/8 is a host, and the key opens none from elsewhere."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOOLS = ("sh", "base64", "head", "stat", "ls", "uname", "id", "cat", "od", "dd", "sed", "tail")
_FORCED = """#!/bin/sh
set -- $SSH_CONNECTION
[ -f "{folder}/$3.wire" ] || PATH={folder}/bin exec sh -c "$SSH_ORIGINAL_COMMAND"
number=$(sed -n "s/^ask \\([0-9]*\\) '.*/\\1/p" | tail -n 1)
exec sed "s/ begin 1 / begin $number /; s/ end 1 / end $number /" "{folder}/$3.wire"
"""


class SshHosts:
    """Each host is this machine without Python on its PATH, or what it was told to answer as."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._count = 0

    def add(self, wire: str = "") -> str:
        """Add a host; return its variables for an inventory. `wire` is what it answers whatever it is asked."""
        self._count += 1
        address = f"127.0.{self._count // 250 + 1}.{self._count % 250 + 1}"
        if wire:
            (self._folder / f"{address}.wire").write_text(wire)
        return (
            f"ansible_host={address} ansible_port={self._port} ansible_user=root "
            f"ansible_ssh_private_key_file={self._folder}/user ansible_control_path_dir={self._folder}/cp "
            f"ansible_ssh_extra_args='-F none -o UserKnownHostsFile={self._folder}/known'"
        )

    def disconnect(self) -> None:
        """End the connections that the client keeps open for what comes next."""
        for path in (self._folder / "cp").glob("*"):
            subprocess.run(
                ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "_"], capture_output=True, check=False
            )


def lacking() -> str:
    """Return what is not here of what such hosts take, "" where nothing is missing."""
    missing = [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
    missing += [] if _sshd() else ["sshd"]
    return " and ".join(missing + ([] if os.geteuid() == 0 else ["root"]))


@contextmanager
def ssh_hosts() -> Iterator[SshHosts]:
    """Start the server; end it and every connection to it afterwards."""
    # A short path: that of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="envinspect-ssh-") as name, socket.socket() as free:
        folder = Path(name)
        for part in ("bin", "cp"):
            (folder / part).mkdir()
        for tool in TOOLS:
            (folder / "bin" / tool).symlink_to(str(shutil.which(tool)))
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        _configure(folder, port)
        Path("/run/sshd").mkdir(exist_ok=True)
        hosts = SshHosts(folder, port)
        with (folder / "log").open("w") as log:
            server = subprocess.Popen([_sshd(), "-D", "-e", "-f", folder / "config"], stderr=log)
        try:
            _wait_for(port, server, folder / "log")
            yield hosts
        finally:
            hosts.disconnect()
            server.terminate()
            server.wait(10)


def _sshd() -> str:
    return shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin") or ""


def _configure(folder: Path, port: int) -> None:
    """Write what sshd goes by: one key opens it, and a host that was told what to answer runs no command."""
    (folder / "authorized").write_text(f'from="127.0.0.0/8" {(folder / "user.pub").read_text()}')
    forced = folder / "forced"
    forced.write_text(_FORCED.format(folder=folder))
    forced.chmod(0o755)
    settings = {
        "Port": port,
        "AddressFamily": "inet",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": folder / "pid",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "no",
        "ForceCommand": forced,
        "MaxStartups": "200",
        # bash reads ~/.bashrc for each command over ssh; what stands in the one here is no part of a host.
        "SetEnv": f"HOME={folder}",
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(100):
        assert server.poll() is None, log.read_text()
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
