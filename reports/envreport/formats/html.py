"""report.html: the report as a page of one file."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from envreport.claims import DOCUMENTS
from envreport.claims.model import Judgement
from envreport.claims.verdict import Verdict
from envreport.document.model import ReportDocument
from envreport.formats.json import as_record
from envreport.formats.markdown import MEASURED, SYMBOLS
from envreport.formats.page import page

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
WEIGHT_LIMIT_BYTES = 1_000_000
"""A page that its rows would make heavier than this is made without them: it must open on a phone."""
WEIGHT_LIMIT_OF_ALL_BYTES = 1_500_000
"""The same for a run of several experiments."""
PIECE_BYTES = 1 << 18
MOST_ROWS, MOST_FINDINGS = 100, 10
"""Of tables and of verdicts on a page that would be heavier still; its JSON has all of them."""


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file: with its rows if it is light enough with them, and with long tables cut if not without."""
    limit_bytes = WEIGHT_LIMIT_BYTES if document.asked else WEIGHT_LIMIT_OF_ALL_BYTES
    made = page(
        "report.html.j2",
        [chart for section in document.sections for chart in section.charts],
        {"verdict_class": lambda judgement: VERDICT_CLASS[judgement.verdict]},
        title=f"{document.title} · run {document.run_id}" if document.run_id else document.title,
        doc=document,
        themes=_themes(document),
        tally=_tally(document),
        symbols=SYMBOLS,
        measured=MEASURED,
        documents=DOCUMENTS,
        json_url=_data_url(_json(document)),
    )
    rows = rows_url(document, limit_bytes)
    whole = {"rows_url": "", "most_rows": None, "most_findings": None}
    cut = {"rows_url": "", "most_rows": MOST_ROWS, "most_findings": MOST_FINDINGS}
    for shown in (*([whole | {"rows_url": rows}] if rows else []), whole):
        if len((text := made(**shown)).encode(errors="backslashreplace")) <= limit_bytes:
            return {"report.html": text}
    return {"report.html": made(**cut)}


def rows_url(document: ReportDocument, limit_bytes: int) -> str:
    """Return samples.csv, packed, as a data URL; "" where it is not at hand or alone heavier than the limit.

    The same rows give the same bytes.
    """
    path = document.raw.path
    content = None if path is None else _rows(path, limit_bytes)
    return "" if content is None else _data_url(content)


def _data_url(packed: bytes) -> str:
    return f"data:application/gzip;base64,{base64.b64encode(packed).decode()}"


def _json(document: ReportDocument) -> bytes:
    """Return report.json, packed."""
    text = json.dumps(as_record(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    packer = _packer()
    return packer.compress(text.encode(errors="backslashreplace")) + packer.flush()


def _rows(path: Path, limit_bytes: int) -> bytes | None:
    """Return a file, packed; None as soon as that is larger than the limit."""
    packer, packed = _packer(), bytearray()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            packed += packer.compress(piece)
            if len(packed) > limit_bytes:
                return None
    packed += packer.flush()
    return bytes(packed) if len(packed) <= limit_bytes else None


def _packer() -> "zlib._Compress":
    """Return what packs into gzip with a header without name and time: the same bytes for the same content."""
    return zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)


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
