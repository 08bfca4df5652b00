"""A plugin of pytest: a header line, the fixture `environment`, the marker `environment`, and pytest-benchmark's data.

pytest loads this module in every suite of an installation, so it only registers at start-up: nothing is inspected
before a suite asks for it (hooks: https://docs.pytest.org/en/stable/reference/reference.html#hooks).
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envinspect.api import Answer

_HEADER = "environment_header"
_ANSWER: pytest.StashKey[Answer] = pytest.StashKey()
_MARKER = (
    "environment(*names, not_in=()): run only where every name holds and none of not_in does; names are those of "
    "`envinspect --is` (vm, container, docker, aws, …), a comma in one means or"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of the header line, which is off by default."""
    parser.addini(_HEADER, "say in the header where the tests run", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return the header line where the suite wants it."""
    return [f"environment: {_answer(config).summary}"] if config.getini(_HEADER) else []


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Answer:
    """Where these tests run, and why that is believed: an `envinspect.Answer`."""
    return _answer(pytestconfig)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker does not hold here, or of which too little can be read to say."""
    for marker in item.iter_markers("environment"):
        reason = _reason_to_skip(_answer(item.config), marker)
        if reason:
            pytest.skip(reason)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Put the environment beside the machine in what pytest-benchmark saves; figures of two are seldom comparable."""
    here = _answer(config)
    machine_info["environment"] = {
        "summary": here.summary,
        "determined": here.determined,
        "layers": [layer.id for layer in here.layers],
    }


def _answer(config: pytest.Config) -> Answer:
    """Return the answer for this machine, taken when it is first asked for."""
    if _ANSWER not in config.stash:
        from envinspect.api import inspect  # noqa: PLC0415 - suites that do not ask do not pay

        config.stash[_ANSWER] = inspect()
    return config.stash[_ANSWER]


def _reason_to_skip(here: Answer, marker: pytest.Mark) -> str:
    """Return why a marker's test cannot run here, "" where it can; one that cannot be understood fails its test."""
    from envinspect.model.errors import UsageError, one_line  # noqa: PLC0415

    unwanted = marker.kwargs.get("not_in", ())
    unwanted = (unwanted,) if isinstance(unwanted, str) else tuple(unwanted)
    unknown = sorted(set(marker.kwargs) - {"not_in"})
    if unknown or not (marker.args or unwanted):
        what = f"no option {', '.join(unknown)}" if unknown else "no name"
        pytest.fail(f'the marker environment has {what}; try: environment("vm", not_in="container")', pytrace=False)
    try:
        wanted = [(name, _holds(here, name)) for name in marker.args]
        excluded = [(name, _holds(here, name)) for name in unwanted]
    except UsageError as error:
        pytest.fail(one_line(error), pytrace=False)
    open_names = [name for name, holds in (*wanted, *excluded) if holds is None]
    if any(holds is False for _, holds in wanted) or any(holds for _, holds in excluded):
        needed = [*(name for name, _ in wanted), *(f"not {name}" for name, _ in excluded)]
        return f"needs {', '.join(needed)}; this is: {here.summary}"
    return f"not determined: too little could be read to say {', '.join(open_names)}" if open_names else ""


def _holds(here: Answer, names: str) -> bool | None:
    """Say whether one of the names holds, commas between them; None where that cannot be told."""
    from envinspect.signatures.names import holds, known, open_question  # noqa: PLC0415

    wanted = [known(name.strip()) for name in names.split(",")]
    if any(holds(here.stack, name) for name in wanted):
        return True
    return None if any(open_question(here.stack, name) for name in wanted) else False
