"""The short way: what it answers, how it fails, what it leaves to click."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest

from envinspect import __main__ as entry
from envinspect import inspection
from envinspect.cli.actions import ACTIONS
from envinspect.cli.plain import _FORMS, call_of
from envinspect.render.terminal import PLAIN, palette_for


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
