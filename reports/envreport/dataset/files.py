"""Where a dataset lies and what is in its three folders: an address in, tables of Arrow out, without pandas.

dataset/runs/month=2026-11/RUN_ID.parquet       one row: labels, stack, cloud, kernel, CPU, engines
dataset/figures/month=2026-11/RUN_ID.parquet    one row a quantity of a backend, as in summary.csv
dataset/samples/month=2026-11/RUN_ID.parquet    the rows of samples.csv
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNS, FIGURES, SAMPLES = "runs", "figures", "samples"
LABEL_PREFIX = "label_"
"""How a column begins that holds a label."""


class DatasetError(ValueError):
    """A dataset that cannot be read or written: which one, what is wrong, what to try."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


def opened(dataset: str) -> tuple[Any, str]:
    """Return the file system (pyarrow's) and the path in it.

    Raises DatasetError where pyarrow is not installed or reads no such address.
    """
    try:
        from pyarrow import fs  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise DatasetError("a dataset needs pyarrow", remedy="pip install 'envinspect[parquet]'") from error
    if "://" not in dataset:
        return fs.LocalFileSystem(), str(Path(dataset).absolute())
    try:
        disk, root = fs.FileSystem.from_uri(dataset)
    except (ValueError, OSError) as error:
        raise DatasetError(f"{dataset}: {error}", remedy="a folder, or s3://BUCKET/PATH") from error
    return disk, root.rstrip("/")


def require_writable(dataset: str) -> None:
    """Raise DatasetError where it is plain beforehand that nothing can be put there; make nothing.

    A folder is looked at (access(2)); of any other address only whether pyarrow reads it.
    """
    disk, root = opened(dataset)
    if disk.type_name != "local":
        return
    nearest = next(each for each in (Path(root), *Path(root).parents) if each.exists())
    if not nearest.is_dir():
        raise DatasetError(f"{dataset}: {nearest} is no folder", remedy="another place for the dataset")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DatasetError(f"{dataset}: {nearest} cannot be written", remedy="another place for the dataset")


def read_table(dataset: str, part: str, columns: Sequence[str] | None = None) -> Any:
    """Return all rows of one of the three folders as an Arrow table; of these columns, as far as they are there.

    File by file, each read in one piece: a scanner takes five times as long for thousands of small files. Raises
    DatasetError where there is no dataset or a file of it is damaged.
    """
    import pyarrow as pa  # noqa: PLC0415 -- an extra
    from pyarrow import fs, parquet  # noqa: PLC0415

    disk, root = opened(dataset)
    found = disk.get_file_info(fs.FileSelector(f"{root}/{part}", recursive=True, allow_not_found=True))
    paths = sorted(each.path for each in found if each.extension == "parquet")
    if not paths:
        raise DatasetError(f"{dataset}: no dataset here", remedy=f"envbench collect results/* --into {dataset}")
    tables = []
    for path in paths:
        try:
            with disk.open_input_stream(path) as stream:
                content = pa.BufferReader(stream.read())
            tables.append(parquet.ParquetFile(content, pre_buffer=False).read(columns=columns, use_threads=False))
        except pa.ArrowInvalid as error:
            raise DatasetError(f"{path}: {' '.join(str(error).split())}", remedy="collect that run again") from error
    return pa.concat_tables(tables, promote_options="default")
