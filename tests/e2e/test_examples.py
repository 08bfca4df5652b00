"""The examples and the commands of docs/ci.md, run as they stand: each ends well, and each file that it names is there.

Only `envbench startup` is made shorter: behind its own words stand fewer starts, of the minimal payload, and the
backends that are asked for.
What an example installs on its CI's machine (steps with apt-get, pip or sudo) is here already, and is not run.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from junitparser import JUnitXml

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
INSTALLS = re.compile(r"sudo |apt-get |pip install|-m venv")
ENDINGS = {0, 6}
"""Done, or a gate that the noise of this machine left open: both are endings that the examples pass."""
SHORTER = "--runs 8 --warmup 1 --budget 60 --profile minimal"
ENVBENCH = """\
#!/bin/sh
case $1 in
  startup) exec {envbench} "$@" {shorter} {backends} ;;
  *) exec {envbench} "$@" ;;
esac
"""


class Job:
    """A folder in which scripts are run as a CI runs them, with envinspect and envbench on PATH and in .venv/bin."""

    def __init__(self, folder: Path, backends: str = "--backend process --backend namespaces") -> None:
        self.folder = folder
        programs = folder / ".venv/bin"
        programs.mkdir(parents=True)
        tools = Path(sys.executable).parent
        (programs / "envinspect").symlink_to(tools / "envinspect")
        script = ENVBENCH.format(envbench=tools / "envbench", shorter=SHORTER, backends=backends)
        (programs / "envbench").write_text(script)
        (programs / "envbench").chmod(0o755)
        self.env = {**os.environ, "CI": "true", "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script that must end as an example may end."""
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=280
        )
        # Against a run of minutes ago, a machine may really have become slower: held is that it is asked and written.
        endings = ENDINGS | {5} if "--baseline" in script else ENDINGS
        assert done.returncode in endings, f"{script}\n{done.returncode}: {done.stdout}\n{done.stderr}"
        return done

    def has(self, name: str) -> Path:
        path = self.folder / name
        assert path.is_dir() or path.stat().st_size, f"{name} is named and was not written"
        return path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.mark.engine("process")
def test_the_plain_script_measures_and_then_compares_with_its_baseline(job: Job) -> None:
    text = (EXAMPLES / "ci.sh").read_text()
    done = job.run(f"{EXAMPLES / 'ci.sh'}")
    for name in re.findall(r"results/[\w.]+", text):
        job.has(name)
    assert "the report is results/report.html" in done.stdout
    (job.folder / "results").rename(job.folder / "before")
    assert "at most 20 % worse" in job.run(f"{EXAMPLES / 'ci.sh'} before").stdout


@pytest.mark.engine("process")
def test_the_github_workflow_measures_twice_the_second_time_against_its_baseline(job: Job) -> None:
    workflow = yaml.safe_load((EXAMPLES / "github-actions/envbench.yml").read_text())
    steps = workflow["jobs"]["startup"]["steps"]
    for attempt in (1, 2):
        job.run("rm -rf results")
        summary = job.folder / f"summary-{attempt}.md"
        job.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
        said = [job.run(step["run"]).stdout for step in steps if "run" in step and not INSTALLS.search(step["run"])]
        assert summary.read_text().startswith("## ")
        assert ("at most 20 % worse" in "".join(said)) is (attempt == 2), "only the second has a baseline"
        for step in steps:
            if "path" in step.get("with", {}):
                job.has(step["with"]["path"])


@pytest.mark.engine("docker")
def test_the_nightly_workflow_keeps_each_run_in_its_branch_and_asks_the_history(tmp_path: Path) -> None:
    """Two nights, each in a clone of its own: all that the second knows of the first is in the branch."""
    origin = tmp_path / "origin"
    _git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", str(origin))
    _git(tmp_path, "clone", "--quiet", str(origin), "code")
    (tmp_path / "code/program.txt").write_text("the code\n")
    _git(tmp_path / "code", "add", "--all")
    _git(tmp_path / "code", "commit", "--quiet", "--message", "the code")
    _git(tmp_path / "code", "push", "--quiet", "origin", "HEAD:refs/heads/main")
    workflow = yaml.safe_load((EXAMPLES / "github-actions/envbench-nightly.yml").read_text())
    steps = workflow["jobs"]["history"]["steps"]
    for night in (1, 2):
        _git(tmp_path, "clone", "--quiet", "--branch", "main", str(origin), f"night-{night}")
        job = Job(tmp_path / f"night-{night}", "--backend process --backend docker")
        said = [job.run(step["run"]).stdout for step in steps if "run" in step and not INSTALLS.search(step["run"])]
        page = (job.folder / "history.html").read_text(encoding="utf-8")
        (docker,) = json.loads(page.split('id="data">')[1].split("</script>")[0])["series"]
        assert sum(len(segment["runs"]) for segment in docker["segments"]) == night
        assert "::warning::cannot tell yet" in said[-1]
        for name in steps[-1]["with"]["path"].split():
            job.has(name)
        kept = _git(origin, "ls-tree", "-r", "--name-only", "envbench-data").split()
        assert len(kept) == 3 * night, kept
        assert all(name.startswith("dataset/") and name.endswith(".parquet") for name in kept)
    assert _git(origin, "rev-list", "--count", "envbench-data").strip() == "2", "the code's history is not in it"


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.engine("process")
def test_the_gitlab_job_writes_the_report_that_it_names(job: Job) -> None:
    found = yaml.safe_load((EXAMPLES / "gitlab-ci/.gitlab-ci.yml").read_text())["startup"]
    for _ in range(2):
        job.run("rm -rf results\n" + "\n".join(found["script"]))
        for name in (*found["artifacts"]["paths"], *found["cache"]["paths"]):
            job.has(name)
    xml = JUnitXml.fromfile(str(job.has(found["artifacts"]["reports"]["junit"])))
    assert {suite.name for suite in xml} == {"starts", "claims"}


@pytest.mark.engine("docker")
def test_the_commands_of_the_page_on_ci_do_what_it_says(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs/ci.md").read_text()
    blocks = re.findall(r"^ {4}((?:envbench|envinspect) .*)$", text, re.MULTILINE)
    gate, baseline, *others = blocks
    assert "--fail-if" in gate
    assert "--baseline results-of-main" in baseline
    job = Job(tmp_path, "--backend process --backend docker")
    job.run(f"{gate} --output results-of-main")
    job.run(f"{baseline} --output results")
    for command in others:
        # Whether this machine is a container is not ours to say: no is an answer as well.
        job.run(re.sub(r"^(envinspect --is .*)$", r"\1 || test $? -eq 4", command))
        for name in re.findall(r"> (\S+)", command):
            job.has(name)
    for command, names in _in_prose(text):
        job.run(command)
        for name in names:
            job.has(f"results/{name}")


def _in_prose(text: str) -> list[tuple[str, list[str]]]:
    """Each way to write a format that the page names, with the files that it says this writes."""
    named = dict(re.findall(r"`(?:envbench report results )?--format (\w+)`(?: writes `([\w.-]+)`)?", text))
    assert {"github", "prometheus", "openmetrics", "junit"} <= set(named)
    return [(f"envbench report results --format {name}", [file] if file else []) for name, file in named.items()]
