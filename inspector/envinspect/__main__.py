"""The command `envinspect`. Calls that take hardly any parsing do not pay for click, which costs more than all else."""

import os
import sys

INTERRUPTED = 130

_PLAIN = {
    (): "text",
    ("--json",): "json",
    ("--brief",): "brief",
    ("--explain",): "explain",
    ("--format", "systemd-detect-virt"): "systemd-detect-virt",
    ("--format", "virt-what"): "virt-what",
    ("--format", "ansible"): "ansible",
    ("--format", "facter"): "facter",
}
_LISTINGS = {
    ("list",): "catalogue_text",
    ("list", "--json"): "catalogue_json",
    ("signatures",): "signatures_text",
    ("signatures", "--json"): "signatures_json",
}
_REPORTS = frozenset({"resources", "isolation", "capabilities"})
"""Whole command lines that need no parsing, a row of --is among them; all else goes to click."""


def main() -> int:
    """Run the command line and return the exit code (contract 2)."""
    try:
        code = _run(tuple(sys.argv[1:]))
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`envinspect | head -1`): not an error, but Python would complain when it closes stdout.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return _complain(f"cannot write the answer: {error.strerror}")
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _run(words: tuple[str, ...]) -> int:
    if "_ENVINSPECT_COMPLETE" not in os.environ:
        if words in _PLAIN:
            return _answer(_PLAIN[words])
        if words in _LISTINGS:
            return _list(_LISTINGS[words])
        if words and words[0] in _REPORTS and words[1:] in {(), ("--json",)}:
            return _report(words[0], as_json=len(words) == 2)
        if words and len(words) % 2 == 0 and set(words[::2]) == {"--is"}:
            return _is(words[1::2])
    from envinspect.cli import run

    return run(list(words))


def _is(groups: tuple[str, ...]) -> int:
    from envinspect.errors import EnvinspectError
    from envinspect.machine import live_facts
    from envinspect.names import met

    try:
        met(groups, live_facts)
    except EnvinspectError as error:
        return _complain(str(error), error.exit_code) if str(error) else error.exit_code
    return 0


def _list(function: str) -> int:
    from envinspect import listing

    text: str = getattr(listing, function)()
    return _show(text, 0)


def _report(name: str, *, as_json: bool) -> int:
    from envinspect.machine import live_facts
    from envinspect.render.blocks import report
    from envinspect.terminal import palette_for

    try:
        rendered = report(name, live_facts(), palette_for(sys.stdout), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - as below
        return _unexpected(error)
    return _show(rendered.text, rendered.exit_code)


def _answer(form: str) -> int:
    from envinspect.inspection import inspect
    from envinspect.terminal import palette_for

    try:
        if form == "text":
            from envinspect.render.text import render

            rendered = render(inspect(), palette_for(sys.stdout))
        else:
            from envinspect import render as forms

            rendered = forms.render(form, inspect(), palette_for(sys.stdout))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line and exit code 1, never a traceback
        return _unexpected(error)
    return _show(rendered.text, rendered.exit_code)


def _show(text: str, code: int) -> int:
    if sys.stdout is not None:
        from envinspect.terminal import encodable

        sys.stdout.write(encodable(text, sys.stdout))
    return code


def _unexpected(error: Exception) -> int:
    return _complain(f"unexpected {type(error).__name__}: {error}; see it whole with --debug")


def _drop_output() -> None:
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int = 1) -> int:
    if sys.stderr is not None:
        from envinspect.terminal import encodable, printable

        sys.stderr.write(encodable(f"envinspect: {printable(message, 500)}\n", sys.stderr))
    return code


if __name__ == "__main__":
    sys.exit(main())
