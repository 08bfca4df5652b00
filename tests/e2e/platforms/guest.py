"""A Debian 13 machine as a lab: the trixie tree on a disk of its own, booted by QEMU with firmware, systemd as PID 1.

Emulated (TCG): it says what works there, never how fast. No network; the results leave through a virtio port.
"""

import hashlib
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from environments.lab import cache_dir

from platforms.stage import make_stage
from platforms.steps import STAGE, Outcome, Step, read_outcomes, write_plan
from platforms.tree import tree_folder

SUITE = "trixie"
DISK_SIZE = "6G"
BOOT_DEADLINE_S = 900

UNIT = f"""\
[Unit]
Description=Takes the steps of the plan and powers off
After=multi-user.target
RequiresMountsFor={STAGE}

[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=HOME=/root LANG=C.UTF-8 PATH={STAGE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/usr/bin/python3 {STAGE}/inside.py {STAGE}/plan.json /dev/virtio-ports/results
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=journal+console
StandardError=journal+console
"""

FSTAB = f"/dev/vda / ext4 rw 0 0\n/dev/vdb {STAGE} ext4 rw 0 0\n"

# Seen through an overlay, so that the tree stays as it is and nothing is copied.
MAKE_DISK = """\
set -eu
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mke2fs -q -F -t ext4 -L root -d "$2/root" "$3" "$4"
"""


def guest_disk() -> Path:
    """Return the machine's disk, made on the first call and whenever the tree or what is added to it has changed."""
    tree = tree_folder(SUITE)
    parts = (tree.with_name(f"{tree.name}.made-of"), tree / "opt/envbench/made-of")
    made_of = "".join(part.read_text() for part in parts) + UNIT + FSTAB
    disk = cache_dir() / f"platform-guest-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.img"
    if not disk.exists():
        for old in cache_dir().glob("platform-guest-*.img"):
            old.unlink()
        with tempfile.TemporaryDirectory(prefix="guest-", dir=cache_dir()) as scratch:
            folder = Path(scratch)
            units = folder / "upper/etc/systemd/system"
            (units / "multi-user.target.wants").mkdir(parents=True)
            (folder / "upper/etc/fstab").write_text(FSTAB)
            (folder / "upper/srv/stage").mkdir(parents=True)
            (units / "platform-steps.service").write_text(UNIT)
            (units / "multi-user.target.wants/platform-steps.service").symlink_to("../platform-steps.service")
            for name in ("work", "root"):
                (folder / name).mkdir()
            made = folder / "disk.img"
            command = ["unshare", "--mount", "sh", "-c", MAKE_DISK, "sh", tree, folder, made, DISK_SIZE]
            subprocess.run([str(word) for word in command], check=True)
            made.rename(disk)
    return disk


def take(steps: Sequence[Step], *, deadline_s: float) -> dict[str, Outcome]:
    """Boot the machine, take the steps and return what came of each; the machine is gone afterwards.

    Steps that were not reached before the deadline have no outcome.
    """
    disk = guest_disk()
    scratch = Path(tempfile.mkdtemp(prefix=f"envinspect-e2e-{secrets.token_hex(4)}-", dir=cache_dir()))
    try:
        stage = make_stage(scratch / "stage")
        write_plan(steps, stage / "plan.json")
        second = scratch / "stage.img"
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(stage), str(second), "256M"], check=True)
        boot = tree_folder(SUITE) / "boot"
        kernel, initrd = next(boot.glob("vmlinuz-*")), next(boot.glob("initrd.img-*"))
        console, results = scratch / "console", scratch / "results"
        command = [
            *("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"),
            *("-smp", "2", "-m", "4G", "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}"),
            *("-kernel", kernel, "-initrd", initrd, "-append", "root=/dev/vda rw console=ttyS0 panic=-1"),
            # The disk of the cache stays as it is; what is written goes into a temporary file beside it.
            *("-drive", f"file={disk},format=raw,if=virtio,snapshot=on,cache=unsafe"),
            *("-drive", f"file={second},format=raw,if=virtio,cache=unsafe"),
            *("-device", "virtio-serial", "-chardev", f"file,id=results,path={results}"),
            *("-device", "virtserialport,chardev=results,name=results", "-device", "virtio-rng-pci"),
        ]
        machine = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            machine.wait(deadline_s)
        except subprocess.TimeoutExpired:
            machine.kill()
            machine.wait()
        outcomes = read_outcomes(results)
        if not outcomes:
            said = console.read_text(errors="replace")[-3000:] if console.exists() else "nothing"
            raise AssertionError(f"the machine took no step; its console said: {said}")
        return outcomes
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
