"""report.html: the report as a page of one file."""

import base64
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


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    limit_bytes = WEIGHT_LIMIT_BYTES if document.asked else WEIGHT_LIMIT_OF_ALL_BYTES
    made = page(
        "report.html.j2",
        [chart for section in document.sections for chart in section.charts],
        as_record(document),
        {"verdict_class": lambda judgement: VERDICT_CLASS[judgement.verdict]},
        title=f"{document.title} · run {document.run_id}" if document.run_id else document.title,
        doc=document,
        themes=_themes(document),
        tally=_tally(document),
        symbols=SYMBOLS,
        measured=MEASURED,
        documents=DOCUMENTS,
    )
    rows = rows_url(document, limit_bytes)
    whole = made(rows_url=rows)
    return {"report.html": made(rows_url="") if rows and len(whole.encode()) > limit_bytes else whole}


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
