"""The registry of report formats: name → where its function is.

Each takes a ReportDocument and returns file name → content.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envreport.document.model import ReportDocument

Renderer = Callable[["ReportDocument"], Mapping[str, str | bytes]]
"""A format: the report in, file name → content out."""

FORMATS: Mapping[str, str | Renderer] = {
    "csv": "envreport.formats.csv:render",
    "html": "envreport.formats.html:render",
    "json": "envreport.formats.json:render",
    "junit": "envreport.formats.junit:render",
    "markdown": "envreport.formats.markdown:render",
    "openmetrics": "envreport.formats.openmetrics:render",
    "prometheus": "envreport.formats.prometheus:render",
    "svg": "envreport.formats.svg:render",
    "github": "envreport.formats.github:render",
    "parquet": "envreport.formats.parquet:render",
}


def render(name: str, document: "ReportDocument") -> dict[str, bytes]:
    """Return the files of one format. Raises ValueError for a name that is not in `FORMATS`."""
    where = FORMATS.get(name)
    if where is None:
        raise ValueError(f"no format {name!r}; there are: {', '.join(FORMATS)}")
    files = (_load(where) if isinstance(where, str) else where)(document)
    # What a file's name or a command line had of bytes that are no UTF-8 is shown, and costs no report.
    return {
        file: content.encode(errors="backslashreplace") if isinstance(content, str) else content
        for file, content in files.items()
    }


def _load(where: str) -> Renderer:
    module, _, function = where.partition(":")
    found: Renderer = getattr(import_module(module), function)
    return found
