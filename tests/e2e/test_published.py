"""What is published, built as the release builds it: twine takes it, its links lead somewhere, its tests are whole."""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import envinspect

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("inspector", "benchmarks", "reports")


def run(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run((sys.executable, "-m", *words), capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = run("build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_what_is_published_passes_twine(built: Path) -> None:
    assert {path.suffix for path in built.iterdir()} == {".whl", ".gz"}
    done = run("twine", "check", "--strict", *map(str, built.iterdir()))
    assert done.returncode == 0, done.stdout


def test_the_readme_on_pypi_has_no_link_that_leads_nowhere(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = email.message_from_bytes(archive.read(name))
    links = re.findall(r"\]\(([^)\s]+)\)", str(metadata.get_payload()))
    assert len(links) > 5
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    tag = f"v{envinspect.__version__}"
    ours = [link.split(f"/{tag}/")[1] for link in links if f"envinspect/envinspect/blob/{tag}/" in link]
    pictures = [link.split(f"/{tag}/")[1] for link in links if "raw.githubusercontent.com" in link]
    assert pictures
    assert [path for path in ours + pictures if not (REPOSITORY / path.split("#")[0]).exists()] == []


@pytest.mark.timeout(900)
def test_every_test_in_the_sdist_can_be_collected(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # not before Python 3.11.4
        archive.extractall(tmp_path)  # noqa: S202 - our own archive, filtered where Python can
    (tree,) = tmp_path.iterdir()

    def collected(folder: Path) -> set[str]:
        roots = os.pathsep.join(str(folder / root) for root in SOURCE_ROOTS)
        # Coverage would count the unpacked copies as sources of their own.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        done = run(
            *("pytest", "--collect-only", "-q", "--engines", "-p", "no:cacheprovider", "tests"),
            cwd=folder,
            env={**environment, "PYTHONPATH": roots},
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return {line for line in done.stdout.splitlines() if "::" in line}

    assert collected(tree) == collected(REPOSITORY)
