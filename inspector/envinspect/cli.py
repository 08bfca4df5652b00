"""The command line: which question was asked, of which system, and in which form the answer goes out.

`run` is the only place where an error becomes a line on stderr and an exit code (contract 2).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from envinspect.errors import EnvinspectError, UsageError
from envinspect.facts import Facts
from envinspect.model import Record
from envinspect.render import DROP_IN, Rendered, render, warning
from envinspect.systems.choose import facts_of
from envinspect.terminal import encodable, palette_for, printable
from envinspect.version import __version__

EPILOG = (
    "Exit codes: 0 answered, 1 unexpected error, 2 bad arguments or capture, 3 not determined, 4 --is not met. "
    "The drop-in formats use those of the tool they stand in for."
)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every failure is one line on stderr, a traceback with --debug."""
    debug = "--debug" in arguments
    try:
        code = command.main(arguments, prog_name="envinspect", standalone_mode=False)
    except EnvinspectError as error:
        if debug:
            raise
        return _complain(str(error), error.exit_code) if str(error) else error.exit_code
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "envinspect"
        return _complain(f"{' '.join(error.format_message().split())} Try: {where} --help", 2)
    except click.Abort:
        return 130
    except Exception as error:
        if debug or isinstance(error, BrokenPipeError):
            raise
        return _complain(f"unexpected {type(error).__name__}: {error}; see it whole with --debug", 1)
    return code if isinstance(code, int) else 0


def _complain(message: str, code: int) -> int:
    sys.stderr.write(encodable(f"envinspect: {printable(message, 500)}\n", sys.stderr))
    return code


def _show(rendered: Rendered) -> int:
    sys.stdout.write(encodable(rendered.text, sys.stdout))
    return rendered.exit_code


class _Target(Record):
    """The system that is asked about, by the options that name it."""

    capture: str | None
    root: str | None

    def facts(self) -> Facts:
        """Return the questions to it."""
        return facts_of(self.capture, self.root)


def _of_a_system(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which system is meant, which the bare call and its sub-commands share."""
    options = (
        click.option(
            "--from", "capture", metavar="IN", help="Inspect a capture (folder or .tar.gz), not this machine."
        ),
        click.option("--root", metavar="DIR", help="Inspect the root filesystem below DIR, not this machine."),
        click.option("--debug", is_flag=True, help="Show the traceback of an error."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(__version__, "--version", message="%(prog)s %(version)s")
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON (schema: envinspect/1).")
@click.option("--brief", is_flag=True, help="One line.")
@click.option("--explain", is_flag=True, help="All evidence with references, and all that was not believed.")
@click.option("--format", "drop_in", type=click.Choice(DROP_IN), help="Output and exit code of another tool.")
@click.option("--why-not", metavar="NAME", help="What would have shown NAME, and what was found instead.")
@click.option(
    "--is",
    "names",
    multiple=True,
    metavar="NAME[,NAME…]",
    help="Print nothing; exit 0 if this is NAME, else 4: vm, container, wsl, bare-metal, sandbox, cloud, an id. "
    "A comma means or; the option repeated means and.",
)
@_of_a_system
@click.pass_context
def command(
    context: click.Context,
    as_json: bool,
    brief: bool,
    explain: bool,
    drop_in: str | None,
    why_not: str | None,
    names: tuple[str, ...],
    capture: str | None,
    root: str | None,
    debug: bool,  # noqa: ARG001 - read by `run`
) -> int:
    """Say where this code runs (machine, VM, WSL, container, sandbox), and why it believes so."""
    target = _Target(capture, root)
    context.obj = target
    forms = [name for name, wanted in (("json", as_json), ("brief", brief), ("explain", explain)) if wanted]
    if context.invoked_subcommand is not None:
        if forms or drop_in or why_not or names:
            raise UsageError(f"{context.invoked_subcommand} takes no answer options; give them without a sub-command")
        return 0
    if len(forms) + sum((drop_in is not None, why_not is not None, bool(names))) > 1:
        raise UsageError("--json, --brief, --explain, --format, --why-not and --is ask for different answers: give one")
    if names:
        from envinspect.names import met

        met(names, target.facts)
        return 0
    from envinspect.inspection import inspect

    if why_not is not None:
        from envinspect.names import known
        from envinspect.render import why_not as explained

        known(why_not)
        return _show(explained.why_not(why_not, inspect(target.facts()), palette_for(sys.stdout)))
    form = forms[0] if forms else drop_in or "text"
    answer = inspect(target.facts())
    if said := warning(form, answer):
        _complain(said, 0)
    return _show(render(form, answer, palette_for(sys.stdout)))


def _merged(context: click.Context, capture: str | None, root: str | None) -> _Target:
    """Return the target that a sub-command's own options name, else the one named before it."""
    if capture is None and root is None:
        outer: _Target = context.obj
        return outer
    return _Target(capture, root)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool) -> int:
    """Print every name an answer may hold.

    Each with its kind, hypervisor type, and what systemd-detect-virt and virt-what call it.
    """
    from envinspect.render.catalogue import catalogue_json, catalogue_text

    return _show(Rendered(catalogue_json() if as_json else catalogue_text(), 0))


@command.command("signatures")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def signatures_command(as_json: bool) -> int:
    """Print every signature.

    What is looked for, what it speaks for, how strongly, and (as JSON) who says so.
    """
    from envinspect.render.catalogue import signatures_json, signatures_text

    return _show(Rendered(signatures_json() if as_json else signatures_text(), 0))


def _add_report(name: str, words: str) -> None:
    """Add the command that prints one of the reports in `render.blocks`."""

    @command.command(name, help=words)
    @click.option("--json", "as_json", is_flag=True, help="As JSON.")
    @_of_a_system
    @click.pass_context
    def show(
        context: click.Context,
        as_json: bool,
        capture: str | None,
        root: str | None,
        debug: bool,  # noqa: ARG001
    ) -> int:
        from envinspect.render.blocks import report

        facts = _merged(context, capture, root).facts()
        return _show(report(name, facts, palette_for(sys.stdout), as_json=as_json))


_add_report(
    "resources",
    """Say what this code may really use, and why.

    CPUs, memory, swap, processes, open files, disk and huge pages, with the limits of all control groups above.
    """,
)
_add_report(
    "isolation",
    """Say what separates this process from the host.

    Namespaces, capabilities, seccomp, security label, masked and read-only paths, devices, and what shows all the same.
    """,
)
_add_report(
    "capabilities",
    """Say what works here: containers, VMs, perf.

    Nested VMs and binaries of other architectures too; each with the reason, and where it does not work the remedy.
    """,
)


@command.command("capture")
@click.argument("out")
@click.option("--no-redact", is_flag=True, help="Keep serial numbers, UUIDs, MAC addresses, host and user names.")
@_of_a_system
@click.pass_context
def capture_command(
    context: click.Context,
    out: str,
    no_redact: bool,
    capture: str | None,
    root: str | None,
    debug: bool,  # noqa: ARG001
) -> int:
    """Write what an inspection reads to OUT.

    OUT is a new folder or .tar.gz, which --from reads. What names the machine or a person is taken out.
    """
    from datetime import datetime, timezone

    from envinspect.capture.every_question import ask_everything, names_of_this_host
    from envinspect.capture.redaction import Redaction
    from envinspect.capture.write import write_capture

    facts = _merged(context, capture, root).facts()
    ask_everything(facts)
    write_capture(
        facts,
        out,
        tool=f"envinspect {__version__}",
        captured_at=datetime.now(timezone.utc),
        redaction=None if no_redact else Redaction(names_of_this_host(facts)),
    )
    kept = "nothing was redacted" if no_redact else "serial numbers, UUIDs, MAC addresses and names are redacted"
    sys.stderr.write(encodable(f"{printable(out)}: written; {kept}, look through it before you share it\n", sys.stderr))
    return 0


@command.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print a shell's completion script.

    Use it so: eval "$(envinspect completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"no completion for {shell}")
    return _show(Rendered(found(command, {}, "envinspect", "_ENVINSPECT_COMPLETE").source(), 0))
