"""Names that options take: a misspelt one gets the nearest there is, and a shell completes them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem


class OneOf(click.Choice[str]):
    """One of a few names, as click's own choice; a wrong one is answered with the nearest right one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name. Raises BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            near = nearest(str(value), map(str, self.choices))
            if near:
                self.fail(f"{error.message.rstrip('.')}; did you mean {near}?", param, ctx)
            raise


class Listed(click.ParamType[str]):
    """Names with their meaning, "" where they explain themselves, that are looked up only to list or complete them.

    What takes the value checks it. With `several` a value is a list with commas between, and its last name is
    completed; `shown` lists all names in the help.
    """

    def __init__(
        self, name: str, find: Callable[[], Mapping[str, str]], *, several: bool = False, shown: bool = False
    ) -> None:
        self.name = name
        self._find = find
        self._several = several
        self._shown = shown

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str | None:  # noqa: ARG002
        """Return the names for the help, None for what click makes of the type's name."""
        return f"[{'|'.join(self._find())}]" if self._shown else None

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 -- click's own signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names that begin so."""
        before, comma, begun = incomplete.rpartition(",") if self._several else ("", "", incomplete)
        found = self._find()
        return [
            CompletionItem(f"{before}{comma}{name}", help=found[name] or None)
            for name in found
            if name.startswith(begun)
        ]


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the names that a word was probably meant to be, "" where it is like none."""
    from difflib import get_close_matches

    return " or ".join(get_close_matches(word, list(names), n=2))


def format_names() -> Mapping[str, str]:
    """Return the report formats."""
    from envreport.formats import FORMATS  # not before measuring, unless asked for

    return dict.fromkeys(FORMATS, "")


def claim_names() -> Mapping[str, str]:
    """Return the claims: id → what is claimed."""
    from envreport.claims.texts import all_claims

    return {claim.id: claim.wording for claim in all_claims()}
