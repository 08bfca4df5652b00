"""The command line's contract: exit codes, one-line errors, results on stdout, and no click for a bare call."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.inspector.captured_systems import NAMES, answer_for

from envinspect import inspection
from envinspect.cli.commands import command, run
from envinspect.render.terminal import PLAIN
from envinspect.render.why_not import why_not
from envinspect.signatures.catalogue import ENTRIES

KVM = [0, 0, 1 << 31, 0]
KVM_LEAF = [0x40000001, int.from_bytes(b"KVMK", "little"), int.from_bytes(b"VMKV", "little"), ord("M")]


def make(tmp_path: Path, name: str, facts: dict[str, object], files: dict[str, str] | None = None) -> str:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "facts.json").write_text(json.dumps({"schema": "envinspect-capture/1", **facts}))
    for path, text in (files or {}).items():
        place = folder / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return str(folder)


@pytest.fixture
def kvm(tmp_path: Path) -> str:
    leaves = {"0x00000001": KVM, "0x40000000": KVM_LEAF}
    return make(tmp_path, "kvm", {"cpuid": leaves, "uname": {"sysname": "Linux", "machine": "x86_64"}})


@pytest.fixture
def metal(tmp_path: Path) -> str:
    leaves = {"0x00000001": [0, 0, 0, 0]}
    files = {"/sys/class/dmi/id/sys_vendor": "LENOVO", "/sys/class/dmi/id/product_name": "20QDCTO1WW"}
    return make(tmp_path, "metal", {"cpuid": leaves, "uname": {"sysname": "Linux", "machine": "x86_64"}}, files)


@pytest.fixture
def nothing(tmp_path: Path) -> str:
    return make(tmp_path, "nothing", {})


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["kvm"], 0), (["vm"], 0), (["docker"], 4), (["docker,kvm"], 0), (["docker,vmware"], 4), (["bare-metal"], 4),
        (["kvm", "vm"], 0), (["kvm", "docker"], 4), (["cloud"], 3), (["cloud", "docker"], 4),
        (["no-such-thing"], 2), (["kvm,no-such-thing"], 2),
        ([""], 2), (["KVM"], 2),
    ],
)  # fmt: skip
def test_is(kvm: str, capsys: pytest.CaptureFixture[str], names: list[str], code: int) -> None:
    options = [word for name in names for word in ("--is", name)]
    assert run([*options, "--from", kvm]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == (1 if code in {2, 3} else 0)


def test_is_bare_metal(metal: str, nothing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--is", "bare-metal", "--from", metal]) == 0
    assert run(["--is", "vm", "--from", metal]) == 4
    assert run(["--is", "bare-metal", "--from", nothing]) == 3
    assert run(["--is", "vm", "--from", nothing]) == 3
    assert "too little could be read" in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"], ["--brief"], ["--explain"], ["--why-not", "vmware"]])
def test_what_is_not_determined_exits_with_3_and_still_answers(
    nothing: str, kvm: str, metal: str, capsys: pytest.CaptureFixture[str], form: list[str]
) -> None:
    for system, code in ((nothing, 3), (kvm, 0), (metal, 0)):
        assert run([*form, "--from", system]) == code
        assert capsys.readouterr().out != ""


def test_close_matches_are_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--is", "dokcer"]) == 2
    assert "try: docker" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"], ["no-such-command"], ["--format", "xml"], ["--json", "--is", "vm"], ["--why-not", "nix"],
        ["--json", "--brief"],
        ["--json", "--format", "ansible"], ["--from", "/a", "--root", "/b"], ["--from", "/no/such"], ["--from"],
        ["--root", "/no/such"], ["--root", "/etc/passwd"], ["capture"], ["--json", "list"], ["completion", "csh"],
        ["--from", "a\x1b[31mb"],
    ],
)  # fmt: skip
def test_bad_arguments_are_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("envinspect: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()


def test_an_unexpected_error_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(inspection, "inspect", broken)
    assert run(["--brief"]) == 1
    assert (
        capsys.readouterr().err
        == "envinspect: unexpected RuntimeError: boom; try: --debug, which shows where it happened\n"
    )
    with pytest.raises(RuntimeError):
        run(["--brief", "--debug"])


@pytest.mark.parametrize("name", ["resources", "isolation", "capabilities"])
def test_reports_answer_for_captures_and_as_json(kvm: str, capsys: pytest.CaptureFixture[str], name: str) -> None:
    for arguments in (["--from", kvm, name], [name, "--from", kvm], [name]):
        assert run(arguments) == 0
        assert capsys.readouterr().out
        assert run([*arguments, "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_list_names_every_id_with_its_peers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(ENTRIES) + 1
    assert run(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {(row["kind"], row["id"]) for row in listed} == {(entry.kind.word, entry.id) for entry in ENTRIES}


def test_signatures_are_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"kvm", "vmware", "firecracker", "docker"} <= {row["id"] for row in rows}
    assert all(row["reference"].startswith("http") and row["pattern"] for row in rows)
    assert run(["signatures"]) == 0


def test_why_not_says_what_was_looked_for(kvm: str, metal: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--why-not", "vmware", "--from", kvm])
    assert "a CPUID signature: 'VMwareVMware'\n     → the CPU says \"KVMKVMKVM\"\n" in capsys.readouterr().out
    run(["--why-not", "vmware", "--from", metal])
    assert 'sys_vendor is "LENOVO"' in capsys.readouterr().out
    run(["--why-not", "kvm", "--from", kvm])
    assert capsys.readouterr().out.startswith("It is: KVM virtual machine")
    run(["--why-not", "bare-metal", "--from", kvm])
    assert "KVMKVMKVM" in capsys.readouterr().out
    run(["--why-not", "bare-metal", "--from", metal])
    assert "It is bare metal" in capsys.readouterr().out


@pytest.mark.slow
def test_why_not_answers_for_every_name_and_system() -> None:
    for name in NAMES[::20]:
        answer = answer_for(name)
        for entry in ENTRIES:
            text = why_not(entry.id, answer, PLAIN).text
            assert text.startswith("It is: ") or "Looked for:" in text, (name, entry.id)
            assert all(character.isprintable() or character == "\n" for character in text)


def test_every_option_and_command_has_help() -> None:
    for name, found in [("envinspect", command), *command.commands.items()]:
        assert found.help, name
        for parameter in found.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (name, parameter.name)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(["completion", shell]) == 0
    assert "_ENVINSPECT_COMPLETE" in capsys.readouterr().out


def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "envinspect", *arguments],
        capture_output=True, text=True, check=False, env=os.environ | environment, timeout=60,
    )  # fmt: skip


def test_help_and_version() -> None:
    assert "Exit codes: 0 answered" in started("--help").stdout
    assert started("--version").stdout.startswith("envinspect ")
    assert started("capture", "--help").returncode == 0


def test_completion_completes() -> None:
    done = started(_ENVINSPECT_COMPLETE="bash_complete", COMP_WORDS="envinspect res", COMP_CWORD="1")
    assert done.stdout.strip() == "plain,resources"


FOR_CPUID = {"ctypes", "mmap", "struct", "types"}
"""What is loaded of the standard library to run one instruction, with all that it loads in turn."""
ALLOWED = {
    ("envinspect",): {"__future__", "errno", "gc"} | FOR_CPUID,
    ("envinspect", "--brief"): {"__future__", "errno", "gc"} | FOR_CPUID,
    ("envinspect", "--is", "vm"): {"__future__", "errno", "gc"} | FOR_CPUID,
    ("envinspect", "--json"): {"__future__", "errno", "gc", "math"} | FOR_CPUID,
}


@pytest.mark.parametrize("words", ALLOWED)
def test_a_call_that_needs_no_parsing_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    """Each module of the standard library costs a call what it takes to load: `json` more than the whole inspection."""
    code = f"import sys; before = set(sys.modules); sys.argv = {list(words)}; "
    code += "from envinspect.__main__ import main; main(); print(*sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    public = {name for name in loaded if not name.startswith("_") or name == "__future__"}
    assert public - {"envinspect"} <= ALLOWED[words]


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = f"{sys.executable} -m envinspect signatures | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")


def test_a_full_output_device_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "envinspect", "--brief"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_a_closed_output_is_no_traceback() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m envinspect >&-"], stderr=subprocess.PIPE, text=True, check=False
    )
    assert "Traceback" not in done.stderr


def test_ascii_terminals_get_ascii() -> None:
    done = started(PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert "`- " in done.stdout


def on_a_terminal(**environment: str) -> str:
    """Return what a bare call writes to a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "envinspect"],
        stdout=theirs,
        check=False,
        env=os.environ | {"TERM": "xterm"} | environment,
    )
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert done.returncode in {0, 3}
    return b"".join(pieces).decode()


def test_colour_only_on_a_terminal_that_wants_it() -> None:
    assert "\033[" in on_a_terminal(NO_COLOR="")
    assert "\033[" not in on_a_terminal(NO_COLOR="1")
    assert "\033[" not in on_a_terminal(NO_COLOR="", TERM="dumb")
    assert "\033[" not in started().stdout
