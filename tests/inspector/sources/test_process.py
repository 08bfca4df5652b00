"""What /proc says of a process: status, environ and ns."""

from __future__ import annotations

import pytest

from envinspect.sources.process import INITIAL, namespace_number, parse_assignments, parse_status, variable


def test_status() -> None:
    assert parse_status("Name:\tcat\nVxID: 7\nVxID: 8\nno colon\n:x\n") == {"Name": "cat", "VxID": "7", "": "x"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1\0container=lxc\0", "lxc"),
        ("A=1\ncontainer=podman\n", "podman"),
        ("A=container=lxc\0B=\0", None),
        ("container=\0A=1\0", None),
        ("xcontainer=lxc\0", None),
        ("", None),
    ],
)
def test_variable(text: str, value: str | None) -> None:
    assert variable(text, "container") == value


def test_assignments() -> None:
    assert parse_assignments('engine="podman-5.3.1"\n# no\n=x\nrootless=1\n') == {
        "engine": "podman-5.3.1",
        "rootless": "1",
    }


@pytest.mark.parametrize(
    ("link", "number"),
    [("pid:[4026531836]", 4026531836), ("pid:[x]", None), ("", None), ("pid", None), ("pid:[" + "9" * 30 + "]", None)],
)
def test_namespace_number(link: str, number: int | None) -> None:
    assert namespace_number(link) == number


def test_the_initial_numbers_are_the_kernels() -> None:
    # include/uapi/linux/nsfs.h, enum init_ns_ino
    assert {4026531836} == INITIAL["pid"]
    assert {4026531837} == INITIAL["user"]
    assert {4026531838} == INITIAL["uts"]
    assert {4026531839} == INITIAL["ipc"]
    assert {4026531835} == INITIAL["cgroup"]
    assert 4026531832 in INITIAL["mnt"]
    assert 4026531833 in INITIAL["net"]
