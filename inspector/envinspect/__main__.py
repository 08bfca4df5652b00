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
"""Whole command lines that name a form of the answer and nothing else; every other one goes to click."""


def main() -> int:
    """Run the command line and return the exit code (contract 2)."""
    try:
        form = _PLAIN.get(tuple(sys.argv[1:])) if "_ENVINSPECT_COMPLETE" not in os.environ else None
        code = _with_arguments() if form is None else _answer(form)
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


def _answer(form: str) -> int:
    from envinspect.inspection import inspect
    from envinspect.terminal import encodable, palette_for

    try:
        if form == "text":
            from envinspect.render.text import render

            rendered = render(inspect(), palette_for(sys.stdout))
        else:
            from envinspect import render as forms

            rendered = forms.render(form, inspect(), palette_for(sys.stdout))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line and exit code 1, never a traceback
        return _complain(f"unexpected {type(error).__name__}: {error}; see it whole with --debug")
    if sys.stdout is not None:
        sys.stdout.write(encodable(rendered.text, sys.stdout))
    return rendered.exit_code


def _with_arguments() -> int:
    from envinspect.cli import run

    return run(sys.argv[1:])


def _drop_output() -> None:
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> int:
    if sys.stderr is not None:
        sys.stderr.write(f"envinspect: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
