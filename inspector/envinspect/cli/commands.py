"""The command line as click parses it: every option and sub-command becomes a `Call` of the table of actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from envinspect.cli.actions import INTERRUPTED, Call, failed, perform, show
from envinspect.model.errors import UsageError
from envinspect.render import DROP_IN, Rendered
from envinspect.systems import Place
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
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "envinspect"
        return failed(UsageError(" ".join(error.format_message().split()).rstrip("."), remedy=f"{where} --help"))
    except click.Abort:
        return INTERRUPTED
    except Exception as error:
        if debug or isinstance(error, BrokenPipeError):
            raise
        return failed(error)
    return code if isinstance(code, int) else 0


def _of_a_system(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which system is meant, which the bare call and its sub-commands share."""
    options = (
        click.option(
            "--from", "capture", metavar="IN", help="Inspect a capture (folder or .tar.gz), not this machine."
        ),
        click.option("--root", metavar="DIR", help="Inspect the root filesystem below DIR, not this machine."),
        click.option(
            "--via",
            metavar="COMMAND",
            help="Inspect the place where COMMAND starts a shell, such as 'ssh web1'; no Python is needed there.",
        ),
        click.option("--pid", type=int, metavar="PID", help="Inspect the place of another process, from outside."),
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
@click.option(
    "--format",
    "drop_in",
    type=click.Choice(DROP_IN),
    help="As another tool prints it, with its exit code, or as another tool reads it.",
)
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
    via: str | None,
    pid: int | None,
    debug: bool,  # noqa: ARG001 - read by `run`
) -> int:
    """Say where this code runs (machine, VM, WSL, container, sandbox), and why it believes so."""
    place = Place(capture, root, via, pid)
    context.obj = place
    asked = [name for name, wanted in (("json", as_json), ("brief", brief), ("explain", explain)) if wanted]
    asked += [drop_in] if drop_in is not None else []
    asked += ["why-not"] if why_not is not None else []
    asked += ["is"] if names else []
    if context.invoked_subcommand is not None:
        if asked:
            raise UsageError(f"{context.invoked_subcommand} takes no answer options", remedy="it without them")
        return 0
    if len(asked) > 1:
        raise UsageError(
            "--json, --brief, --explain, --format, --why-not and --is ask for different answers", remedy="one of them"
        )
    words = names if why_not is None else (why_not,)
    return perform(Call(asked[0] if asked else "text", place, words))


def _merged(context: click.Context, capture: str | None, root: str | None, via: str | None, pid: int | None) -> Place:
    """Return the system that a sub-command's own options name, else the one named before it."""
    own = Place(capture, root, via, pid)
    outer: Place = context.obj
    return own if own.named else outer


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool) -> int:
    """Print every name an answer may hold.

    Each with its kind, hypervisor type, and what systemd-detect-virt and virt-what call it.
    """
    return perform(Call("list", as_json=as_json))


@command.command("signatures")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def signatures_command(as_json: bool) -> int:
    """Print every signature.

    What is looked for, what it speaks for, how strongly, and (as JSON) who says so.
    """
    return perform(Call("signatures", as_json=as_json))


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
        via: str | None,
        pid: int | None,
        debug: bool,  # noqa: ARG001
    ) -> int:
        return perform(Call(name, _merged(context, capture, root, via, pid), as_json=as_json))


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
    via: str | None,
    pid: int | None,
    debug: bool,  # noqa: ARG001
) -> int:
    """Write what an inspection reads to OUT.

    OUT is a new folder or .tar.gz, which --from reads. What names the machine or a person is taken out.
    """
    return perform(Call("capture", _merged(context, capture, root, via, pid), (out,), redact=not no_redact))


@command.command("census")
@click.option("--json", "as_json", is_flag=True, help="As JSON (schema: envinspect-census/1).")
@click.option(
    "--format", "form", type=click.Choice(["prometheus", "openmetrics", "nfd"]), help="As another tool reads it."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def census_command(
    context: click.Context,
    as_json: bool,
    form: str | None,
    debug: bool,  # noqa: ARG001 - read by `run`
) -> int:
    """Say where every process of this node runs.

    One line for each distinct set of namespaces: processes, stack, engine, container's id, pod, limits. Exit code 3
    where some processes may not be looked at, or where one of them runs could not be determined.
    """
    if context.obj.named:
        raise UsageError("census is about this node as a whole", remedy="it on the node itself, without another system")
    if as_json and form is not None:
        raise UsageError("--json and --format ask for different forms", remedy="one of them")
    return perform(Call("census", words=() if form is None else (form,), as_json=as_json))


@command.command("fleet")
@click.argument("answers", metavar="ANSWERS")
@click.option(
    "--by",
    type=click.Choice(["stack", "cloud", "container", "kernel"]),
    default="stack",
    show_default=True,
    help="What hosts are counted by.",
)
@click.option("--against", metavar="ANSWERS", help="Name the hosts that answer otherwise than in this older folder.")
@click.option(
    "--inventory", metavar="FILE", help="Output of ansible-inventory --list: name hosts that are unlike their group."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON (schema: envinspect-fleet/1).")
@click.option(
    "--format", "form", type=click.Choice(["csv", "html", "openmetrics", "parquet"]), help="As another format."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def fleet_command(
    answers: str,
    by: str,
    against: str | None,
    inventory: str | None,
    as_json: bool,
    form: str | None,
    debug: bool,  # noqa: ARG001 - read by `run`
) -> int:
    """Count what many hosts run on.

    ANSWERS is a folder with one file a host: what `envinspect --json` prints there, or what the Ansible module
    environment_facts leaves.
    """
    from envinspect.fleet.answers import read_answers, read_groups
    from envinspect.fleet.view import view_of
    from envinspect.render.fleet import FORMS

    if as_json and form is not None:
        raise UsageError("--json and --format ask for different forms", remedy="one of them")
    groups = None if inventory is None else read_groups(inventory)
    before = None if against is None else read_answers(against)
    return show(FORMS["json" if as_json else form or "text"](view_of(read_answers(answers), by, groups, before)))


@command.command("collector")
def collector_command() -> int:
    """Print the collector, to be run by hand.

    sh collect.sh > web1.wire where nothing but a shell is there, then here: envinspect --from web1.wire
    """
    return perform(Call("collector"))


@command.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print a shell's completion script.

    Use it so: eval "$(envinspect completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"no completion for {shell}", remedy="bash, zsh or fish")
    return show(Rendered(found(command, {}, "envinspect", "_ENVINSPECT_COMPLETE").source(), 0))
