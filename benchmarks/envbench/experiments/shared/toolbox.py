"""A second payload tree: the first one plus standard tools of this distribution, with their libraries and loader.

Every backend, the bare host too, runs a tool by the tree's own loader with the tree's own libraries, so that the very
same bytes are measured everywhere. The tree also has this machine's os-release in it: to a container it is another
userland.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbench.backends import load
from envbench.errors import BackendError, one_line
from envbench.experiments.shared.artefacts import foreign_busybox
from envbench.payload.tree import build_tree
from envbench.records.phases import BackendKind
from envbench.run.bench import Bench, Prepared
from envbench.settings import Settings

if TYPE_CHECKING:
    from envbench.backend import Backend

TOOLS = ("sysbench", "stress-ng", "openssl")
OS_RELEASE = "/tools/os-release"
FOREIGN = "/tools/foreign/busybox"
MEMORY_BYTES = 1 << 30
"""What a machine needs to hold the tools in its initramfs and to run them."""

_LIBRARY = re.compile(r"=> (/\S+) \(|^\s*(/\S+) \(", re.MULTILINE)


@contextmanager
def toolbox(bench: Bench, backends: Sequence[str]) -> Iterator[Bench]:
    """Yield a bench whose backends are these backends' with the tool tree as payload; it is removed at the end.

    A backend that cannot take the tree is left out with a note. Raises BackendError where the tree cannot be built.
    """
    with with_settings(bench, tools_settings(bench.settings), backends) as tools:
        yield tools


@contextmanager
def with_settings(bench: Bench, settings: Settings, backends: Sequence[str]) -> Iterator[Bench]:
    """Yield a bench whose backends are these backends' with other settings, another tree among them.

    A backend that cannot take them is left out with a note.
    """
    configurations: list[Prepared] = []
    opened: list[Backend] = []
    try:
        for prepared in bench.configurations:
            if prepared.configuration.backend not in backends:
                continue
            try:
                backend = next((b for b in opened if b.name == prepared.configuration.backend), None)
                if backend is None:
                    backend = load(prepared.configuration.backend)(settings, bench.journal)
                    opened.append(backend)
                    backend.check()
                backend.prepare(prepared.configuration.variant)
                configurations.append(Prepared(backend, replace(prepared.configuration, profile=settings.profile)))
            except BackendError as error:
                bench.say(f"{prepared.name}: cannot take this tree: {one_line(error)}")
        yield replace(bench, settings=settings, configurations=configurations)
    finally:
        for backend in opened:
            backend.close()


def tools_settings(settings: Settings) -> Settings:
    """Return the run's settings with the tool tree, built on the first call, linked into a fresh folder."""
    tree = settings.work_dir / "tools-tree"
    if not tree.exists():
        build_tree(tree, "minimal")
        try:
            add_tools(tree, settings.cache_dir)
        except OSError as error:
            raise BackendError(f"the tools cannot be copied: {error}") from error
    number = len(list(settings.work_dir.glob("tools-[0-9]*")))
    work_dir = settings.work_dir / f"tools-{number}"
    work_dir.mkdir(mode=0o700)
    shutil.copytree(tree, work_dir / "tree", symlinks=True, copy_function=os.link)
    return replace(settings, work_dir=work_dir, profile="minimal", images=(), memory_bytes=None)


def add_tools(tree: Path, cache_dir: Path) -> None:
    """Copy the tools that this machine has, with the libraries that they need, into the tree; others are left out."""
    for folder in ("tools/bin", "tools/lib", "tools/foreign"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            shutil.copy(found, tree / "tools/bin" / tool)
            for library in libraries_of(Path(found)):
                name = "ld.so" if library.name.startswith("ld-") else library.name
                shutil.copy(library.resolve(), tree / "tools/lib" / name)
    with contextlib.suppress(OSError):
        pretty = re.search(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text("utf-8"), re.MULTILINE)
        (tree / OS_RELEASE.lstrip("/")).write_text(f"{pretty[1] if pretty else 'unknown'}\n")
        shutil.copy("/etc/os-release", tree / "etc/os-release")
    foreign = foreign_busybox(cache_dir)
    if foreign is not None:
        shutil.copy(foreign, tree / FOREIGN.lstrip("/"))
        (tree / FOREIGN.lstrip("/")).chmod(0o755)


def libraries_of(program: Path) -> tuple[Path, ...]:
    """Return the libraries and the loader of a dynamic program, by ldd(1); () for a static one."""
    done = subprocess.run(
        ["ldd", program], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    return tuple(Path(one or other) for one, other in _LIBRARY.findall(done.stdout))


def root_of(prepared: Prepared, settings: Settings) -> str:
    """Return where the tree's root is for what runs on this backend: "" but for the bare process."""
    return os.fspath(settings.work_dir / "tree") if prepared.kind is BackendKind.HOST else ""


def tool_command(prepared: Prepared, settings: Settings, tool: str) -> str | None:
    """Return the words that run a tool here by the tree's loader, None where this machine has no such tool."""
    if not (settings.work_dir / "tree/tools/bin" / tool).exists():
        return None
    root = root_of(prepared, settings)
    return f"{root}/tools/lib/ld.so --library-path {root}/tools/lib {root}/tools/bin/{tool}"
