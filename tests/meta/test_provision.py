"""What benchmarks/provision.sh starts and stops, under a stand-in for systemd: systemd does not run where tests run."""

import os
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/provision.sh"
SYSTEMCTL = """\
#!/bin/sh
verb=$1; shift
[ "$1" != --quiet ] || shift
case $verb in
  cat) [ "$1" != "$UNKNOWN" ] ;;
  is-active) test -e "$UNITS/$1" ;;
  is-failed) test ! -e "$UNITS/$1" ;;
  start)
    [ ! "$REFUSES" ] || { echo "Failed to start $1: Unit $1 not found." >&2; exit 5; }
    touch "$UNITS/$1" "$UNITS/virtlogd.socket"
    ;;
  stop) rm -f "$UNITS/$1"; echo "$1" >>"$UNITS.stopped" ;;
esac
"""
VIRSH = '#!/bin/sh\ntest -e "$UNITS/libvirtd.service" -o -e "$UNITS/virtqemud.socket"\n'


class Machine:
    """A folder of programs that stand in for systemd's and libvirt's, and of one file for each active unit."""

    def __init__(self, folder: Path, daemon: str) -> None:
        self.units = folder / "units"
        programs = {"systemctl": SYSTEMCTL, "virsh": VIRSH, "id": "#!/bin/sh\necho 0\n", daemon: "#!/bin/sh\n"}
        for name, text in programs.items():
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        self.units.mkdir()
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "UNITS": str(self.units),
            "REFUSES": "",
            "UNKNOWN": "",
            "PROVISION_SKIP": "packages",
            "PROVISION_SYSTEMD": str(folder),
        }

    def provision(self, *words: str, **env: str) -> str:
        done = subprocess.run(
            [SCRIPT, *words], env={**self._env, **env}, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout + done.stderr

    def active(self) -> set[str]:
        return {path.name for path in self.units.iterdir() if not path.name.startswith(("docker", "containerd"))}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "libvirtd")


def test_units_that_were_active_before_stay(machine: Machine) -> None:
    (machine.units / "virtlogd.socket").touch()
    assert "libvirtd: started" in machine.provision()
    assert machine.active() == {"virtlogd.socket", "libvirtd.service"}
    machine.provision()
    assert "libvirtd.service: stopped" in machine.provision("stop")
    assert machine.active() == {"virtlogd.socket"}


def test_units_that_came_along_are_stopped_too(machine: Machine) -> None:
    machine.provision()
    assert machine.active() == {"virtlogd.socket", "libvirtd.service"}
    machine.provision("stop")
    assert machine.active() == set()
    assert "no daemon was started from here" in machine.provision("stop")


def test_what_is_noted_of_an_earlier_boot_stops_nothing(machine: Machine, tmp_path: Path) -> None:
    notes = tmp_path / ".local/state/envbench/daemons-started"
    notes.parent.mkdir(parents=True)
    notes.write_text("another-boot unit libvirtd.service\n")
    (machine.units / "libvirtd.service").touch()
    machine.provision("stop")
    assert machine.active() == {"libvirtd.service"}


def test_a_refused_start_says_why_and_does_not_wait(machine: Machine) -> None:
    began_s = time.monotonic()
    said = machine.provision(REFUSES="yes")
    assert "libvirtd: MISSING: systemctl start libvirtd.service: Failed to start libvirtd.service: Unit" in said
    assert "(try: journalctl --unit libvirtd.service)" in said
    assert time.monotonic() - began_s < 25, "it waited for a daemon that was never started"


def test_a_daemon_for_each_driver_is_libvirt_as_well(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "virtqemud")
    assert "virtqemud: started" in machine.provision(UNKNOWN="libvirtd.service")
    assert "virtqemud.socket" in machine.active()
