"""What the tests on real engines share: the matrix, whose trees and daemons go when its tests are done."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from environments.case import Environment
from environments.lab import Lab, cache_dir
from environments.matrix import Matrix


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """The matrix, with the slow ones of the selected environments already on their way."""
    selected = [
        item.callspec.params["row"]
        for item in request.session.items
        if hasattr(item, "callspec") and isinstance(item.callspec.params.get("row"), Environment)
    ]
    made = Matrix(Lab(), selected)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def captures() -> Path:
    """Where the captures of this session go: `systems.py` makes tests/systems of them."""
    folder = cache_dir() / "captures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
