"""Options that all tests share.

`--engines` turns on the tests marked `engine(name)`; without it they are left out. With it a missing engine skips its
tests and says why; under CI (`CI=true`) or with `--engines-required` it fails them: a skipped test is not a passed one.
"""

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("engines")
    group.addoption("--engines", action="store_true", help="run the tests that need a real engine")
    group.addoption(
        "--engines-required",
        action="store_true",
        default=os.environ.get("CI") == "true",
        help="fail, not skip, where an engine is missing (the default when CI=true)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--engines"):
        return
    left_out = [item for item in items if item.get_closest_marker("engine")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("engine")]


@pytest.fixture
def engine_missing(request: pytest.FixtureRequest):
    """Return what ends a test for want of an engine: a failure where engines are required, else a skip."""

    def missing(reason: str) -> None:
        if request.config.getoption("--engines-required"):
            pytest.fail(f"needed here and missing: {reason}", pytrace=False)
        pytest.skip(reason)

    return missing
