"""envreport judges the rows of an envbench run and shows them; it needs samples.csv and run.json and no engine.

`write_all` makes the files of a results folder again, `console_summary` is what a terminal shows after a run.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envreport.claims import Claim
    from envreport.dataset.frames import Frames
    from envreport.document.model import ReportDocument

DEFAULT_FORMATS = ("csv", "html", "markdown")
"""What every run writes beside samples.csv and run.json."""

__all__ = [
    "DEFAULT_FORMATS",
    "ci_notice",
    "claims_list",
    "console_summary",
    "load",
    "load_dataset",
    "report_document",
    "report_json",
    "write_all",
    "write_side_by_side",
]


def claims_list() -> str:
    """Return the claims, one line each, by theme: the text of claims.txt, which `make docs` writes from the table.

    Loading the table itself, with every rule, takes four times as long as reading this file.
    """
    return Path(__file__).with_name("claims.txt").read_text(encoding="utf-8")


def load(folder: Path | str) -> "Frames":
    """Return a results folder as pandas frames: `runs`, `figures`, `samples` and `starts`.

    Raises ResultsError or SamplesError (both ValueErrors with one line) where it cannot be read.
    """
    from envreport import results  # noqa: PLC0415 -- heavy
    from envreport.dataset.frames import frames_of  # noqa: PLC0415 -- heavy

    return frames_of(results.load(Path(folder)))


def load_dataset(dataset: Path | str, *, samples: bool = True) -> "Frames":
    """Return a dataset (a folder, or an address such as s3://bucket/path) as the same frames, labels as columns.

    Without `samples` their rows, which may be more than fit into memory, stay where they are: DuckDB reads them there.
    Raises DatasetError (a ValueError) where there is none.
    """
    from envreport.dataset.store import load_dataset as load_from  # noqa: PLC0415 -- heavy

    return load_from(str(dataset), samples=samples)


def report_document(
    folder: Path, *, claims_file: Path | None = None, include_host: bool = False, baseline: Path | None = None
) -> "ReportDocument":
    """Return the report of a results folder as data; with a `baseline`, the folder of an earlier run, what changed.

    Raises ResultsError, SamplesError or ClaimsFileError (all ValueErrors with one line) where an input cannot be used.
    """
    from envreport.document.build import build  # noqa: PLC0415 -- heavy
    from envreport.results import load  # noqa: PLC0415 -- heavy

    extra: Sequence[Claim] = ()
    if claims_file is not None:
        from envreport.claims.user import load_claims  # noqa: PLC0415 -- heavy

        extra = load_claims(claims_file)
    results = load(folder)
    document = build(results, extra_claims=extra, include_host=include_host)
    if baseline is None:
        return document
    from dataclasses import replace  # noqa: PLC0415 -- heavy

    from envreport.document.sections.runs import since  # noqa: PLC0415 -- heavy

    return replace(document, sections=(since(load(baseline), results), *document.sections))


def write_all(
    results_dir: Path,
    formats: Iterable[str] = DEFAULT_FORMATS,
    *,
    claims_file: Path | None = None,
    include_host: bool = False,
    output: Path | None = None,
    baseline: Path | None = None,
    document: "ReportDocument | None" = None,
) -> list[Path]:
    """Write the files of these formats into `output` (the results folder by default) and return their paths.

    The same rows give the same bytes. A `document` that was built already is not built again. Raises ValueError for
    an unknown format, OSError where a file cannot be written.
    """
    from envreport.formats import render  # noqa: PLC0415 -- heavy

    if document is None:
        document = report_document(
            Path(results_dir), claims_file=claims_file, include_host=include_host, baseline=baseline
        )
    folder = Path(output) if output is not None else Path(results_dir)
    return [_write(folder / file, content) for name in formats for file, content in render(name, document).items()]


def write_side_by_side(
    folders: Sequence[Path],
    formats: Iterable[str] = DEFAULT_FORMATS,
    *,
    include_host: bool = False,
    output: Path | None = None,
) -> list[Path]:
    """Write the report of the newest of several runs with all of them side by side; oldest run first.

    Written into `output`, by default the last folder. Raises as `write_all`.
    """
    from dataclasses import replace  # noqa: PLC0415 -- heavy

    from envreport.document.build import build  # noqa: PLC0415 -- heavy
    from envreport.document.sections.runs import side_by_side  # noqa: PLC0415 -- heavy
    from envreport.formats import render  # noqa: PLC0415 -- heavy
    from envreport.results import load  # noqa: PLC0415 -- heavy

    runs = [load(Path(folder)) for folder in folders]
    document = build(runs[-1], include_host=include_host)
    document = replace(document, sections=(side_by_side(runs), *document.sections))
    folder = Path(output) if output is not None else Path(folders[-1])
    return [_write(folder / file, content) for name in formats for file, content in render(name, document).items()]


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def console_summary(
    results_dir: Path, *, document: "ReportDocument | None" = None, width: int = 0, styled: bool = False
) -> str:
    """Return what a terminal shows after a run: the answer, the table of starts, the verdicts and where the report is.

    `width` in columns (0: as the terminal has it, 100 where there is none); plain text unless `styled`.
    """
    from envreport.formats.console import summary  # noqa: PLC0415 -- heavy

    return summary(document or report_document(Path(results_dir)), Path(results_dir), width=width, styled=styled)


def report_json(document: "ReportDocument") -> str:
    """Return the report as JSON, schema "envreport/1": what the format `json` writes."""
    from envreport.formats import render  # noqa: PLC0415 -- heavy

    return render("json", document)["report.json"].decode()


def ci_notice(results_dir: Path, environ: "Mapping[str, str]", *, document: "ReportDocument | None" = None) -> str:
    """Tell the CI about a run.

    Append Markdown to its job summary file where it offers one, return annotations for its log.

    "" where no CI is noticed. Raises OSError where the summary file cannot be written.
    """
    from envreport.formats.github import notice, noticed  # noqa: PLC0415 -- heavy

    if not noticed(environ):
        return ""
    return notice(document or report_document(Path(results_dir)), environ)
