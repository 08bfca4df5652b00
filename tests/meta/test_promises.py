"""What the project says of itself holds: links lead somewhere, the wheel holds what it should, examples are valid."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from platforms.tree_steps import LABS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
MAKE_TARGETS = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_relative_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    broken = [
        t for t in targets if "://" not in t and not t.startswith("mailto:") and not (document.parent / t).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_paths_that_are_named_exist(document):
    """Those from the top of the repository; NAME in one stands for what the reader adds."""
    named = re.findall(
        r"`((?:benchmarks|inspector|reports|tests|tools|docs|examples)/[\w./-]*)`", document.read_text("utf-8")
    )
    assert [path for path in named if "NAME" not in path and not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_make_targets_that_are_named_exist(document):
    named = set(re.findall(r"`make ([a-z0-9-]+)", document.read_text(encoding="utf-8")))
    named |= set(re.findall(r"^    make ([a-z0-9-]+)", document.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= MAKE_TARGETS


def test_every_make_target_with_help_is_listed():
    listed = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    helped = re.findall(r"^([a-z0-9-]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert helped
    assert [target for target in helped if f"  {target} " not in listed] == []


@pytest.mark.parametrize("package", ["inspector/envinspect", "benchmarks/envbench", "reports/envreport"])
def test_the_architecture_names_every_room_of_a_package(package):
    rooms = {path.stem for path in (REPOSITORY / package).glob("[!_]*.py")}
    rooms |= {f"{path.parent.name}/" for path in (REPOSITORY / package).glob("*/__init__.py")}
    text = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {Path(package).name}\n(.*?)^##", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert sorted(rooms - set(re.findall(r"`([\w/]+)`", section[1]))) == []


def test_ci_runs_the_command_that_the_readme_gives():
    assert "make test" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert "make test" in (REPOSITORY / ".ci/run").read_text(encoding="utf-8")


def test_wheel_holds_exactly_the_three_packages_and_the_collection(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {
        *("envinspect", "envbench", "envreport", "ansible_collections")
    }
    collection = "ansible_collections/envinspect/envinspect/"
    for part in ("plugins/action/environment_facts.py", "plugins/modules/environment_facts.py", "galaxy.yml"):
        assert collection + part in names
    assert f"{collection}roles/benchmark/tasks/main.yml" in names
    assert all(f"{package}/py.typed" in names for package in ("envinspect", "envbench", "envreport"))
    assert any("templates/" in name for name in names)
    assert any(name.endswith("share/man/man1/envbench-startup.1") for name in names)


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ("vendor.github-workflows", "examples/github-actions/envbench.yml"),
        ("vendor.gitlab-ci", "examples/gitlab-ci/.gitlab-ci.yml"),
    ],
)
def test_ci_examples_are_valid(schema, example):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(REPOSITORY / example)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_commands_give_help_and_refuse_a_wrong_option():
    for command in ("envinspect", "envbench"):
        helped = subprocess.run([sys.executable, "-m", command, "--help"], capture_output=True, text=True, check=False)
        assert (helped.returncode, "Usage" in helped.stdout) == (0, True)
        wrong = subprocess.run(
            [sys.executable, "-m", command, "--no-such"], capture_output=True, text=True, check=False
        )
        assert wrong.returncode == 2
        assert wrong.stdout == ""
        assert "Traceback" not in wrong.stderr


def test_every_part_of_the_tests_on_engines_is_in_their_table():
    e2e = REPOSITORY / "tests/e2e"
    parts, _, labs = (e2e / "README.md").read_text(encoding="utf-8").partition("## Labs of other releases")
    table = re.findall(r"^\| `([a-z_]+)` \|", parts, re.MULTILINE)
    assert sorted(table) == sorted(path.stem.removeprefix("test_") for path in e2e.glob("test_*.py"))
    assert re.findall(r"^\| `([^`]+)` \|", labs, re.MULTILINE) == [*LABS, "guest"]


def test_an_unknown_part_is_refused_with_the_names_of_those_that_exist():
    words = ["make", "-o", "venv", "-o", "provision-tests", "e2e", "PART=no_such"]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "environments" in done.stderr


def test_the_collection_has_the_version_of_the_package():
    from envinspect.version import __version__

    described = (REPOSITORY / "inspector/ansible_collections/envinspect/envinspect/galaxy.yml").read_text()
    assert f"version: {__version__}\n" in described
