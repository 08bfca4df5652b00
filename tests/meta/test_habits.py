"""The everyday files of the project agree with each other, and each is accepted by the program that it is for."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from nox.project import dependency_groups
from packaging.specifiers import SpecifierSet

import envbench
import envinspect

REPOSITORY = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
SOURCE_ROOTS = ("inspector", "benchmarks", "reports")
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
ADDRESS = PYPROJECT["project"]["urls"]["Source"]


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def tool(name):
    return str(Path(sys.executable).parent / name)


# --- one version ------------------------------------------------------------------------------------------------------


def test_the_version_stands_in_one_place():
    assigned = [
        str(path.relative_to(REPOSITORY))
        for root in SOURCE_ROOTS
        for path in (REPOSITORY / root).rglob("*.py")
        if re.search(r"^__version__ *=", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert assigned == ["inspector/envinspect/version.py"]
    assert "version" in PYPROJECT["project"]["dynamic"]
    assert envbench.__version__ == envinspect.__version__


def test_the_version_is_known_without_reading_any_metadata():
    asked = "import sys, envinspect; envinspect.__version__; print('importlib.metadata' in sys.modules)"
    assert run(sys.executable, "-S", "-c", asked, env={"PYTHONPATH": "inspector"}, cwd=REPOSITORY).stdout == "False\n"


# --- the same fact in several files -----------------------------------------------------------------------------------


def test_the_classifiers_are_the_pythons_that_nox_tries():
    classified = re.findall(r"Python :: (3\.\d+)$", "\n".join(PYPROJECT["project"]["classifiers"]), re.MULTILINE)
    tried = re.search(r"^INSPECTOR_PYTHONS = \[(.*)\]", (REPOSITORY / "noxfile.py").read_text(), re.MULTILINE)
    allowed = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert classified == [version for version in re.findall(r"[\d.]+", tried[1]) if version in allowed]


def test_pre_commit_asks_for_the_tools_of_the_dev_group():
    asked = re.findall(
        r'additional_dependencies: \["([^"]+)"', (REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    )
    ours = {*dependency_groups(PYPROJECT, "dev"), "cffconvert>=2.0"}  # its jsonschema is older than the tests'
    assert len(asked) > 5
    assert set(asked) <= ours


@pytest.mark.parametrize(
    "file",
    ["SECURITY.md", "CITATION.cff", ".github/ISSUE_TEMPLATE/config.yml", "pyproject.toml"],
)
def test_the_project_has_one_address(file):
    named = re.findall(r"https://github\.com/[\w-]+/[\w-]+", (REPOSITORY / file).read_text(encoding="utf-8"))
    assert set(named) == {ADDRESS}


def test_owners_are_a_team_of_the_organisation_that_the_address_names():
    owner = ADDRESS.split("/")[3]
    rules = [line for line in (REPOSITORY / ".github/CODEOWNERS").read_text().splitlines() if not line.startswith("#")]
    assert rules
    assert all(re.fullmatch(rf"\S+ @{owner}/[\w-]+", rule) for rule in rules)


# --- workflows and forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        *(
            ("github-issue-forms", str(path.relative_to(REPOSITORY)))
            for path in sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml"))
            if path.name != "config.yml"
        ),
        *(("github-workflows", str(path.relative_to(REPOSITORY))) for path in WORKFLOWS),
        ("dependabot", ".github/dependabot.yml"),
        ("citation-file-format", "CITATION.cff"),
    ],
)
@pytest.mark.slow
def test_a_file_for_the_forge_has_the_form_that_its_schema_asks(schema, file):
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(REPOSITORY / file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_make_and_pins_what_it_uses(workflow):
    text = workflow.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make ([\w-]+)", text)) <= targets


BROKEN = """
name: broken
on: pull_request_target
permissions: {}
jobs:
  hello:
    runs-on: ubuntu-24.04
    steps:
      - run: echo ${{ github.event.pull_request.title }} ${{ no_such_context.x }}
"""


@pytest.mark.parametrize("linter", [("jactionlint",), ("zizmor", "--offline", "--quiet")], ids=lambda words: words[0])
def test_the_linters_accept_the_workflows_and_refuse_a_broken_one(linter, tmp_path):
    program, *options = linter
    done = run(tool(program), *options, *map(str, WORKFLOWS), cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / ".github/workflows/broken.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text(BROKEN)
    assert run(tool(program), *options, str(broken), cwd=tmp_path).returncode != 0


# --- the changelog ----------------------------------------------------------------------------------------------------


def test_every_fragment_is_in_the_draft_of_the_next_release():
    done = run(tool("towncrier"), "build", "--draft", "--version", "99.0.0", "--date", "2099-01-01", cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    fragments = [path for path in (REPOSITORY / "changelog.d").glob("*.md") if path.name != "README.md"]
    flat = " ".join(done.stdout.split())
    assert [path.name for path in fragments if " ".join(path.read_text().split()) not in flat] == []
