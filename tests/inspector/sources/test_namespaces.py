"""Links of /proc/self/ns."""

from __future__ import annotations

import pytest

from envinspect.sources.namespaces import INITIAL, namespace_number


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
