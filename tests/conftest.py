"""Options and rules that all tests share.

`--engines` turns on the tests marked `engine(name)` and all of tests/e2e; without it they are left out.

A skipped test is not a passed one. What a test lacks skips it with a reason that says how to get it; under CI
(`CI=true`) or with `--skips-fail`, as `make test` has it, that is a failure, and the end of the run lists what is
missing. A test that has no meaning on this kind of machine (`applies(condition, reason)`) is left out, not skipped.

Property tests try few examples, many with HYPOTHESIS_PROFILE=thorough (`make fuzz`).
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

# No deadline: a busy machine is no failure.
settings.register_profile("fast", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

END_TO_END = Path(__file__).parent / "e2e"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_configure() -> None:
    """Take back signals that are ignored, as nohup and a script's `&` leave them: tests and their children get some."""
    for number in (getattr(signal, name, None) for name in ("SIGINT", "SIGHUP", "SIGTERM")):
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("engines")
    group.addoption("--engines", action="store_true", help="run the tests that need a real engine")
    group.addoption(
        "--skips-fail",
        action="store_true",
        default=os.environ.get("CI") == "true",
        help="count a skipped test as failed (the default when CI=true)",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out tests/e2e without --engines: not even to read it takes a second of each worker."""
    return True if collection_path == END_TO_END and not config.getoption("--engines") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def wanted(item: pytest.Item) -> bool:
        real = item.get_closest_marker("engine") is not None or END_TO_END in item.path.parents
        return (not real or config.getoption("--engines")) and all(
            mark.args[0] for mark in item.iter_markers("applies")
        )

    left_out = [item for item in items if not wanted(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if wanted(item)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _judged(report, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _judged(report, collector.config)


def _judged(report: Report, config: pytest.Config) -> Report:
    """Note on a skipped test's report what it lacks, and make it a failure where skips fail."""
    if report.skipped and not hasattr(report, "wasxfail"):
        *_, reason = report.longrepr if isinstance(report.longrepr, tuple) else (str(report.longrepr),)
        report.lacking = reason.removeprefix("Skipped: ")
        if config.getoption("--skips-fail"):
            report.outcome = "failed"
            report.longrepr = f"not run, and so not passed: {report.lacking}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what is missing, once each, with the number of tests that were not run for want of it."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    lacking = Counter(report.lacking for report in reports if hasattr(report, "lacking"))
    if lacking:
        terminalreporter.section("missing here")
    for reason, tests in lacking.most_common():
        terminalreporter.line(f"{reason}  ({tests} not run)")


@pytest.fixture
def engine_missing() -> Callable[[str], None]:
    """Return what skips a test for want of an engine, with the reason."""
    return pytest.skip
