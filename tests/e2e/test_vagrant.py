"""`vagrant up` by its libvirt provider, beside a plain start of the same disk; killed or not, nothing of it is left."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.inspector.shells import can_be_had

from envbench.backend import Usable
from envbench.backends import load as load_backend
from envbench.experiments.kernel import vagrant
from envbench.payload.kernel import default_cache_dir
from envbench.records.samples import SampleWriter, read_samples
from envbench.run.audit import traces_of
from envbench.run.bench import Bench, Prepared
from envbench.run.reaper import reap
from envbench.run.sampler import Sampler
from envbench.settings import Configuration, Settings, new_run_id
from envbench.traces.journal import Journal

pytestmark = [
    pytest.mark.engine("libvirt"),
    pytest.mark.timeout(1200),
    pytest.mark.applies(can_be_had("vagrant"), "this release has no Vagrant"),
]
VIRSH = ("virsh", "--quiet", "--connect", "qemu:///system")
LISTS = (("list",), ("net-list",), ("pool-list",))
DNSMASQ = Path("/var/lib/libvirt/dnsmasq")

# A process that tries Vagrant, and is killed while it does.
HOLDER = """\
import sys
from pathlib import Path
from envbench.backends import load
from envbench.experiments.kernel import vagrant
from envbench.records.samples import SampleWriter
from envbench.run.bench import Bench, Prepared
from envbench.run.sampler import Sampler
from envbench.settings import Configuration, Settings
from envbench.traces.journal import Journal
run_id, work_dir, cache_dir, state = sys.argv[1:]
settings = Settings(run_id, Path(work_dir), Path(cache_dir), accelerators=("tcg",), deadline_s=600)
journal = Journal(run_id, Path(state))
backend = load("libvirt")(settings, journal)
variant = backend.variants()[0]
backend.prepare(variant)
prepared = Prepared(backend, Configuration("libvirt", variant))
with SampleWriter(Path(state, "samples.csv")) as writer:
    vagrant.run(Bench(settings, journal, Sampler(settings, writer), [prepared]))
"""


@pytest.fixture(autouse=True)
def needs_vagrant(engine_missing: Callable[[str], None]) -> None:
    if os.geteuid() != 0 or shutil.which("vagrant") is None:
        engine_missing("vagrant: needs root, vagrant and vagrant-libvirt (tests/e2e/provision.sh installs them)")


@pytest.fixture
def settings() -> Iterator[Settings]:
    run_id = new_run_id()
    with tempfile.TemporaryDirectory(prefix="envbench-") as folder:
        yield Settings(run_id, Path(folder), default_cache_dir(), accelerators=("tcg",), deadline_s=600)


@pytest.fixture
def bench(settings: Settings, tmp_path: Path, engine_missing: Callable[[str], None]) -> Iterator[Bench]:
    journal = Journal(settings.run_id, tmp_path / "state")
    backend = load_backend("libvirt")(settings, journal)
    answer = backend.check()
    if not isinstance(answer, Usable):
        engine_missing(f"libvirt: {answer.reason}")
    variant = backend.variants()[0]
    backend.prepare(variant)
    with SampleWriter(tmp_path / "samples.csv") as writer:
        configurations = [Prepared(backend, Configuration("libvirt", variant))]
        yield Bench(settings, journal, Sampler(settings, writer), configurations)
    backend.close()
    left = journal.entries()
    journal.close()
    assert left == ()


def known() -> set[str]:
    """Return the machines, networks and storage pools of the system's libvirt, and the bridges of this machine."""
    found = {path.parent.name for path in Path("/sys/class/net").glob("*/bridge")}
    for words in LISTS:
        done = subprocess.run((*VIRSH, *words, "--all", "--name"), capture_output=True, text=True, check=True)
        found |= {f"{words[0]} {name}" for name in done.stdout.split()}
    return found


def users_own() -> tuple[bool, ...]:
    return tuple(Path("~", name).expanduser().exists() for name in (".vagrant.d", ".vagrant"))


def test_vagrant_up_ends_with_a_login_and_so_does_a_plain_start(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vagrant.ROUNDS, "tcg", 0)
    run_id = bench.settings.run_id
    before, traces, users = known(), traces_of(run_id), users_own()
    assert vagrant.run(bench).startswith("Vagrant ")
    rows = {row.phase: row for row in read_samples(tmp_path / "samples.csv")}
    assert {row.profile for row in rows.values()} == {"distro"}
    assert {row.backend for row in rows.values()} == {"libvirt"}
    # An emulated Debian takes no less than some seconds, and Vagrant itself some more.
    assert 3e9 < rows["plain_ready"].value < 600e9
    assert 5e9 < rows["managed_ready"].value < 600e9
    assert (known(), traces_of(run_id), users_own()) == (before, traces, users)
    assert list(DNSMASQ.glob(f"*{run_id}*")) == []


def test_what_a_killed_run_leaves_of_its_machine_is_reaped(settings: Settings, tmp_path: Path) -> None:
    before, state = known(), tmp_path / "state"
    state.mkdir(mode=0o700)
    words = (sys.executable, "-c", HOLDER, settings.run_id, settings.work_dir, settings.cache_dir, state)
    with subprocess.Popen(tuple(map(str, words)), stdout=subprocess.DEVNULL) as holder:
        deadline = time.monotonic() + 600
        while not (domains := [name for name in known() - before if name.startswith("list ")]):
            assert holder.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        holder.send_signal(signal.SIGKILL)
    assert all(settings.run_id in name for name in domains)
    assert len(known() - before) >= 4, "machine, network, storage pool and bridge"
    reaping = reap(state)
    assert not reaping.failed
    assert known() == before
    assert traces_of(settings.run_id) == ()
    assert list(DNSMASQ.glob(f"*{settings.run_id}*")) == []
    assert not list(settings.work_dir.glob("*vagrant*"))
