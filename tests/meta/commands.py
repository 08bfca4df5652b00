"""The reference of both command lines, out of click itself: docs/commands.md and the man pages under docs/man/."""

import warnings
from collections.abc import Iterator

import click
from click_man.core import generate_man_page

DATE = "2026-11-21"
"""In the header of the man pages: fixed, so that the same commands give the same pages."""


def programs() -> dict[str, click.Command]:
    from envbench.commands.cli import cli
    from envinspect.cli.commands import command

    return {"envinspect": command, "envbench": cli}


def contexts(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    settings = {**command.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from contexts(child, found, context)


def markdown() -> str:
    """The text of docs/commands.md: every command's own help."""
    lines = [
        "# Commands",
        "",
        "Every command with all its options, as `--help` prints them. Generated: `make docs`.",
    ]
    for name, program in programs().items():
        for context in contexts(name, program):
            lines += ["", f"## {context.command_path}", "", "```text", context.get_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def man_pages() -> dict[str, str]:
    """File name → text of every man page."""
    from envinspect import __version__

    pages = {}
    for name, program in programs().items():
        for context in contexts(name, program):
            if isinstance(context.command, click.Group):
                # click-man lists what is loaded; a lazy group is asked for each of its commands.
                names = context.command.list_commands(context)
                loaded = {child: context.command.get_command(context, child) for child in names}
                context.command.commands = {child: found for child, found in loaded.items() if found}
            with warnings.catch_warnings():
                # click-man 0.6 calls what click 9 will have dropped.
                warnings.simplefilter("ignore", DeprecationWarning)
                page = generate_man_page(context, version=__version__, date=DATE)
            pages[context.command_path.replace(" ", "-") + ".1"] = page
    return pages
