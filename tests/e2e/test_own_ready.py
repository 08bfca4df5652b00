"""Images and a disk of one's own, ready by what they answer: a real nginx, through real ports."""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from envbench.experiments.size.experiment import booted_disk
from envbench.payload.floor import floor_disk
from envbench.payload.kernel import default_cache_dir, find_kernel
from envbench.payload.tree import build_tree
from envbench.payload.userland import IMAGES, userland_tree
from envbench.readiness.probe import free_port
from envbench.records.phases import Outcome
from envbench.records.samples import Sample, read_samples, variant_keys
from envbench.settings import Settings, new_run_id

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="the service's userland is built by root; try: sudo make e2e"),
]
NGINX = ("nginx", "-g", "daemon off;")
GREETS = """perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 25, Listen => 5);
while ($c = $s->accept) { print $c "220 hello\\r\\n"; close $c }'"""
"""A service that speaks first, as a mail server does."""


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")])
def nginx(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """An engine and an image of its own: nginx, as its maker would start it."""
    engine, image = request.param, f"envbench-test-nginx-{os.getpid()}:latest"
    tree = userland_tree(default_cache_dir(), IMAGES["service"])
    with subprocess.Popen(["tar", "--create", "--directory", tree, "."], stdout=subprocess.PIPE) as packed:
        command = [engine, "import", "--change", f"CMD {json.dumps(NGINX)}", "-", image]
        subprocess.run(command, stdin=packed.stdout, check=True, capture_output=True)
    yield engine, image
    subprocess.run([engine, "rmi", "--force", image], check=True, capture_output=True)


def startup(folder: Path, *words: object) -> tuple[list[Sample], str, int]:
    """Take two starts; return the timed rows of the user's own thing, what was said, and the exit code."""
    command = [sys.executable, "-m", "envbench", "startup", "--runs", "2", "--warmup", "0", "--format", "csv", *words]
    done = subprocess.run(
        [*map(str, command), "--output", str(folder / "out")], capture_output=True, text=True, check=False, timeout=800
    )
    return read_rows(folder), done.stderr, done.returncode


def read_rows(folder: Path, profile: str = "own") -> list[Sample]:
    """Return the timed rows of a profile; none where nothing was begun."""
    found = folder / "out/samples.csv"
    return [row for row in read_samples(found) if row.profile == profile and row.unit == "ns"] if found.exists() else []


@pytest.mark.parametrize("ready", [("http:80/",), ("tcp:25", "--command", GREETS)], ids=["http", "tcp"])
def test_ones_own_image_is_ready_when_it_answers(
    nginx: tuple[str, str], ready: tuple[str, ...], tmp_path: Path
) -> None:
    engine, image = nginx
    words = ("--backend", "process", "--backend", engine, "--image", image, "--ready", *ready)
    rows, said, code = startup(tmp_path, *words)
    assert code == 0, said
    times = [row for row in rows if row.phase == "ready"]
    assert [row.outcome for row in times[:2]] == [Outcome.OK] * 2
    assert all("network=bridge" in row.variant for row in times)
    assert [row for row in rows if row.phase == "observer_lag"], "how far apart the attempts were"
    assert "takes no questions" in said, "what is asked inside is not waited for"
    assert json.loads((tmp_path / "out/run.json").read_text())["cleanup"]["leaked"] == []


def test_a_line_that_matches_a_regular_expression_means_ready(nginx: tuple[str, str], tmp_path: Path) -> None:
    engine, image = nginx
    script = "trap 'exit 0' TERM; echo port 8080; sleep 0.5; echo port 80; sleep 60 & wait"
    says = ("--command", shlex.join(("sh", "-c", script)))
    own = ("--backend", "process", "--backend", engine, "--image", image, *says)
    rows, said, code = startup(tmp_path / "line", *own, "--ready", "log:^port [0-9]{2}$")
    assert code == 0, said
    times = [row for row in rows if row.phase == "ready"]
    assert [row.outcome for row in times[:2]] == [Outcome.OK] * 2
    assert all(row.value is not None and row.value > 0.5e9 for row in times), "the line before is another one"
    assert read_rows(tmp_path / "line", "minimal"), "what runs the payload goes by its own line"
    rows, said, code = startup(tmp_path / "broken", *own, "--ready", "log:(port")
    assert (rows, code) == ([], 2)
    assert "no regular expression: missing ), unterminated subpattern at its character 1" in said


HEALTHY = "test -e /tmp/well && cat /tmp/well"
COMES_UP = "trap 'exit 0' TERM; sleep 0.4; echo yes >/tmp/well; sleep 60 & wait"
"""It ends when it is asked to: process 1 hears only the signals that it takes."""


@pytest.fixture
def checked(nginx: tuple[str, str], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The same engine and an image that has a HEALTHCHECK, which the engine itself would run for the first time after
    30 s."""
    engine, image = nginx
    made, form = image.replace("nginx", "checked"), ("--format", "docker") if engine == "podman" else ()
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nHEALTHCHECK CMD {HEALTHY}\nCMD {COMES_UP}\n")
    subprocess.run([engine, "build", *form, "--tag", made, "."], cwd=tmp_path, check=True, capture_output=True)
    yield engine, made
    subprocess.run([engine, "rmi", "--force", made], check=True, capture_output=True)


def test_ones_own_image_is_ready_when_its_healthcheck_or_a_command_inside_succeeds(
    checked: tuple[str, str], tmp_path: Path
) -> None:
    engine, image = checked
    own = ("--backend", engine, "--image", image, "--deadline", "25")
    for name, ready in {"health": "health", "exec": "exec:cat /tmp/well"}.items():
        rows, said, code = startup(tmp_path / name, *own, "--ready", ready)
        assert code == 0, said
        times = {row.iteration: row.value for row in rows if row.phase == "ready" and row.variant == rows[0].variant}
        lags = {row.iteration: row.value for row in rows if row.phase == "observer_lag"}
        assert len(times) == 2
        assert all(value is not None and 0.4e9 < value < 20e9 for value in times.values()), "before the file is there"
        assert set(lags) == set(times), "how far off each moment may be"
        record = json.loads((tmp_path / name / "out/run.json").read_text())
        assert record["plan"]["ready"]["interval_s"] == 0.05
        assert record["cleanup"]["leaked"] == []


def test_a_check_that_never_succeeds_and_an_image_without_one_are_told(nginx: tuple[str, str], tmp_path: Path) -> None:
    engine, image = nginx
    own = ("--backend", engine, "--image", image, "--runs", "1")
    never = ("--ready", "exec:sh -c 'echo not yet; exit 7'", "--deadline", "8")
    rows, said, code = startup(tmp_path / "never", *own, *never)
    assert code != 0, said
    assert {row.outcome for row in rows} == {Outcome.TIMED_OUT}
    assert "last check: exit code 7, not yet" in rows[0].detail
    rows, said, code = startup(tmp_path / "none", *own, "--ready", "health")
    assert (rows, code) == ([], 3)
    assert f"image {image} has no HEALTHCHECK in {engine}; try: --ready exec:COMMAND, or " in said.splitlines()[0]


def test_variables_ports_and_volumes_are_those_of_docker_run(
    nginx: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, image = nginx
    port, shared = free_port(), tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("GREETING", "hello from here")
    script = "set -e\ntouch /made/file\nenv | grep ^GREETING= >>/shared/said\n"
    script += "trap 'sleep 0.5; exit 0' TERM\nnginx -g 'daemon off;' & wait"
    words = (
        *("--backend", engine, "--image", image, "--ready", "http:80/", "--env", "GREETING", "--env", "NOT_SET_HERE"),
        *("--port", f"127.0.0.1:{port}:80", "--volume", f"{shared}:/shared", "--volume", "/made"),
        *("--command", shlex.join(("sh", "-c", script))),
    )
    volumes = subprocess.run([engine, "volume", "ls", "--quiet"], check=True, capture_output=True).stdout
    seen: list[bytes] = []
    with asked_meanwhile(port, seen):
        rows, said, code = startup(tmp_path, *words)
    assert code == 0, said
    assert [row.outcome for row in rows if row.phase == "ready"][:2] == [Outcome.OK] * 2
    assert set((shared / "said").read_text().splitlines()) == {"GREETING=hello from here"}
    assert seen, "nobody answered at the port that was published"
    assert "hello from here" not in (tmp_path / "out/run.json").read_text()
    assert subprocess.run([engine, "volume", "ls", "--quiet"], check=True, capture_output=True).stdout == volumes
    rows, said, code = startup(tmp_path / "volume", *words, "--volume", "envbench-test-none:/there")
    assert (rows, code) == ([], 3)
    assert f"{engine} has no volume envbench-test-none" in said
    assert f"try: {engine} volume create envbench-test-none" in said


@contextlib.contextmanager
def asked_meanwhile(port: int, seen: list[bytes]) -> Iterator[None]:
    """Ask at a port of the loopback again and again, and note the answers."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.01):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as made:
                made.sendall(b"GET / HTTP/1.0\r\n\r\n")
                seen.extend(filter(lambda answer: answer.startswith(b"HTTP/1.1 200"), [made.recv(64)]))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def test_another_status_and_a_command_that_serves_nothing_are_not_ready(nginx: tuple[str, str], tmp_path: Path) -> None:
    engine, image = nginx
    own = ("--backend", engine, "--image", image, "--deadline", "4")
    rows, said, code = startup(tmp_path / "status", *own, "--ready", "http:80/missing")
    assert code != 0, said
    assert {row.outcome for row in rows} == {Outcome.TIMED_OUT}
    assert "no answer 200 to http:80/missing" in rows[0].detail
    more = ("--command", "sh -c 'echo $GREETING; exec sleep 60'", "--env", "GREETING=hello")
    rows, _, code = startup(tmp_path / "command", *own, "--ready", "tcp:80", *more)
    assert code != 0
    assert {row.outcome for row in rows} == {Outcome.TIMED_OUT}
    assert "hello" in rows[0].detail
    assert "hello" not in (tmp_path / "command/out/run.json").read_text(), "there are secrets among them"


@pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")]
)
def test_an_image_that_is_not_there_is_one_line_and_the_way_to_get_it(engine: str, tmp_path: Path) -> None:
    rows, said, code = startup(tmp_path, "--backend", engine, "--image", "envbench-test-none:1", "--ready", "http:80/")
    first, last = said.splitlines()
    assert (rows, code) == ([], 3)
    words = f"{engine} has no image envbench-test-none:1, and a run never pulls one"
    assert f": left out: {words}; try: {engine} pull envbench-test-none:1" in first
    assert words in last
    assert not set("{}[]'") & set(said), "no dict of Python's"


@pytest.mark.engine("qemu")
def test_ones_own_disk_is_ready_when_it_answers_through_the_forwarded_port(tmp_path: Path) -> None:
    settings = Settings(new_run_id(), tmp_path, default_cache_dir(), profile="service")
    disk = booted_disk(settings, {"accel": "tcg", "boot": "disk", "machine": "q35"})
    words = ("--backend", "qemu", "--accel", "tcg", "--memory", "512M", "--deadline", "300", "--budget", "300")
    rows, said, code = startup(tmp_path, *words, "--disk", disk, "--ready", "http:80/", "--runs", "1")
    assert code == 0, said
    assert [row.outcome for row in rows if row.phase == "ready"] == [Outcome.OK]


MANY = "16"
"""Starts of each, so that a busy machine may disturb a third of them and the difference is still seen."""
LATER_S = {"quick": 0.0, "slow": 0.3, "copy": 0.3}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """An engine and three small images of its own, which say that they are up so many seconds later."""
    engine, tree = request.param, build_tree(tmp_path / "tree").path
    names = {name: f"envbench-test-{name}-{os.getpid()}:1" for name in LATER_S}
    for name, later_s in LATER_S.items():
        script = f"trap 'exit 0' TERM; /bin/busybox sleep {later_s}; echo up; /bin/busybox sleep 60 & wait"
        with subprocess.Popen(["tar", "--create", "--directory", tree, "."], stdout=subprocess.PIPE) as packed:
            command = [engine, "import", "--change", f"CMD {json.dumps(['/bin/sh', '-c', script])}", "-", names[name]]
            subprocess.run(command, stdin=packed.stdout, check=True, capture_output=True)
    yield engine, names
    subprocess.run([engine, "rmi", "--force", *names.values()], check=True, capture_output=True)


def judged(folder: Path, rows: list[Sample], names: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return each pair of a run, judged, after a look at its schedule: all in each round, in changing order."""
    turns: dict[int, list[str]] = {}
    for row in sorted((row for row in rows if row.phase == "ready"), key=lambda row: row.order):
        turns.setdefault(row.iteration, []).append(row.variant)
    assert {len(set(each)) for each in turns.values()} == {len(names)}
    assert len({tuple(each) for each in turns.values()}) > 1
    pairs = json.loads((folder / "out/report.json").read_text())["own_pairs"]
    short = {name: key for key, name in names.items()}
    return {(short[pair["first"]], short[pair["second"]]): pair for pair in pairs}


def assert_the_slow_are_slower_and_the_copy_is_not(found: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Check the verdicts on three pairs; one run in twenty may tell a copy from its original, but never by much."""
    assert (found["quick", "slow"]["verdict"], found["quick", "copy"]["verdict"]) == ("slower", "slower")
    copy = found["slow", "copy"]
    assert copy["verdict"] in ("same", "cannot tell") or 0.85 < copy["ratio"] < 1.15, copy


def test_images_of_ones_own_are_judged_side_by_side(images: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    engine, names = images
    own = [word for name in (*names.values(), "envbench-test-none:1") for word in ("--image", name)]
    words = ("--backend", engine, "--runtime", "runc", "--ready", "log:^up$", "--runs", MANY, "--format", "json")
    rows, said, code = startup(tmp_path, *words, *own, "--fail-if", f"{engine}[image={names['quick']}].ready > 60s")
    assert code == 0, said
    assert f"try: {engine} pull envbench-test-none:1" in said, "the others go on"
    found = judged(tmp_path, rows, names)
    assert_the_slow_are_slower_and_the_copy_is_not(found)
    ready = {
        key: [row.value for row in rows if row.phase == "ready" and name in row.variant] for key, name in names.items()
    }
    quick, slow = (median(value for value in ready[key] if value is not None) for key in ("quick", "slow"))
    assert 0.2e9 < slow - quick < 0.9e9
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert {f"image {name}" for name in names.values()} <= set(record["engines"][engine])
    rows, said, code = startup(tmp_path / "twice", *words, "--image", names["quick"], "--image", names["quick"])
    assert (rows, code) == ([], 2)
    assert f"{names['quick']} is given twice" in said


WAITS_HALF_A_SECOND = bytes.fromhex("fbb90700ba20a1b486cd15")
"""sti; mov cx, 7; mov dx, 0xA120; mov ah, 0x86; int 0x15: the BIOS waits 500 000 µs (Ralf Brown's list, INT 15/86)."""


def later_floor_disk() -> bytes:
    """Return the floor guest's disk with the wait before its ready line; its text lies further behind by so much."""
    disk, wait = floor_disk("of-my-own", stay=True), WAITS_HALF_A_SECOND
    code = bytearray(disk[: 510 - len(wait)])
    code[6] += len(wait)  # mov si, TEXT
    return wait + bytes(code) + disk[510:]


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("qemu", "libvirt")]
)
def test_disks_of_ones_own_are_judged_side_by_side(backend: str) -> None:
    contents = {"quick": floor_disk("of-my-own", stay=True), "slow": later_floor_disk(), "copy": later_floor_disk()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)  # For libvirt's QEMU.
        for key, content in contents.items():
            (folder / key).mkdir()
            (folder / key / "root.img").write_bytes(content)
        own = [word for key in contents for word in ("--disk", folder / key / "root.img")]
        words = ("--backend", backend, "--accel", "tcg", "--ready", "log:READY of-my-own", "--runs", MANY)
        rows, said, code = startup(folder, *words, "--format", "json", *own)
        assert code == 0, said
        found = judged(folder, rows, {key: f"{key}/root.img" for key in contents})
        record = json.loads((folder / "out/run.json").read_text())
        assert record["engines"][backend]["disk copy/root.img path"] == str(folder / "copy/root.img")
    assert_the_slow_are_slower_and_the_copy_is_not(found)


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("qemu", "libvirt")]
)
def test_each_kernel_of_ones_own_is_the_one_that_is_booted(backend: str, tmp_path: Path) -> None:
    """The second boots nothing: it fails alone, and the first goes on."""
    kernel, broken = find_kernel(default_cache_dir()), tmp_path / "broken"
    broken.write_bytes(b"no kernel".ljust(1 << 16, b"\0"))
    own = ("--kernel", kernel.path, "--kernel", broken)
    words = ("--backend", backend, "--accel", "tcg", "--boot", "kernel", "--deadline", "60", "--runs", "1")
    _, said, code = startup(tmp_path, *words, "--format", "json", *own)
    assert code == 4, said
    rows = [row for row in read_rows(tmp_path, "minimal") if row.phase == "ready"]
    outcomes = {variant_keys(row.variant)["kernel"]: row.outcome for row in rows}
    assert outcomes[kernel.path.name] is Outcome.OK
    assert outcomes["broken"] is not Outcome.OK
