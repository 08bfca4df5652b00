"""A backend of forty lines that needs no engine, and a run around it: the harness is tested without a container."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from envbench.backend import Backend, Mark, MarkCallback, Unusable, Usable, Workload
from envbench.commands import startup
from envbench.errors import BackendError
from envbench.records.phases import BackendKind
from envbench.records.samples import SampleWriter
from envbench.run import opening
from envbench.run.sampler import Sampler
from envbench.settings import Settings, new_run_id
from envbench.traces.journal import Journal

READY = "ENVBENCH-READY {nonce} realtime_ns= uptime_s=1.5\n"


class FakeInstance:
    """Says its lines into a pipe at once; `log` hears all that is done to it."""

    def __init__(self, name: str, said: tuple[bytes, ...], log: list[str], fails: str, *, holds_output: bool) -> None:
        self.name = name
        self._log = log
        self._fails = fails
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        for chunk in said:
            try:
                os.write(self._writer, chunk)
            except BlockingIOError:
                break
        if not holds_output:
            os.close(self._writer)
            self._writer = -1

    def output_fileno(self) -> int:
        return self._reader

    def decode(self, chunk: bytes) -> bytes:
        return chunk

    def processes(self) -> tuple[int, ...]:
        return ()

    def cgroup(self) -> Path | None:
        return None

    def console_tail(self) -> str:
        return "fake console"

    def stop(self, deadline_ns: int) -> None:
        self._do("stop")

    def remove(self, deadline_ns: int) -> None:
        self._do("remove")
        self._close()

    def destroy(self) -> None:
        self._log.append("destroy")
        self._close()

    def _do(self, what: str) -> None:
        self._log.append(what)
        if self._fails == what:
            raise BackendError(f"{what} refused")

    def _close(self) -> None:
        for name in ("_reader", "_writer"):
            if getattr(self, name) >= 0:
                os.close(getattr(self, name))
                setattr(self, name, -1)


class FakeBackend(Backend):
    """`says` are the chunks that an instance writes, with {nonce} filled in; `fails` names the step that is refused."""

    name = "process"
    title = "plain process"
    kind = BackendKind.HOST

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.log: list[str] = []
        self.says: tuple[str, ...] = (READY,)
        self.fails = ""
        self.holds_output = True
        self.count = 0

    def check(self) -> Usable | Unusable:
        return Usable({"fake": "yes"})

    def prepare(self, variant: Mapping[str, str]) -> None:
        self.log.append("prepare")

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> FakeInstance:
        self.count += 1
        self.log.append("start")
        mark(Mark.REQUESTED)
        if self.fails == "interrupt":
            raise KeyboardInterrupt
        if self.fails == "start":
            raise BackendError("start\nrefused")
        mark(Mark.CREATED)
        said = tuple(text.format(nonce=workload.nonce).encode() for text in self.says)
        mark(Mark.STARTED)
        return FakeInstance(f"fake-{self.count}", said, self.log, self.fails, holds_output=self.holds_output)

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    return Settings(new_run_id(), work_dir, tmp_path / "cache", deadline_s=0.3)


@pytest.fixture
def journal(tmp_path: Path, settings: Settings):
    made = Journal(settings.run_id, tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def fake(settings: Settings, journal: Journal) -> FakeBackend:
    return FakeBackend(settings, journal)


@pytest.fixture
def make_sampler(tmp_path: Path, settings: Settings):
    """Return a function that makes a sampler and the path of its samples.csv."""
    writers: list[SampleWriter] = []

    def make(path: Path = tmp_path / "samples.csv") -> tuple[Sampler, Path]:
        writers.append(SampleWriter(path))
        return Sampler(settings, writers[-1]), path

    yield make
    for writer in writers:
        writer.close()


@pytest.fixture
def use_fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[FakeBackend]]:
    """Put the fake in the place of every backend of the command line; return a function that tells which were made."""
    made: list[FakeBackend] = []

    def load(name: str):
        def make(settings: Settings, journal: Journal) -> FakeBackend:
            made.append(FakeBackend(settings, journal))
            made[-1].name = name
            return made[-1]

        return make

    monkeypatch.setattr(opening, "load", load)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setattr(startup.kernel, "observe", lambda bench: None)
    monkeypatch.setattr(startup.size, "observe", lambda bench: None)
    return lambda: made
