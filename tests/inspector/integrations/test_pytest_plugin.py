"""The plugin in suites of its own: pytest runs them in a child, with the plugin that the installation registers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return a folder for a suite; of other plugins none is loaded."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p envinspect.integrations.pytest_plugin -p no:cacheprovider")
    for variable in ("CI", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(variable, raising=False)
    pytester.makeini("[pytest]\n")  # no configuration of a folder above
    return pytester


def summary() -> str:
    """Return what is said here before the roles, which come and go as engines start and stop."""
    words = [sys.executable, "-m", "envinspect", "--json"]
    told: dict[str, str] = json.loads(subprocess.run(words, capture_output=True, check=False).stdout)
    return told["summary"].split(";")[0]


def test_the_header_says_where_only_when_it_is_asked_to(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(): pass")
    assert "environment:" not in suite.runpytest_subprocess().stdout.str()
    suite.makeini("[pytest]\nenvironment_header = true\n")
    suite.runpytest_subprocess().stdout.fnmatch_lines([f"environment: {summary()}*"])


def test_the_fixture_is_the_answer(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"def test_it(environment): assert environment.summary.startswith({summary()!r})")
    suite.runpytest_subprocess().assert_outcomes(passed=1)


ANSWERS = """
import pytest
from envinspect.api import inspect
import envinspect.api
envinspect.api.inspect = lambda: inspect(capture={capture!r})
"""
SYSTEMS = Path(__file__).parents[2] / "systems"


@pytest.mark.parametrize(
    ("system", "marker", "reason"),
    [
        ("bare-metal-server", '"bare-metal"', None),
        ("bare-metal-server", 'not_in="container"', None),
        ("bare-metal-server", 'not_in=["vm", "container"]', None),
        ("bare-metal-server", '"vm"', "needs vm; this is: Bare metal"),
        ("bare-metal-server", '"vm,bare-metal", not_in="docker"', None),
        ("bare-metal-server", 'not_in="bare-metal,vm"', "needs not bare-metal,vm; this is: Bare metal"),
        ("unshare-all-on-a-disk", '"docker"', "not determined: too little could be read to say docker"),
        ("unshare-all-on-a-disk", 'not_in="docker"', "not determined: too little could be read to say docker"),
    ],
)
@pytest.mark.slow
def test_a_marked_test_runs_where_its_names_hold(
    suite: pytest.Pytester, system: str, marker: str, reason: str | None
) -> None:
    suite.makeconftest(ANSWERS.format(capture=str(SYSTEMS / system)))
    suite.makepyfile(f"import pytest\n@pytest.mark.environment({marker})\ndef test_it(): pass")
    done = suite.runpytest_subprocess("-rs", "--strict-markers")
    done.assert_outcomes(passed=1 if reason is None else 0, skipped=0 if reason is None else 1)
    if reason is not None:
        assert reason in done.stdout.str()


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('"dokcer"', "docker"),
        ('"vm", nt_in="docker"', "no option nt_in"),
        ("", "no name"),
    ],
)
def test_a_marker_that_cannot_be_understood_fails_and_never_skips(
    suite: pytest.Pytester, marker: str, said: str
) -> None:
    suite.makepyfile(f"import pytest\n@pytest.mark.environment({marker})\ndef test_it(): pass")
    done = suite.runpytest_subprocess()
    done.assert_outcomes(errors=1)
    assert said in done.stdout.str()
    assert "Traceback" not in done.stdout.str()


def test_nothing_is_loaded_for_suites_that_do_not_ask(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import sys
        def test_it():
            assert {name for name in sys.modules if name.startswith("envinspect")} == {
                "envinspect", "envinspect.version", "envinspect.integrations", "envinspect.integrations.pytest_plugin"
            }
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.slow
def test_pytest_benchmark_saves_the_environment(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed; try: make venv")
    monkeypatch.setenv("PYTEST_ADDOPTS", f"{os.environ['PYTEST_ADDOPTS']} -p pytest_benchmark.plugin")
    suite.makepyfile("def test_it(benchmark): benchmark(len, ())")
    suite.runpytest_subprocess("--benchmark-json=saved.json").assert_outcomes(passed=1)
    saved = json.loads((suite.path / "saved.json").read_text("utf-8"))
    assert saved["machine_info"]["environment"]["summary"].startswith(summary())


def test_an_installation_registers_the_plugin(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    suite.runpytest_subprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.environment(*"])
