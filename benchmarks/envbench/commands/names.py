"""Names that options take: a misspelt one gets the nearest there is, and a shell completes them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


class WrongNameError(click.BadParameter):
    """A name that there is not; `nearest` is what was probably meant, "" where it is like none of `names`."""

    def __init__(self, what: str, *, wrong: str, names: Iterable[str], ctx: click.Context | None = None) -> None:
        super().__init__(what, ctx=ctx)
        self.nearest = nearest(wrong, names)

    def format_message(self) -> str:
        """Return what is wrong, and with which option."""
        return super().format_message() if self.param is not None else self.message


class OneOf(click.Choice[str]):
    """One of a few names, as click's own choice; a wrong one is answered with the nearest right one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name. Raises WrongNameError."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            wrong = WrongNameError(error.message.rstrip("."), wrong=str(value), names=map(str, self.choices), ctx=ctx)
            wrong.param = param
            raise wrong from error


class Number(click.IntRange):
    """A whole number from a least one on."""

    name = "whole number"


MOST = 1e9
"""More seconds than anybody waits for, and still few enough to count in nanoseconds."""


class Amount(click.FloatRange):
    """A number, with decimals or without, from a least one on; neither "nan" nor "inf", which Python reads as such."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not number < MOST:
            self.fail(f"{value!r} is no number that can be reached; leave the option out for no limit", param, ctx)
        return number


class Place(click.Path):
    """A path; "" is none, as an unset variable of a script's gives it, and would be the current folder."""

    def __init__(self, **rules: Any) -> None:
        super().__init__(path_type=Path, **rules)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value):
            self.fail("an empty path", param, ctx)
        return super().convert(value, param, ctx)


class Address(click.ParamType[str]):
    """Where a dataset is: a folder, or an address of a store; "" is none."""

    name = "dataset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address as it was given."""
        if not value:
            self.fail("an empty address", param, ctx)
        return str(value)


class Line(click.ParamType[str]):
    """A text with blanks in it: of several in one variable of the environment each has a line of its own."""

    name = "text"
    envvar_list_splitter = "\n"


class Listed(click.ParamType[str]):
    """Names with their meaning, "" where they explain themselves, that are looked up only to list or complete them.

    What takes the value checks it. With `several` a value is a list with commas between, and its last name is
    completed.
    """

    def __init__(self, name: str, find: Callable[[], Mapping[str, str]], *, several: bool = False) -> None:
        self.name = name
        self._find = find
        self._several = several

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


def nearest(word: str, names: Iterable[str], *, most: int = 2) -> str:
    """Return the names, so many at most, that a word was probably meant to be, "" where it is like none."""
    from difflib import get_close_matches

    return " or ".join(get_close_matches(word, list(names), n=most))


FORMAT_NAMES = "csv, html, json, junit, markdown, openmetrics, prometheus, svg, github, parquet"
"""The report formats, for the help: what has them loads scipy."""


def format_names() -> Mapping[str, str]:
    """Return the report formats."""
    from envreport.formats import FORMATS  # not before measuring, unless asked for

    return dict.fromkeys(FORMATS, "")


def claim_names() -> Mapping[str, str]:
    """Return the claims: id → what is claimed."""
    from envreport.claims.texts import all_claims

    return {claim.id: claim.wording for claim in all_claims()}
