"""A system call that a seccomp filter refuses ends nothing: the program is run under a real filter."""

import json
import platform
import subprocess
import sys

import pytest

NUMBERS = {
    "x86_64": {"uname": 63, "readlink": 89, "mmap-exec": 9, "getdents64": 217, "geteuid": 107},
    "aarch64": {"uname": 160, "getdents64": 61, "geteuid": 175},
}
UNDER_FILTER = """
import ctypes, os, struct, sys
number, error = int(sys.argv[1]), int(sys.argv[2])
code = struct.pack("HBBI", 0x20, 0, 0, 0)                   # load the call's number (linux/seccomp.h, seccomp_data)
code += struct.pack("HBBI", 0x15, 0, 1, number)             # that one?
code += struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | error)  # SECCOMP_RET_ERRNO
code += struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)         # SECCOMP_RET_ALLOW
if error == 999:  # mmap with PROT_EXEC alone; 32 is the third argument's place
    code = struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 3, number)
    code += struct.pack("HBBI", 0x20, 0, 0, 32) + struct.pack("HBBI", 0x15, 0, 1, 7)
    code += struct.pack("HBBI", 0x06, 0, 0, 0x00050001) + struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
libc = ctypes.CDLL(None, use_errno=True)
kept = ctypes.create_string_buffer(code, len(code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(kept)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.executable, [sys.executable, "-m", "envinspect", *sys.argv[3:]])
"""


def run(number: int, error: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", UNDER_FILTER, str(number), str(error), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("error", [1, 38], ids=["EPERM", "ENOSYS"])
@pytest.mark.parametrize("call", ["uname", "readlink"])
def test_a_refused_call_ends_nothing(call: str, error: int) -> None:
    number = NUMBERS[platform.machine()].get(call, NUMBERS[platform.machine()]["uname"])
    done = run(number, error, "--json")
    assert done.returncode in {0, 3}, done.stderr
    answer = json.loads(done.stdout)
    assert answer["host"]["kernel"]
    assert done.stderr == ""


def test_pages_that_may_not_be_executed_are_a_denial() -> None:
    machine = platform.machine()
    done = run(NUMBERS[machine].get("mmap-exec", NUMBERS[machine]["uname"]), 999, "--json")
    assert done.returncode in {0, 3}, done.stderr
    assert json.loads(done.stdout)["schema"] == "envinspect/1"
