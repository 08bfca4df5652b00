"""A container that is alone with its control group cannot say what is around it, and says so; others say nothing."""

from __future__ import annotations

import pytest
from tests.inspector.captured_systems import answer_for

from envinspect.probes.outer import NO_PROC, NOT_VISIBLE, OWN_KERNEL


@pytest.mark.parametrize("name", ["docker-cgroup-v2", "cri-o-pod-cgroup-v2", "lxc", "docker-in-wsl2"])
def test_a_container_with_its_own_control_group_namespace_cannot_see_one_around_it(name: str) -> None:
    assert answer_for(name).stack.outer == NOT_VISIBLE


@pytest.mark.parametrize("name", ["docker-cgroup-v1", "docker-pid-host", "bare-metal-server", "chroot", "empty"])
def test_where_one_would_show_or_there_is_no_container_nothing_is_said(name: str) -> None:
    assert answer_for(name).stack.outer == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("real-bubblewrap-unshare-all", NOT_VISIBLE),
        ("pivot-root-in-a-nameless-container", NOT_VISIBLE),
        ("real-gvisor", OWN_KERNEL),
        ("real-chroot-without-proc", NO_PROC),
    ],
)
def test_a_sandbox_a_kernel_of_its_own_and_a_root_without_proc_may_hide_one(name: str, why: str) -> None:
    assert answer_for(name).stack.outer == why
