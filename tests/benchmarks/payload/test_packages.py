"""What is fetched from the distribution: apt itself, against a repository of packages made for the test."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from envbench.commands.cli import main
from envbench.errors import BackendError
from envbench.experiments.shared import artefacts
from envbench.payload.kernel import fetch_kernel, find_kernel
from envbench.payload.packages import Apt, foreign_apt, kernel_images, kernel_parts, newest_first

needs_apt = pytest.mark.applies(shutil.which("apt-get") is not None, "apt is of Debian and its relatives")
META = "linux-image-cloud-amd64"
DEBIAN_14 = {
    META: ("linux-image-7.2.13+deb14-cloud-amd64", {}),
    "linux-image-7.2.13+deb14-cloud-amd64": (
        ", ".join(f"linux-{part}-7.2.13+deb14-cloud-amd64" for part in ("base", "binary", "modules")),
        {"usr/share/doc/nothing": ""},
    ),
    "linux-base-7.2.13+deb14-cloud-amd64": ("", {"usr/lib/modules/7.2.13+deb14-cloud-amd64/modules.builtin": ""}),
    "linux-binary-7.2.13+deb14-cloud-amd64": ("", {"usr/lib/modules/7.2.13+deb14-cloud-amd64/vmlinuz": "kernel"}),
    "linux-modules-7.2.13+deb14-cloud-amd64": ("", {"usr/lib/modules/7.2.13+deb14-cloud-amd64/kernel/a.ko": ""}),
}
DEBIAN_12 = {
    META: ("linux-image-6.1.0-56-cloud-amd64", {}),
    "linux-image-6.1.0-56-cloud-amd64": (
        "",
        {"boot/vmlinuz-6.1.0-56-cloud-amd64": "kernel", "lib/modules/6.1.0-56-cloud-amd64/kernel/a.ko": ""},
    ),
}
UBUNTU = {
    "linux-image-virtual": ("linux-image-6.8.0-45-generic", {}),
    "linux-image-6.8.0-45-generic": ("linux-modules-6.8.0-45-generic", {"boot/vmlinuz-6.8.0-45-generic": "kernel"}),
    "linux-modules-6.8.0-45-generic": ("", {"lib/modules/6.8.0-45-generic/kernel/a.ko": ""}),
}
WITHOUT_KERNEL = {
    META: ("linux-image-9.9.9-cloud-amd64", {}),
    "linux-image-9.9.9-cloud-amd64": ("", {"usr/share/doc/moved-elsewhere": ""}),
}
Packages = Mapping[str, tuple[str, Mapping[str, str]]]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Packages], Path]:
    """Make packages, and let apt know them and no others; return the folder they lie in."""

    def make(packages: Packages) -> Path:
        architecture = "amd64"
        folder = tmp_path / "repository"
        folder.mkdir()
        index = "".join(_package(folder, name, architecture, *packages[name]) for name in packages)
        (folder / "Packages").write_text(index)
        for part in ("state/lists/partial", "cache/archives/partial"):
            (tmp_path / part).mkdir(parents=True)
        (tmp_path / "status").touch()
        (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
        (tmp_path / "apt.conf").write_text(
            f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
            f'Dir::State "{tmp_path}/state";\nDir::State::status "{tmp_path}/status";\nDir::Cache "{tmp_path}/cache";\n'
            f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
            'Acquire::Languages "none";\nAPT::Sandbox::User "";\n'
        )
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
        return folder

    return make


def _package(folder: Path, name: str, architecture: str, depends: str, files: Mapping[str, str]) -> str:
    """Build a package; return its paragraph of the repository's index."""
    root = folder / "made" / name
    control = f"Package: {name}\nVersion: 1\nArchitecture: {architecture}\nMaintainer: a test <nobody@localhost>\n"
    control += f"Description: made for a test\n{f'Depends: {depends}' if depends else ''}".rstrip() + "\n"
    for path, text in {"DEBIAN/control": control, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    archive = folder / f"{name}_1_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--build", root, archive], check=True, capture_output=True)
    data = archive.read_bytes()
    return f"{control}Filename: ./{archive.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"


def updated() -> None:
    """Follow the remedy "apt-get update"."""
    subprocess.run(["apt-get", "update", "--quiet"], check=True, capture_output=True)


@needs_apt
@pytest.mark.parametrize(
    ("packages", "release", "modules"),
    [
        (DEBIAN_12, "6.1.0-56-cloud-amd64", "lib/modules/6.1.0-56-cloud-amd64"),
        (DEBIAN_14, "7.2.13+deb14-cloud-amd64", "usr/lib/modules/7.2.13+deb14-cloud-amd64"),
        (UBUNTU, "6.8.0-45-generic", "lib/modules/6.8.0-45-generic"),
    ],
    ids=["Debian 12", "Debian 14", "Ubuntu"],
)
def test_a_kernel_is_found_however_the_distribution_cuts_it(
    packages, release, modules, repository, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"machine": "x86_64"}))
    repository(packages)
    updated()
    kernel = fetch_kernel(tmp_path / "fetched")
    assert kernel.release == release
    assert kernel.path.read_text() == "kernel"
    assert kernel.modules == tmp_path / "fetched/kernels" / f"linux-image-{release}" / modules
    assert find_kernel(tmp_path / "fetched") == kernel


@needs_apt
def test_the_remedy_of_missing_lists_helps(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"machine": "x86_64"}))
    repository(DEBIAN_12)
    with pytest.raises(BackendError, match="apt knows no kernel package for x86_64") as refused:
        fetch_kernel(tmp_path / "fetched")
    assert refused.value.remedy.startswith("apt-get update, or")
    updated()
    assert fetch_kernel(tmp_path / "fetched").release == "6.1.0-56-cloud-amd64"


@needs_apt
def test_packages_without_a_kernel_leave_nothing_and_are_not_downloaded_again(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"machine": "x86_64"}))
    folder = repository(WITHOUT_KERNEL)
    updated()
    with pytest.raises(BackendError, match=r"no kernel image in it$") as refused:
        fetch_kernel(tmp_path / "fetched")
    assert refused.value.remedy == "--kernel FILE"
    kept = [path for path in (tmp_path / "fetched/kernels").iterdir() if path.is_dir()]
    assert kept == []
    # A second download would fail otherwise: there is none to be had any more.
    (folder / "linux-image-9.9.9-cloud-amd64_1_amd64.deb").unlink()
    with pytest.raises(BackendError, match=r"no kernel was in it$") as refused:
        fetch_kernel(tmp_path / "fetched")
    remembered = Path(refused.value.remedy.split("delete ")[1].split(" to")[0])
    remembered.unlink()
    with pytest.raises(BackendError, match="apt-get download failed"):
        fetch_kernel(tmp_path / "fetched")


@needs_apt
@pytest.mark.parametrize("place", ["bin/busybox", "usr/bin/busybox"])
def test_later_files_come_although_an_earlier_one_cannot_be_had(place, repository, tmp_path, monkeypatch, capsys):
    """Debian 12 has BusyBox in /bin, Debian 13 in /usr/bin; here the kernel is missing."""
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"machine": "x86_64"}))
    monkeypatch.setattr(artefacts, "foreign_apt", lambda *_: nullcontext(Apt()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    repository({"busybox-static": ("", {place: "busybox"}), artefacts.MACH_PACKAGE: ("", {"boot/gnumach-1.gz": ""})})
    updated()
    got = dict(artefacts.fetch(tmp_path / "envbench"))
    assert got["aarch64 busybox"].read_text() == "busybox"
    assert isinstance(got["aarch64 kernel"], BackendError)
    assert "GNU Mach" in got
    assert main(["fetch", "foreign"]) == BackendError.exit_code
    told = capsys.readouterr()
    assert "aarch64 busybox: " in told.out
    assert "aarch64 kernel: " in told.err
    assert "envbench fetch" not in told.err, "the remedy is the command that has just failed"


def test_parts_of_a_kernel_are_told_from_what_merely_goes_with_it():
    depends = "l\n  PreDepends: linux-base\n |Depends: dracut\n  Depends: linux-binary-7.2\n  Suggests: linux-doc-7.2\n"
    assert kernel_parts(depends) == ("linux-binary-7.2",)
    assert kernel_parts("linux-image-cloud-amd64\n  Depends: linux-base-cloud-amd64\n") == ()


def test_releases_are_compared_by_their_numbers():
    images = [Path("/boot/vmlinuz-6.1.0-9"), Path("/usr/lib/modules/6.12.1/vmlinuz"), Path("/boot/vmlinuz-6.1.0-56")]
    assert newest_first(images) == [images[1], images[2], images[0]]


def test_an_image_that_two_names_lead_to_counts_once(tmp_path):
    (tmp_path / "usr/lib/modules/6.1").mkdir(parents=True)
    (tmp_path / "usr/lib/modules/6.1/vmlinuz").touch()
    (tmp_path / "lib").symlink_to("usr/lib")
    assert len(kernel_images(tmp_path)) == 1


@needs_apt
def test_another_architectures_apt_leaves_the_machines_own_alone():
    with foreign_apt("riscv64") as apt:
        assert apt.config is not None
        told = subprocess.run(
            ["apt-config", "dump"],
            env={"APT_CONFIG": str(apt.config), "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert 'APT::Architecture "riscv64"' in told
    assert "/var/lib/apt" not in told
    assert Apt().version("no-such-package-anywhere") == ""
