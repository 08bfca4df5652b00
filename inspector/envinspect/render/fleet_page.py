"""The view of a fleet as one HTML page: no script, nothing from the network, every text from outside escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from envinspect.fleet.view import Fleet, stack_of, why_open
from envinspect.model.errors import counted, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envinspect.fleet.answers import Host

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f7f7f5; --card: #fff; --ink: #1b1f24; --muted: #59616b; --line: #d3d7dc;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --card: #1d2126; --ink: #e8eaed; --muted: #a6aeb8; --line: #3a414a; }
}
body {
  margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem; overflow-wrap: anywhere;
  background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.3; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: .92rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
meter { width: 10rem; }
details { margin: .4rem 0; }
summary { cursor: pointer; padding: .25rem 0; }
.small { color: var(--muted); font-size: .87rem; }
"""


def page(fleet: Fleet) -> str:
    """Return the page, whole."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{_title(fleet)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n",
            *_body(fleet),
            "</main>\n</body>\n</html>\n",
        )
    )


def _title(fleet: Fleet) -> str:
    return f"Environments of {counted(len(fleet.hosts), 'host')}"


def _body(fleet: Fleet) -> Iterator[str]:
    told = len(fleet.hosts) - len(fleet.undetermined) - len(fleet.silent)
    yield f"<h1>{_title(fleet)}</h1>\n"
    yield f"<p>{told} determined, {len(fleet.undetermined)} not, {len(fleet.silent)} did not answer.</p>\n"
    yield f"<h2>By {_text(fleet.by)}</h2>\n"
    counts = ((str(each.hosts), _meter(each.hosts, len(fleet.hosts)), _text(each.value)) for each in fleet.counts)
    yield from _table(("Hosts", "Share", fleet.by.capitalize()), counts)
    unlike = (
        (f"{len(each.hosts)} of {each.of}", _text(each.group), _text(each.value), _text(", ".join(each.hosts)))
        for each in fleet.outliers
    )
    yield from _section("Unlike the others", ("Hosts", "Group", "What they have", "Which"), unlike)
    changed = ((_text(each.host), _text(each.before or "new"), _text(each.now or "gone"))
               for each in fleet.differences or ())  # fmt: skip
    yield from _section("Other than before", ("Host", "Before", "Now"), changed)
    if fleet.differences == ():
        yield "<h2>Other than before</h2>\n<p>None.</p>\n"
    open_ones = ((_text(host.name), _text(host.summary), _text(why_open(host))) for host in fleet.undetermined)
    yield from _section("Not determined", ("Host", "What was found", "What could not be read"), open_ones)
    silent = ((_text(host.name), _text(host.error)) for host in fleet.silent)
    yield from _section("Did not answer", ("Host", "Why"), silent)
    yield "<h2>All hosts that answered</h2>\n"
    stacks: dict[str, list[Host]] = {}
    for host in fleet.hosts:
        if host.answered:
            stacks.setdefault(stack_of(host), []).append(host)
    for stack in sorted(stacks, key=lambda each: (-len(stacks[each]), each)):
        count = counted(len(stacks[stack]), "host")
        yield f"<details><summary>{_text(stack)} <span class=small>{count}</span></summary>\n"
        rows = ((_text(host.name), _text(host.cloud or ""), _text(host.kernel or "")) for host in stacks[stack])
        yield from _table(("Host", "Cloud", "Kernel"), rows)
        yield "</details>\n"


def _section(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    found = tuple(rows)
    if found:
        yield f"<h2>{title}</h2>\n"
        yield from _table(heads, found)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"<table><thead><tr>{''.join(f'<th scope=col>{head}' for head in heads)}</thead><tbody>\n"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}' for cell in row)}\n"
    yield "</tbody></table>\n"


def _meter(part: int, whole: int) -> str:
    return f'<meter max="{whole}" value="{part}">{part / whole:.1%}</meter>'


def _text(words: str) -> str:
    return escape(printable(words, 2000))
