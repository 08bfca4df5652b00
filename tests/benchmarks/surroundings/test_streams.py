"""What a program is started in may be odd: a folder that is gone, an encoding that knows few characters."""

import subprocess
import sys
from pathlib import Path

import pytest

MAKE_USABLE = "from envbench.surroundings.streams import make_usable; make_usable(); "


def run(code: str, *before: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*before, sys.executable, "-c", code], capture_output=True, check=False, env=variables)


def test_a_current_folder_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(MAKE_USABLE + "print(1)", "sh", "-c", f'cd {gone}; rmdir {gone}; exec "$@"', "sh")
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("latin1", b"?\xe4"), ("ascii", b"??"), ("utf-8", "─ä".encode()), ("utf-8:strict", "─ä".encode())],
)
def test_what_an_encoding_does_not_know_is_a_question_mark(encoding: str, shown: bytes) -> None:
    done = run(MAKE_USABLE + r"print('\u2500\xe4', end='')", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (0, shown), done.stderr


def test_the_odd_bytes_of_a_files_name_come_out_as_they_are() -> None:
    done = run(MAKE_USABLE + r"print('a\udce9', end='')", PYTHONIOENCODING="utf-8:strict")
    assert (done.returncode, done.stdout) == (0, b"a\xe9"), done.stderr
