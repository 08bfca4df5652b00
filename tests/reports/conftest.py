"""Synthetic runs with known answers, and the switch that rewrites gold files."""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from envbench.records.metrics import metric
from envbench.records.phases import Experiment, Outcome, Phase, Unit
from envbench.records.run_json import record_of
from envbench.records.samples import Sample, SampleWriter
from envreport.results import Results, collect

GOLD = Path(__file__).parent.parent / "gold" / "reports"
MS = 1_000_000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-gold", action="store_true", help="rewrite the gold files of the reports")


class Rows:
    """Builds rows like those of a run.

    Orders count up, every value is a start of its own unless `order` says otherwise.
    """

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._order = 0
        self._iterations: dict[tuple[object, ...], int] = {}

    def add(
        self,
        experiment: Experiment,
        backend: str,
        phase: str,
        values: Iterable[float | int | None],
        *,
        variant: str = "",
        profile: str = "minimal",
        unit: Unit | None = None,
        warmups: int = 0,
        outcome: Outcome = Outcome.OK,
        detail: str = "",
        orders: Sequence[int] | None = None,
    ) -> "Rows":
        where = (experiment, backend, variant, profile, phase)
        for index, value in enumerate(values):
            self._order += 1
            iteration = self._iterations.get(where, 0)
            self._iterations[where] = iteration + 1
            self.samples.append(
                Sample(
                    run_id="0123456789ab",
                    order=self._order if orders is None else orders[index],
                    experiment=experiment,
                    backend=backend,
                    variant=variant,
                    profile=profile,
                    warmup=index < warmups,
                    iteration=iteration,
                    phase=phase,
                    value=value,
                    unit=unit or _unit(experiment, phase),
                    outcome=outcome,
                    detail=detail,
                    monotonic_ns=1_000_000_000 * self._order,
                )
            )
        return self

    def results(self, meta: Mapping[str, Any] | None = None) -> Results:
        return collect(self.samples, record_of(meta or {}))

    def write(self, folder: Path, meta: Mapping[str, Any] | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        with SampleWriter(folder / "samples.csv") as writer:
            writer.append(*self.samples)
        if meta is not None:
            (folder / "run.json").write_text(json.dumps(meta), encoding="utf-8")
        return folder


def _unit(experiment: Experiment, phase: str) -> Unit:
    if experiment is Experiment.STARTUP:
        return Unit.RATIO if phase.startswith("noise.") else Unit.NS
    return metric(phase).unit


BACKENDS = {
    "process": ("", 2.0),
    "namespaces": ("", 4.0),
    "runc": ("", 55.0),
    "docker": ("network=none;runtime=runc", 263.0),
    "qemu": ("accel=tcg;machine=q35", 4300.0),
}
HOST_ANSWER = {
    "schema": "envinspect/1",
    "tool_version": "0.1.0",
    "summary": "Firecracker virtual machine (KVM)",
    "determined": True,
    "bare_metal": False,
    "layers": [
        {
            "kind": "vm",
            "id": "firecracker",
            "name": "Firecracker",
            "hypervisor_type": 2,
            "confidence": "proof",
            "details": {"accelerator": "kvm"},
            "evidence": [0],
        }
    ],
    "roles": [],
    "cloud": None,
    "orchestrator": None,
    "evidence": [
        {
            "layer": "firecracker",
            "strength": "proof",
            "source": "/sys/firmware/acpi/tables/FACP",
            "observed": "FIRECK",
            "reference": "https://uefi.org",
        }
    ],
    "overruled": [{"layer": "docker", "evidence": 5, "rule": "initial-namespaces", "because": "stale marker"}],
    "unknown": [{"source": "/proc/1/environ", "error": "EACCES", "would_tell": "the manager of a container"}],
    "host": {
        "hostname": "secret-host",
        "kernel": "6.1.0",
        "architecture": "x86_64",
        "distribution": "Debian 12",
        "cpu": "Xeon",
        "memory_bytes": 25_000_000_000,
    },
}


def run_meta() -> dict[str, Any]:
    return {
        "schema": "envbench-run/1",
        "tool_version": "0.1.0",
        "run_id": "0123456789ab",
        "started_at": "2026-01-02T03:04:05Z",
        "ended_at": "2026-01-02T03:09:05Z",
        "command": ["envbench", "startup", "--output", "/home/alice/results"],
        "seed": 7,
        "plan": {"runs": 20},
        "host": HOST_ANSWER,
        "machine": {
            "clock_rate": {"answer": "found", "value": {"mean_hz": 2.6e9, "highest_hz": 3.4e9}},
            "governor": {"answer": "absent", "because": "the kernel shows no cpufreq here"},
            "filesystem": {"answer": "found", "value": "ext4"},
            "disk": {"answer": "found", "value": {"name": "vda", "size_bytes": 2**38}},
            "cgroup_version": {"answer": "denied", "because": "/proc/self/mounts: Permission denied"},
            "mitigations": {
                "answer": "found",
                "value": {
                    "mds": "Not affected",
                    "spec_store_bypass": "Vulnerable",
                    "spectre_v1": "Mitigation: barriers",
                },
            },
        },
        "engines": {"docker": {"version": "20.10.24"}},
        "libraries": {"docker": "7.1.0"},
        "payload": {"profile": "minimal", "digest": "ab" * 32},
        "backends": {
            "used": [
                {
                    "name": "docker",
                    "is_vm": False,
                    "variants": [{}],
                    "facts": {"storage_driver": "overlay2", "endpoint": "unix:///var/run/docker.sock"},
                },
                {"name": "qemu", "is_vm": True, "variants": [{"accel": "tcg"}], "facts": {"version": "7.2"}},
            ],
            "skipped": [{"name": "libvirt", "reason": "no daemon answers", "remedy": "start libvirtd"}],
        },
        "accelerator": {"kvm": {"usable": False, "reason": "the canary guest hung", "canary_s": 10.0}, "used": ["tcg"]},
        "noise": {},
        "outcome": "done",
        "exit_code": 0,
        "warnings": [
            {"code": "kvm-unusable", "message": "KVM opens but a guest hangs", "advice": "use a host whose KVM works"}
        ],
        "unfinished": [],
        "cleanup": {"leaked": []},
    }


VM_STRETCHES = {
    Phase.CREATE: 0.01,
    Phase.START: 0.02,
    Phase.VMM: 0.03,
    Phase.FIRMWARE: 0.15,
    Phase.KERNEL: 0.7,
    Phase.USERSPACE: 0.12,
}
CONTAINER_STRETCHES = {Phase.CREATE: 0.2, Phase.ATTACH: 0.05, Phase.START: 0.7}


def default_rows(runs: int = 20, seed: int = 1) -> Rows:
    """A whole start-up run with kernel and size rows, like that of a machine without KVM."""
    rows, random_ = Rows(), random.Random(seed)
    order = 0
    for iteration in range(runs + 2):
        for backend, (variant, middle) in BACKENDS.items():
            order += 1
            ready = int(middle * MS * random_.lognormvariate(0, 0.12))
            for phase, value in _start_values(ready, random_, vm=backend == "qemu").items():
                rows.add(
                    Experiment.STARTUP,
                    backend,
                    phase,
                    [value],
                    variant=variant,
                    orders=[order],
                    warmups=1 if iteration < 2 else 0,
                )
    _add_observations(rows)
    return rows


def _start_values(ready: int, random_: random.Random, *, vm: bool) -> dict[str, float]:
    """What is measured of one start that takes `ready` ns."""
    stretches = VM_STRETCHES if vm else CONTAINER_STRETCHES
    values = {phase: int(ready * share) for phase, share in stretches.items()} | {
        Phase.READY: ready,
        Phase.STOP: int(ready * 0.2),
        Phase.REMOVE: int(ready * 0.1),
        Phase.CYCLE: int(ready * 1.3),
        Phase.HOST_CPU: int(ready * (0.9 if vm else 0.3)),
        "noise.load1": round(random_.uniform(0.1, 0.4), 3),
    }
    if not vm:
        values[Phase.OBSERVER_LAG] = int(random_.uniform(0.02, 0.2) * MS)
    return values


def _add_observations(rows: Rows) -> None:
    """Kernel and sizes, looked at once."""
    kernel = Experiment.KERNEL
    for backend in ("runc", "docker"):
        variant = BACKENDS[backend][0]
        for name in ("boot_id_equals_host", "kernel_equals_host", "visible_on_host"):
            rows.add(kernel, backend, name, [1], variant=variant, detail="seen inside and outside")
        rows.add(Experiment.SIZE, backend, "disk", [2_400_000], variant=variant)
        rows.add(Experiment.SIZE, backend, "item.kernel", [0], variant=variant)
        rows.add(Experiment.SIZE, backend, "item.app", [2_400_000], variant=variant)
    qemu = BACKENDS["qemu"][0]
    rows.add(kernel, "qemu", "boot_id_equals_host", [0], variant=qemu).add(
        kernel, "qemu", "uptime_starts_at_zero", [1], variant=qemu
    )
    for name, value in {
        "disk": 17_400_000,
        "item.kernel": 14_000_000,
        "item.initramfs": 1_000_000,
        "item.app": 2_400_000,
    }.items():
        rows.add(Experiment.SIZE, "qemu", name, [value], variant=qemu)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def make_rows() -> Callable[[], Rows]:
    return Rows


@pytest.fixture
def meta() -> dict[str, Any]:
    return run_meta()


@pytest.fixture
def usual_rows() -> Callable[..., Rows]:
    return default_rows


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, shared by all tests: who writes into it writes what follows from its rows."""
    return default_rows().write(tmp_path_factory.mktemp("synthetic") / "run", run_meta())


@pytest.fixture
def gold(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Compare with a gold file, or rewrite it with --update-gold."""

    def check(name: str, content: bytes) -> None:
        path = GOLD / name
        if request.config.getoption("--update-gold", default=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        assert path.is_file(), f"{path.name} is missing: run pytest tests/reports --update-gold and review it"
        assert content == path.read_bytes(), (
            f"{name} differs from its gold file: run with --update-gold and review the difference"
        )

    return check
