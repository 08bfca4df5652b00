"""What an image's layers hold: the base of a Debian tree has nothing of the service that stands above it."""

import gzip
import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from envbench.experiments.deploy.layers import base_files, write_layer

STATUS = """\
Package: base-files
Essential: yes
Priority: required
Status: install ok installed
Depends: awk-like

Package: mawk
Priority: optional
Provides: awk-like
Status: install ok installed

Package: apt
Priority: important
Status: install ok installed
Depends: libapt:any (>= 1), tool | other

Package: libapt
Priority: optional
Multi-Arch: same
Status: install ok installed

Package: tool
Priority: optional
Status: deinstall ok config-files

Package: nginx
Priority: optional
Status: install ok installed
Depends: libnginx, libapt

Package: libnginx
Priority: optional
Status: install ok installed
"""
LISTS = {
    "base-files.list": "/.\n/etc\n/etc/debian_version\n/bin\n/bin/shell\n",
    "mawk.list": "/usr/bin/mawk\n",
    "apt.list": "/usr/bin/apt\n",
    "libapt:amd64.list": "/usr/lib/libapt.so\n",
    "nginx.list": "/etc/nginx\n/usr/sbin/nginx\n",
    "libnginx.list": "/usr/lib/libnginx.so\n",
}
FILES = (
    *("etc/debian_version", "usr/bin/shell", "usr/bin/mawk", "usr/bin/apt", "usr/lib/libapt.so", "etc/passwd"),
    *("etc/nginx/made-at-installation", "usr/sbin/nginx", "usr/lib/libnginx.so", "var/cache/ldconfig"),
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name in FILES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "bin").symlink_to("usr/bin")
    info = tree / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for name, text in LISTS.items():
        (info / name).write_text(text)
    (info / "nginx.postinst").write_text("")
    (info.parent / "status").write_text(STATUS)
    return tree


def names(layer: Path) -> set[str]:
    with tarfile.open(layer) as archive:
        return {member.name for member in archive if not member.isdir()}


def test_the_base_holds_nothing_of_the_service(tree: Path, tmp_path: Path) -> None:
    base = base_files(tree)
    write_layer(tree, tmp_path / "base", "abc", base.__contains__)
    assert names(tmp_path / "base") == {
        *("etc/debian_version", "usr/bin/shell", "usr/bin/mawk", "usr/bin/apt", "usr/lib/libapt.so", "bin"),
        *(f"var/lib/dpkg/info/{name}" for name in LISTS if "nginx" not in name),
        "envbench/run-base",
    }


def test_base_and_own_layer_together_hold_every_file_once(tree: Path, tmp_path: Path) -> None:
    base = base_files(tree)
    write_layer(tree, tmp_path / "base", "abc", base.__contains__)
    write_layer(tree, tmp_path / "own", "abc", lambda name: name not in base)
    below, above = names(tmp_path / "base"), names(tmp_path / "own")
    assert below & above == set()
    found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_symlink() or not path.is_dir()}
    assert (below | above) - {"envbench/run-base", "envbench/run-own"} == found


def test_digests_are_of_the_packed_and_of_the_plain_bytes(tree: Path, tmp_path: Path) -> None:
    layer = write_layer(tree, tmp_path / "layer", "abc")
    packed = (tmp_path / "layer").read_bytes()
    assert layer.digest == "sha256:" + hashlib.sha256(packed).hexdigest()
    assert layer.diff_id == "sha256:" + hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert layer.size_bytes == len(packed)


def test_two_runs_have_no_layer_in_common_and_one_run_writes_the_same_twice(tree: Path, tmp_path: Path) -> None:
    written = []
    for folder, run_id in (("a", "abc"), ("b", "abc"), ("c", "def")):
        (tmp_path / folder).mkdir()
        written.append(write_layer(tree, tmp_path / folder / "layer", run_id))
        os.utime(tree / "etc/passwd", (5, 5))
    assert written[0].digest == written[1].digest
    assert written[0].diff_id != written[2].diff_id
