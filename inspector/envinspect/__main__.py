"""The command `envinspect`. Calls that take hardly any parsing do not pay for click, which costs more than all else."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from envinspect.facts import Facts
    from envinspect.render import Rendered

    Action = Callable[[Callable[[], Facts]], Rendered]

INTERRUPTED = 130

_FORMS = {
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


def main() -> int:
    """Run the command line and return the exit code (contract 2)."""
    gc.disable()  # a call is over before there is garbage worth collecting
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
        return _complain(f"cannot write the answer: {error.strerror}", 1)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _run(words: tuple[str, ...]) -> int:
    """Answer a command line that needs no parsing; hand all others, the wrong ones among them, to click."""
    rest, capture, root = _target(words)
    action = _action(rest) if "_ENVINSPECT_COMPLETE" not in os.environ else None
    if action is None:
        from envinspect.cli import run

        return run(list(words))
    from envinspect.errors import EnvinspectError
    from envinspect.systems.choose import facts_of

    try:
        rendered = action(lambda: facts_of(capture, root))
    except EnvinspectError as error:
        return _complain(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line and exit code 1, never a traceback
        return _complain(f"unexpected {type(error).__name__}: {error}; see it whole with --debug", 1)
    if sys.stdout is not None:
        from envinspect.terminal import encodable

        sys.stdout.write(encodable(rendered.text, sys.stdout))
    return rendered.exit_code


def _target(words: tuple[str, ...]) -> tuple[tuple[str, ...], str | None, str | None]:
    """Return the words without a leading or closing `--from IN` or `--root DIR`, and which of the two it was."""
    for pair, rest in ((words[:2], words[2:]), (words[-2:], words[:-2])):
        if len(pair) == 2 and pair[0] in {"--from", "--root"} and not pair[1].startswith("-"):
            return (rest, pair[1], None) if pair[0] == "--from" else (rest, None, pair[1])
    return words, None, None


def _action(words: tuple[str, ...]) -> Action | None:
    """Return what answers exactly these words, None where they need click."""
    if words in _FORMS:
        return lambda facts: _form(_FORMS[words], facts)
    if words in _LISTINGS:
        return lambda _: _listing(_LISTINGS[words])
    if words[0] in _REPORTS and words[1:] in {(), ("--json",)}:
        return lambda facts: _report(words[0], facts, as_json=len(words) == 2)
    if len(words) % 2 == 0 and set(words[::2]) == {"--is"}:
        return lambda facts: _is(words[1::2], facts)
    return None


def _form(name: str, facts: Callable[[], Facts]) -> Rendered:
    from envinspect.inspection import inspect
    from envinspect.terminal import palette_for

    if name == "text":
        from envinspect.render.text import render

        return render(inspect(facts()), palette_for(sys.stdout))
    from envinspect import render as forms

    answer = inspect(facts())
    _complain(forms.warning(name, answer), 0)
    return forms.render(name, answer, palette_for(sys.stdout))


def _listing(function: str) -> Rendered:
    from envinspect.render import Rendered, catalogue

    text: str = getattr(catalogue, function)()
    return Rendered(text, 0)


def _report(name: str, facts: Callable[[], Facts], *, as_json: bool) -> Rendered:
    from envinspect.render.blocks import report
    from envinspect.terminal import palette_for

    return report(name, facts(), palette_for(sys.stdout), as_json=as_json)


def _is(groups: tuple[str, ...], facts: Callable[[], Facts]) -> Rendered:
    from envinspect.names import met
    from envinspect.render import Rendered

    met(groups, facts)
    return Rendered("", 0)


def _drop_output() -> None:
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int) -> int:
    """Say in one line what went wrong; an error without a message (`--is` not met) is for scripts and says nothing."""
    if sys.stderr is not None and message:
        from envinspect.terminal import encodable, printable

        sys.stderr.write(encodable(f"envinspect: {printable(message, 500)}\n", sys.stderr))
    return code


if __name__ == "__main__":
    sys.exit(main())
