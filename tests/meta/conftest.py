"""The project's promises about itself need its tools: an old `.venv` is told at once, with the way to mend it."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, scope="session")
def tools_of_the_dev_group():
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    missing = []
    for line in [*groups["test"], *(entry for entry in groups["dev"] if isinstance(entry, str))]:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            got = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            got = ""
        if not got or not wanted.specifier.contains(got, prereleases=True):
            missing.append(f"{line} (here: {got or 'not installed'})")
    if missing:
        pytest.fail(f"the .venv lacks {', '.join(missing)}; try: make venv", pytrace=False)
