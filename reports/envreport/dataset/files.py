"""Where a dataset lies and what is in its three folders: an address in, tables of Arrow out, without pandas.

dataset/runs/month=2026-11/RUN_ID.parquet       one row: labels, stack, cloud, kernel, CPU, engines
dataset/figures/month=2026-11/RUN_ID.parquet    one row a quantity of a backend, as in summary.csv
dataset/samples/month=2026-11/RUN_ID.parquet    the rows of samples.csv
"""

import os
import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RUNS, FIGURES, SAMPLES = "runs", "figures", "samples"
LABEL_PREFIX = "label_"
"""How a column begins that holds a label."""
REQUESTS = 32
"""So many files of an object store are asked for at the same time."""


class DatasetError(ValueError):
    """A dataset that cannot be read or written: which one, what is wrong, what to try."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


def opened(dataset: str) -> tuple[Any, str]:
    """Return the file system (pyarrow's) and the path in it: of a folder, or of an address.

    An address is read by pyarrow (s3, gs, abfs, hdfs), else by fsspec where that is installed and knows it. Raises
    DatasetError where pyarrow is not installed, or neither reads such an address.
    """
    try:
        from pyarrow import fs  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise DatasetError("a dataset needs pyarrow", remedy="pip install 'envinspect[parquet]'") from error
    if "://" not in dataset:
        return fs.LocalFileSystem(), str(Path(dataset).absolute())
    try:
        disk, root = fs.FileSystem.from_uri(dataset)
    except (ValueError, OSError, ImportError) as error:
        disk, root = _opened_by_fsspec(dataset, error)
    return disk, root.rstrip("/")


def _opened_by_fsspec(dataset: str, refusal: Exception) -> tuple[Any, str]:
    from pyarrow import fs  # noqa: PLC0415 -- an extra

    try:
        import fsspec  # noqa: PLC0415 -- what reads an address that pyarrow does not
    except ImportError:
        remedy = "a folder, s3://BUCKET/PATH, or an address that fsspec reads (pip install fsspec)"
        raise DatasetError(f"{dataset}: {one_line(refusal)}", remedy=remedy) from refusal
    try:
        disk, root = fsspec.core.url_to_fs(dataset)
    except (ValueError, OSError, ImportError) as error:
        raise DatasetError(f"{dataset}: {one_line(error)}", remedy="a folder, or s3://BUCKET/PATH") from error
    return fs.PyFileSystem(fs.FSSpecHandler(disk)), root


def one_line(error: Exception) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split())


def is_local(disk: Any) -> bool:
    """Return whether a file system is this machine's."""
    return bool(disk.type_name == "local")


def require_writable(dataset: str) -> None:
    """Raise DatasetError where it is plain beforehand that nothing can be put there; make nothing.

    A folder is looked at (access(2)); of any other address only whether pyarrow reads it.
    """
    disk, root = opened(dataset)
    if not is_local(disk):
        return
    nearest = next(each for each in (Path(root), *Path(root).parents) if each.exists())
    if not nearest.is_dir():
        raise DatasetError(f"{dataset}: {nearest} is no folder", remedy="another place for the dataset")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DatasetError(f"{dataset}: {nearest} cannot be written", remedy="another place for the dataset")


def read_table(dataset: str, part: str, columns: Sequence[str] | None = None) -> Any:
    """Return all rows of one of the three folders as an Arrow table; of these columns, as far as they are there.

    File by file, each read in one piece: a scanner takes five times as long for thousands of small files. Those of a
    store are asked for at the same time, because each answer has a way to go. Raises DatasetError where there is no
    dataset, it cannot be reached or read, or a file of it is damaged.
    """
    import pyarrow as pa  # noqa: PLC0415 -- an extra
    from pyarrow import fs  # noqa: PLC0415

    disk, root = opened(dataset)
    try:
        found = disk.get_file_info(fs.FileSelector(f"{root}/{part}", recursive=True, allow_not_found=True))
        paths = sorted(each.path for each in found if each.extension == "parquet")
        if not paths:
            raise DatasetError(
                f"{dataset}: no dataset here", remedy=f"envbench collect results/* --into {shlex.quote(dataset)}"
            )
        if is_local(disk):
            tables = [_table(disk, path, columns) for path in paths]
        else:
            with ThreadPoolExecutor(REQUESTS) as pool:
                tables = list(pool.map(lambda path: _table(disk, path, columns), paths))
    except OSError as error:
        raise DatasetError(
            f"{dataset}: {one_line(error)}", remedy="a place that this user may read from here"
        ) from error
    return pa.concat_tables(tables, promote_options="default")


def _table(disk: Any, path: str, columns: Sequence[str] | None) -> Any:
    import pyarrow as pa  # noqa: PLC0415 -- an extra
    from pyarrow import parquet  # noqa: PLC0415

    with disk.open_input_stream(path) as stream:
        content = pa.BufferReader(stream.read())
    try:
        return parquet.ParquetFile(content, pre_buffer=False).read(columns=columns, use_threads=False)
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{path}: {one_line(error)}", remedy="collect that run again") from error
