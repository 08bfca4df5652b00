"""The recipes of docs/integrations.md, run as they stand there, with the programs that they are for."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs/integrations.md").read_text("utf-8")
TOOLS = Path(sys.executable).parent


def recipe(heading: str) -> str:
    """The first block of code under a heading of the page."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert found, f"no recipe for {heading}"
    return found[1]


def run(folder: Path, *words: str) -> str:
    """Run a command in a folder that is also its home; return what it printed."""
    env = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answer() -> dict[str, Any]:
    """What envinspect says here."""
    done = subprocess.run([TOOLS / "envinspect", "--json"], capture_output=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def layers() -> list[str]:
    """The ids of the layers here."""
    return [layer["id"] for layer in answer()["layers"]]


def sentence() -> str:
    """What is said here before the roles, which come and go as engines start and stop."""
    return str(answer()["summary"]).split(";")[0]


@pytest.mark.engine("pytest")
def test_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(recipe("pytest"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nenvironment_header = true\n")
    said = run(tmp_path, sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider")
    assert f"environment: {sentence()}" in said
    assert re.search(r"\b(2 passed|1 passed, 1 skipped)\b", said)


@pytest.mark.engine("structlog")
def test_structlog(tmp_path: Path) -> None:
    said = run(tmp_path, sys.executable, "-c", recipe("structlog"))
    assert "started" in said
    assert sentence() in said


@pytest.mark.engine("sentry")
def test_sentry(tmp_path: Path) -> None:
    """The SDK hands its events to a transport of the test instead of sending them."""
    before = (
        "import sentry_sdk, json\n"
        "from sentry_sdk.transport import Transport\n"
        "class Kept(Transport):\n"
        "    def capture_envelope(self, envelope):\n"
        "        event = envelope.get_event()\n"
        "        if event: print(json.dumps({'where': event['contexts']['where'], 'tags': event['tags']}))\n"
        "sentry_sdk.init(dsn='https://key@localhost/1', transport=Kept)\n"
    )
    after = "sentry_sdk.capture_message('it happened')\n"
    event = json.loads(run(tmp_path, sys.executable, "-c", before + recipe("Sentry") + after))
    assert event["where"]["layers"] == layers()
    assert str(event["tags"]["container"]).lower() in {"true", "false"}


@pytest.mark.engine("pyperf")
def test_pyperf(tmp_path: Path) -> None:
    (tmp_path / "bench.py").write_text(recipe("pyperf"))
    run(tmp_path, sys.executable, "bench.py", "--debug-single-value", "-o", "times.json")
    assert sentence() in run(tmp_path, sys.executable, "-m", "pyperf", "metadata", "times.json")


@pytest.mark.engine("hyperfine")
def test_hyperfine(tmp_path: Path, engine_missing: Callable[[str], None]) -> None:
    if shutil.which("hyperfine") is None:
        engine_missing("hyperfine is not installed; try: make provision-tests")
    run(tmp_path, "sh", "-ec", recipe("hyperfine"))
    assert json.loads((tmp_path / "times.json").read_text())["results"]
    told = json.loads((tmp_path / "times.environment.json").read_text())
    assert [layer["id"] for layer in told["layers"]] == layers()


@pytest.mark.engine("asv")
def test_asv(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text(json.dumps({"version": 1, "project": "x", "repo": "."}))
    run(tmp_path, "sh", "-ec", recipe("asv"))
    known = json.loads((tmp_path / ".asv-machine.json").read_text())
    (machine,) = (value for name, value in known.items() if name != "version")
    assert sentence() in machine["os"]
    assert machine["machine"].startswith(f"{os.uname().nodename}-")


@pytest.mark.engine("opentelemetry")
def test_opentelemetry(tmp_path: Path) -> None:
    """The variable as the page has it, and a program that asks the SDK for its resource."""
    (variable,) = re.findall(r"^    (OTEL_\S+) python app\.py$", PAGE, re.MULTILINE)
    code = "from opentelemetry.sdk.resources import Resource; print(Resource.create().attributes['envinspect.summary'])"
    assert sentence() in run(tmp_path, "env", variable, sys.executable, "-c", code)
