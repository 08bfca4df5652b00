"""A page of one file that opens offline, with scripts off, on any screen, in light and dark, and on paper.

Everything from outside passes through Jinja's autoescape. The content-security policy allows just the style and script
of the file, by their hashes; pictures and packed rows are data URLs.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from envreport.charts.draw import draw, draw_narrow
from envreport.document.model import Chart

RESOURCES = files("envreport.formats") / "templates"
NARROW_KINDS = ("strip", "forest", "history")
"""Kinds of chart that have a drawing of their own for a phone; the others move sideways there."""
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
UNIT_GAP = re.compile(r"(?<=\d) (?=(?:[mµn]?s|min|[KMG]iB|GB|B|%)(?![A-Za-z]))|(?<=n) (?==)|(?<=n =) ")
ADDRESS = re.compile(r"https?://[^\s;]+|doi:10\.[^\s;]+")
LINK = Markup('<a href="{}" rel="noreferrer">{}</a>')
PROJECT = "https://github.com/envinspect/envinspect"


def page(
    template: str,
    charts: Iterable[Chart],
    filters: Mapping[str, Callable[..., Any]] | None = None,
    **values: object,
) -> partial[str]:
    """Return what makes the page of a template; what it is called with is given to the template besides `values`.

    `charts` are those that the template shows.
    """
    shown = list(charts)
    drawn = {chart.id: draw(chart) for chart in shown}
    narrow = {chart.id: draw_narrow(chart) for chart in shown if chart.kind in NARROW_KINDS}
    rules = "\n".join(
        f".{name} {{ {style} }}"
        for _, styles in (*drawn.values(), *narrow.values())
        for name, style in sorted(styles.items())
    )
    css = f"\n{_resource('report.css')}\n{rules}\n"
    script = f"\n{_resource('report.js')}\n"
    environment = Environment(
        loader=PackageLoader("envreport.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": code, "linked": linked, "tight": tight, **(filters or {})}
    return partial(
        environment.get_template(template).render,
        project=PROJECT,
        charts={chart_id: Markup(svg) for chart_id, (svg, _) in drawn.items()},  # noqa: S704  (made by an XML writer)
        narrow={chart_id: Markup(svg) for chart_id, (svg, _) in narrow.items()},  # noqa: S704  (as above)
        css=Markup(css),  # noqa: S704  (ours; chart styles hold no text from outside)
        script=Markup(script),  # noqa: S704  (ours)
        style_hash=_source_hash(css),
        script_hash=_source_hash(script),
        **values,
    )


def code(text: str) -> Markup:
    """Return text with what stands in backticks as code; all of it is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def linked(text: str) -> Markup:
    """Return text whose addresses and DOIs are links; all of it is escaped."""
    parts, end = [], 0
    for found in ADDRESS.finditer(text):
        address = found[0].rstrip(".,;:)")
        target = f"https://doi.org/{address.removeprefix('doi:')}" if address.startswith("doi:") else address
        parts += [escape(text[end : found.start()]), LINK.format(target, address)]
        end = found.start() + len(address)
    return Markup("").join((*parts, escape(text[end:])))


def tight(text: str) -> str:
    """Return text without a possible line break between a number and its unit, or in "n = 6"."""
    return UNIT_GAP.sub(NO_BREAK_SPACE, text)


def script_json(record: object) -> Markup:
    """Return JSON in which nothing can end the script element around it (HTML spec, 4.12.1.3)."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for each in "<>&\u2028\u2029":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return Markup(text)  # noqa: S704  (escaped just now)


def _resource(name: str) -> str:
    return (RESOURCES / name).read_text(encoding="utf-8").strip()


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
