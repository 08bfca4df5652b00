"""The entry point in process, light named tuples against typing's, the host block, and what reaches a terminal."""

from __future__ import annotations

import ast
import ctypes
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinspect import __main__ as entry
from envinspect import inspection
from envinspect.capture.every_question import ask_everything
from envinspect.cli.actions import ACTIONS
from envinspect.cli.plain import _FORMS, call_of
from envinspect.errors import CaptureError, one_line, printable
from envinspect.facets.host import host_block
from envinspect.facts import Facts
from envinspect.model import ABSENT, Found
from envinspect.render.terminal import PLAIN, encodable, palette_for
from envinspect.systems import darwin as platform_darwin
from envinspect.systems import live as machine
from envinspect.systems.captured import read_capture
from envinspect.systems.live import RunningMachine, live_facts

INSPECTOR = Path(__file__).parents[3] / "inspector"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["envinspect", *arguments])
    return entry.main()


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--brief"], ["--explain"], ["--format", "facter"], ["list"]])
def test_calls_with_and_without_click(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(monkeypatch, *arguments) in {0, 3}
    assert capsys.readouterr().out


def test_is_without_click(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--is", "dokcer") == 2
    assert "try: docker" in capsys.readouterr().err
    codes = {call(monkeypatch, "--is", name) for name in ("vm", "bare-metal")}
    assert codes <= {0, 3, 4}
    assert 0 in codes or 3 in codes


def test_the_short_way_and_clicks_way_say_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, form in _FORMS.items():
        if form == "json":
            continue
        short = call(monkeypatch, *words), capsys.readouterr().out
        long = call(monkeypatch, *words, "--debug"), capsys.readouterr().out
        assert short == long


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [(RuntimeError("boom"), 1, "unexpected RuntimeError: boom"), (KeyboardInterrupt(), 130, "")],
)
def test_failures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, says: str
) -> None:
    def broken(_: object) -> None:
        raise error

    monkeypatch.setattr(inspection, "inspect", broken)
    assert call(monkeypatch) == code
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == (1 if says else 0)


@pytest.mark.parametrize(("problem", "code"), [(BrokenPipeError(), 0), (OSError(errno.ENOSPC, "No space left"), 1)])
def test_an_output_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, problem: OSError, code: int
) -> None:
    class Output(io.StringIO):
        def flush(self) -> None:
            raise problem

        def fileno(self) -> int:
            return file.fileno()

    with (tmp_path / "out").open("w") as file:
        output = Output()
        monkeypatch.setattr(sys, "stdout", output)
        assert call(monkeypatch, "--brief") == code
    assert ("cannot write the answer: No space left" in capsys.readouterr().err) is (code == 1)
    output.flush = lambda: None  # type: ignore[method-assign]  # so that closing it is quiet


def test_no_output_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert call(monkeypatch) in {0, 3}
    assert palette_for(None) == PLAIN


def system(tmp_path: Path, files: dict[str, str], **facts: object) -> Facts:
    (tmp_path / "facts.json").write_text(json.dumps({"schema": "envinspect-capture/1", **facts}))
    for path, text in files.items():
        place = tmp_path / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return read_capture(str(tmp_path))


def test_the_host_block_of_a_capture(tmp_path: Path) -> None:
    files = {
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
        "/proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\n\nmodel name\t: other\n",
        "/proc/meminfo": "MemTotal: 2048 kB\n",
        "/proc/stat": "cpu 1 2\nbtime 1700000000\nprocesses 5\n",
    }
    uname = {"sysname": "Linux", "release": "6.1", "machine": "x86_64"}
    assert host_block(system(tmp_path, files, uname=uname)) == {
        "system": "Linux", "kernel": "6.1", "architecture": "x86_64", "distribution": "Debian GNU/Linux 12 (bookworm)",
        "distribution_id": "debian", "distribution_version": "12", "cpu_brand": "Xeon", "cpu_vendor": "GenuineIntel",
        "memory_bytes": 2 << 20, "boot_time_s": 1_700_000_000,
    }  # fmt: skip


def test_an_unknown_host_is_all_null(tmp_path: Path) -> None:
    assert set(host_block(system(tmp_path, {})).values()) == {None}


def test_libraries_are_asked_only_where_files_do_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = system(tmp_path, {})
    facts.running = RunningMachine()
    fake = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(total=8), boot_time=lambda: 9.5)
    monkeypatch.setitem(sys.modules, "psutil", fake)
    monkeypatch.setenv("PROCESSOR_IDENTIFIER", "Apple M2")
    block = host_block(facts)
    assert (block["memory_bytes"], block["boot_time_s"], block["cpu_brand"]) == (8, 9, "Apple M2")
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delenv("PROCESSOR_IDENTIFIER")
    block = host_block(facts)
    assert (block["memory_bytes"], block["boot_time_s"], block["cpu_brand"]) == (None, None, None)


def test_this_hosts_memory_is_what_psutil_says() -> None:
    psutil = pytest.importorskip("psutil")
    block = host_block(live_facts())
    assert block["memory_bytes"] == psutil.virtual_memory().total
    assert abs(block["boot_time_s"] - psutil.boot_time()) <= 1
    assert block["kernel"] == os.uname().release


def test_a_sysctl_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctlbyname(name: bytes, buffer: object, size: object, *_: object) -> int:
        if name != b"hw.model":
            return -1
        value = b"VirtualMac2,1\0"
        ctypes.memmove(buffer, value, len(value))
        size._obj.value = len(value)
        return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(sysctlbyname=sysctlbyname))
    root = platform_darwin.DarwinRoot()
    assert root.read("/sysctl/hw.model") == Found(b"VirtualMac2,1")
    assert root.read("/sysctl/no.such") is ABSENT
    assert root.read("/nonexistent") is ABSENT


def test_each_system_has_its_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert isinstance(machine._root(), platform_darwin.DarwinRoot)


@given(st.text())
def test_printable_is_printable_and_bounded(text: str) -> None:
    shown = printable(text, 50)
    assert shown.isprintable()
    assert len(shown) <= 50
    if text.isprintable() and len(text) <= 50:
        assert shown == text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", "no-such-encoding"])
def test_every_encoding_can_hold_the_output(encoding: str) -> None:
    stream = SimpleNamespace(encoding=encoding)
    shown = encodable("└─ a → b … é", stream)
    if encoding != "no-such-encoding":
        shown.encode(encoding)
    assert "a" in shown


def test_no_file_is_read_twice() -> None:
    """Whatever is asked, by all parts of the answer and the reports together, goes to the machine once."""
    facts = live_facts()
    asked: list[tuple[str, str]] = []
    root = facts.root

    class Counting:
        def __getattr__(self, name: str) -> object:
            def ask(path: str) -> object:
                asked.append((name, path))
                return getattr(root, name)(path)

            return ask

    facts.root = Counting()
    ask_everything(facts)
    ask_everything(facts)
    assert asked
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "/no/such"], ["--brief", "--from", "/no/such"], ["--root", "/no\x1b/such"], ["--from"],
        ["resources", "--root", "/no"], ["--from", "a", "--root", "b"], ["--is", "--from", "/no/such"],
        ["--is", "vm", "--from", "/no/such"],
    ],
)  # fmt: skip
def test_a_target_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err[:-1].isprintable()


def test_a_target_before_or_after_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "facts.json").write_text('{"schema": "envinspect-capture/1"}')
    for arguments in (["--from", str(tmp_path), "--brief"], ["--brief", "--from", str(tmp_path)]):
        assert call(monkeypatch, *arguments) == 3
        assert capsys.readouterr().out.startswith("unknown: ")


@pytest.mark.parametrize(
    "words", ["", "--json", "--format facter", "list", "isolation --json", "--is vm --is aws", "--from x"]
)
def test_calls_of_the_short_way_are_actions_of_the_table(words):
    call = call_of(tuple(words.split()))
    assert call is not None
    assert call.action in ACTIONS


@pytest.mark.parametrize(
    "words", ["--nonsense", "--json --brief", "list --from x", "capture out", "--why-not kvm", "--is"]
)
def test_what_needs_parsing_is_left_to_click(words):
    assert call_of(tuple(words.split())) is None


def test_what_to_try_is_a_field_and_stands_once_in_the_line():
    error = CaptureError("x: is there already", remedy="a new name")
    assert (str(error), error.remedy) == ("x: is there already", "a new name")
    assert one_line(error) == "x: is there already; try: a new name"
    assert one_line(CaptureError("x: no")) == "x: no"


def interpreter(version: str) -> str | None:
    """Return a real Python of a version: on PATH, or among those that pyenv built."""
    built = [str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for candidate in (*built, shutil.which(f"python{version}")):
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


OLD = {version: interpreter(version) for version in ("2.7", "3.6", "3.7", "3.8")}


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=pytest.mark.applies(found is not None, "no such Python"))
        for version, found in OLD.items()
    ],
)
def test_an_older_python_gets_one_line(version):
    """Started for real where there is such a Python; without one, the next test says what it could parse."""
    done = subprocess.run(
        [OLD[version], "-m", "envinspect"], cwd=INSPECTOR, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"envinspect: needs Python 3.9 or newer, this is {version}\n"


NEWER = {version: interpreter(version) for version in ("2.7", "3.6", "3.9", "3.10")}


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=pytest.mark.applies(found is not None, "no such Python"))
        for version, found in NEWER.items()
    ],
)
def test_envbench_says_in_one_line_which_python_it_needs(version):
    paths = os.pathsep.join((str(INSPECTOR), str(INSPECTOR.parent / "benchmarks")))
    done = subprocess.run(
        [NEWER[version], "-m", "envbench"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"envbench: needs Python 3.11 or newer, this is {version}\n"


@pytest.mark.parametrize("name", ["__init__", "__main__", "version"])
def test_what_every_python_loads_is_free_of_newer_syntax(name):
    """Python 2 and 3.6 know no annotations of the future, no f-strings (2) and no annotations of arguments (2)."""
    tree = ast.parse((INSPECTOR / "envinspect" / f"{name}.py").read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    assert not [node for node in nodes if isinstance(node, (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr))]
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    arguments = [argument for node in nodes if isinstance(node, ast.arguments) for argument in node.args]
    assert not [argument for argument in arguments if argument.annotation]
