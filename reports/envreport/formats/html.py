"""report.html: one file that opens offline, with scripts off, on any screen, in light and dark, and on paper.

Everything from outside passes through Jinja's autoescape. The content-security policy allows just the style and script
of this file, by their hashes; pictures and the packed rows are data URLs.
"""

import base64
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from envreport.charts.draw import draw, draw_narrow
from envreport.claims import DOCUMENTS
from envreport.claims.model import Judgement
from envreport.claims.verdict import Verdict
from envreport.document.model import ReportDocument
from envreport.formats.json import as_record
from envreport.formats.markdown import MEASURED, SYMBOLS

RESOURCES = files("envreport.formats") / "templates"
VERDICT_CLASS: Mapping[Verdict, str] = {
    Verdict.SUPPORTED: "yes",
    Verdict.CONTRADICTED: "no",
    Verdict.INCONCLUSIVE: "open",
    Verdict.NOT_MEASURED: "later",
    Verdict.NOT_TESTABLE: "none",
    Verdict.RIGHT: "right",
    Verdict.WRONG: "wrong",
    Verdict.PARTLY_RIGHT: "partly",
}
NARROW_KINDS = ("strip",)
"""Kinds of chart that have a drawing of their own for a phone; the others move sideways there."""
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
UNIT_GAP = re.compile(r"(?<=\d) (?=(?:[mµn]?s|min|[KMG]iB|GB|B|%)(?![A-Za-z]))|(?<=n) (?==)|(?<=n =) ")
ADDRESS = re.compile(r"https?://[^\s;]+|doi:10\.[^\s;]+")
LINK = Markup('<a href="{}" rel="noreferrer">{}</a>')
PROJECT = "https://github.com/envinspect/envinspect"
WEIGHT_LIMIT_BYTES = 1_000_000
"""A page that its rows would make heavier than this is made without them: it must open on a phone."""
WEIGHT_LIMIT_OF_ALL_BYTES = 1_500_000
"""The same for a run of several experiments."""
PIECE_BYTES = 1 << 18


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    shown = [chart for section in document.sections for chart in section.charts]
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
    environment.filters["code"] = code
    environment.filters["linked"] = linked
    environment.filters["tight"] = tight
    environment.filters["verdict_class"] = lambda judgement: VERDICT_CLASS[judgement.verdict]
    template = environment.get_template("report.html.j2")
    limit_bytes = WEIGHT_LIMIT_BYTES if document.asked else WEIGHT_LIMIT_OF_ALL_BYTES
    page = partial(
        template.render,
        doc=document,
        themes=_themes(document),
        tally=_tally(document),
        symbols=SYMBOLS,
        measured=MEASURED,
        documents=DOCUMENTS,
        project=PROJECT,
        charts={chart_id: Markup(svg) for chart_id, (svg, _) in drawn.items()},  # noqa: S704  (made by an XML writer)
        narrow={chart_id: Markup(svg) for chart_id, (svg, _) in narrow.items()},  # noqa: S704  (as above)
        css=Markup(css),  # noqa: S704  (ours; chart styles hold no text from outside)
        script=Markup(script),  # noqa: S704  (ours)
        style_hash=_source_hash(css),
        script_hash=_source_hash(script),
        data=Markup(script_json(as_record(document))),  # noqa: S704  (escaped for a script element)
    )
    rows = rows_url(document, limit_bytes)
    whole = page(rows_url=rows)
    return {"report.html": page(rows_url="") if rows and len(whole.encode()) > limit_bytes else whole}


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


def _resource(name: str) -> str:
    return (RESOURCES / name).read_text(encoding="utf-8").strip()


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def script_json(record: object) -> str:
    """Return JSON in which nothing can end the script element around it (HTML spec, 4.12.1.3)."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for each in "<>&\u2028\u2029":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text


def rows_url(document: ReportDocument, limit_bytes: int) -> str:
    """Return samples.csv, packed, as a data URL; "" where it is not at hand or alone heavier than the limit.

    The same rows give the same bytes.
    """
    packed = None if document.raw.path is None else _packed(document.raw.path, limit_bytes)
    return "" if packed is None else f"data:application/gzip;base64,{base64.b64encode(packed).decode()}"


def _packed(path: Path, limit_bytes: int) -> bytes | None:
    """Return gzip of a file; None as soon as it is larger than the limit."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)  # a gzip header without name and time
    packed = bytearray()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            packed += packer.compress(piece)
            if len(packed) > limit_bytes:
                return None
    packed += packer.flush()
    return bytes(packed) if len(packed) <= limit_bytes else None


def _themes(document: ReportDocument) -> dict[str, list[Judgement]]:
    themes: dict[str, list[Judgement]] = {str(theme): [] for theme in document.themes}
    for each in document.judgements:
        themes[str(each.claim.theme)].append(each)
    return themes


def _tally(document: ReportDocument) -> list[tuple[str, str, int, str]]:
    counts = Counter(each.verdict for each in document.judgements)
    limited = Counter(each.verdict for each in document.judgements if each.limits)
    return [
        (
            VERDICT_CLASS[verdict],
            verdict.words,
            counts[verdict],
            f"{limited[verdict]} of them with a limit" if limited[verdict] else "",
        )
        for verdict in Verdict
    ]
