"""Asking 400 hosts through Ansible and OpenSSH: `python tests/perf/ansible_hosts.py`, part of `make perf`.

Server, client and controller share this machine. What Ansible and OpenSSH take by themselves is measured in turns with
it: the module `raw`, which has every host run `true`. Each round begins without open connections.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from perf_figures import Figures

from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envinspect.inspection import inspect

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/e2e"))

from ssh_hosts import SshHosts, lacking, ssh_hosts  # noqa: E402 - found only now

HOSTS, FEW = 400, 24
ROUNDS = 8
LIMIT_S = 60.0
TO_RAW_LIMIT = 1.3
ASK, RAW = ("envinspect.envinspect.environment_facts",), ("raw", "-a", "true")


class Controller:
    """Ansible with a home of its own, and an inventory of so many hosts."""

    def __init__(self, folder: Path, hosts: SshHosts, count: int) -> None:
        self._tree = folder / f"tree-{count}"
        self._hosts = hosts
        inventory = folder / f"hosts-{count}"
        inventory.write_text("".join(f"host-{number} {hosts.add()}\n" for number in range(count)))
        self._command = (Path(sys.executable).with_name("ansible"), "-i", inventory, "all", "-f", "8", "-t", self._tree)
        self._environment = {
            **os.environ, "HOME": str(folder), "ANSIBLE_HOME": str(folder), "ANSIBLE_HOST_KEY_CHECKING": "False",
            "PYTHONPATH": str(REPOSITORY / "inspector"), "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def taken_s(self, module: Sequence[str]) -> float:
        """Run a module on all hosts, which must go well; return the seconds from outside."""
        self._hosts.disconnect()
        began_ns = monotonic_ns()
        subprocess.run([*self._command, "-m", *module], env=self._environment, capture_output=True, check=True)
        return (monotonic_ns() - began_ns) / NS_PER_S

    def told(self) -> list[list[str]]:
        """Return what each host that answered said it runs on, outermost layer first."""
        found = [json.loads(path.read_text("utf-8")) for path in self._tree.iterdir()]
        return [one["ansible_facts"]["envinspect"]["layers"] for one in found]


def main() -> int:
    """Ask a few hosts in turns with `raw`, then many once; say the figures."""
    figures = Figures()
    if lacking():
        figures.lack(f"ansible_hosts: takes {lacking()}")
        return figures.ended()
    own = [layer.id for layer in inspect().stack.layers]
    with tempfile.TemporaryDirectory(prefix="envinspect-perf-") as name, ssh_hosts() as hosts:
        few = Controller(Path(name), hosts, FEW)
        ratios = [few.taken_s(ASK) / few.taken_s(RAW) for _ in range(ROUNDS)]
        many = Controller(Path(name), hosts, HOSTS)
        took_s = many.taken_s(ASK)
        right = many.told().count(own)
        floor_s = many.taken_s(RAW)
    figures.take(f"{FEW} hosts over ssh / Ansible's raw", "ratio", ratios, most=TO_RAW_LIMIT)
    figures.take(f"{HOSTS} hosts over ssh", "s", [took_s], most=LIMIT_S)
    figures.take(f"{HOSTS} hosts over ssh, Ansible's raw", "s", [floor_s])
    figures.take(f"{HOSTS} hosts over ssh: answers that are not right", "hosts", [HOSTS - right], most=0)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
