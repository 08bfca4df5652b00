"""Builds dist/envinspect.pyz: the inspector and click in one file that runs on a bare Python.

psutil and py-cpuinfo stay out: psutil is compiled, and both are asked only where a system does not tell by itself.
"""

import argparse
import shutil
import sys
import tempfile
import zipapp
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent / "envinspect"
VENDORED = ("click",)


def copy_distribution(name: str, into: Path) -> None:
    """Copy an installed distribution's Python files and its licence."""
    for file in metadata.files(name) or ():
        if file.suffix in {".py", ".sh"} or file.name in {"py.typed", "METADATA"} or "licen" in file.name.lower():
            place = into / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), place)


def build(out: Path) -> Path:
    """Write the archive and return its path."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        shutil.copytree(PACKAGE, staged / "envinspect", ignore=shutil.ignore_patterns("__pycache__"))
        for name in VENDORED:
            copy_distribution(name, staged)
        (staged / "__main__.py").write_text(
            "import sys\n\nfrom envinspect.__main__ import main\n\nsys.exit(main())\n", encoding="utf-8"
        )
        zipapp.create_archive(staged, out, interpreter="/usr/bin/env python3", compressed=True)
    return out


def main() -> int:
    """Build to the path given, or to dist/envinspect.pyz."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[1] / "dist" / "envinspect.pyz"
    parser.add_argument("out", nargs="?", type=Path, default=default)
    built = build(parser.parse_args().out)
    sys.stdout.write(f"{built} ({built.stat().st_size // 1024} KiB)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
