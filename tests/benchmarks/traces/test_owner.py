"""Who is proved dead: only a process of this boot and PID namespace that is gone, or one of a boot before."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.traces.owner import INITIAL_PID_NAMESPACE, Owner, Place, Standing, standing, this_process

HERE = Place("boot", "machine", "4026532300@55", "mnt:[1]", "web1", "/tmp", "1:2")
NO_PID, NO_TICKS = 2**22 + 1, 7
DEAD_HERE = Owner(NO_PID, NO_TICKS, HERE, holds_lock=True, on_own_filesystem=True)


def judged(owner: Owner, here: Place = HERE, *, is_locked: bool | None = False, own: bool = True) -> Standing:
    return standing(owner, here, is_locked=is_locked, on_own_filesystem=own)


def elsewhere(**changed: str) -> Owner:
    return replace(DEAD_HERE, place=replace(HERE, **changed))


def test_this_process_is_alive_whether_or_not_its_lock_is_seen():
    me = this_process("/tmp", holds_lock=True, on_own_filesystem=True)
    for is_locked in (True, False, None):
        assert judged(me, me.place, is_locked=is_locked) is Standing.ALIVE


def test_a_process_that_is_gone_here_is_dead_on_any_filesystem():
    for is_locked, own in ((False, True), (False, False), (None, False)):
        assert judged(DEAD_HERE, is_locked=is_locked, own=own) is Standing.DEAD


@pytest.mark.parametrize(
    "changed",
    [
        {"pid_namespace": "4026532301@55"},
        {"pid_namespace": "4026532300@56"},  # the inode was used again by a later container
        {"boot_id": "other", "machine_id": "other"},
        {"boot_id": "other", "machine_id": ""},
        {"boot_id": ""},
        {"mount_namespace": "mnt:[2]", "temp_identity": "9:9"},  # a service with a /tmp of its own
    ],
    ids="-".join,
)
def test_what_ran_in_another_place_is_not_proved_dead(changed):
    assert judged(elsewhere(**changed)) is Standing.ELSEWHERE


def test_another_mount_namespace_with_the_same_folders_is_no_other_place():
    assert judged(elsewhere(mount_namespace="mnt:[2]")) is Standing.DEAD


def test_after_a_restart_of_this_machine_the_run_is_dead_if_nobody_can_share_its_journal():
    before = elsewhere(boot_id="before")
    assert judged(before) is Standing.DEAD
    assert judged(before, own=False) is Standing.ELSEWHERE
    assert judged(before, is_locked=None) is Standing.ELSEWHERE
    assert judged(replace(before, on_own_filesystem=False)) is Standing.ELSEWHERE
    assert judged(replace(before, holds_lock=False)) is Standing.ELSEWHERE


def test_a_journal_of_before_is_believed_only_where_every_process_is_seen():
    old = Owner(1, 2**40, Place("boot"))
    assert judged(old) is Standing.ELSEWHERE
    everywhere = replace(HERE, pid_namespace=f"{INITIAL_PID_NAMESPACE}@1")
    assert judged(old, everywhere) is Standing.DEAD
    living = this_process("/tmp", holds_lock=False, on_own_filesystem=False)
    assert judged(replace(living, pid=1, place=Place("boot")), everywhere) is Standing.ALIVE
    assert judged(replace(old, place=Place("before")), everywhere) is Standing.ELSEWHERE


words = st.sampled_from(["", "boot", "machine", "4026532300@55", "other"])
owners = st.builds(Owner, st.just(NO_PID), st.just(2**40), st.builds(Place, *[words] * 7), st.booleans(), st.booleans())


@given(owners, st.sampled_from([True, False, None]), st.booleans())
def test_nobody_is_called_dead_without_proof(owner: Owner, is_locked: bool | None, own: bool):
    found = judged(owner, is_locked=is_locked, own=own)
    there = owner.place
    if is_locked:
        assert found is Standing.ALIVE
    if found is Standing.DEAD:
        gone_here = (there.boot_id, there.pid_namespace) == (HERE.boot_id, HERE.pid_namespace)
        same_machine = there.machine_id == HERE.machine_id and own and is_locked is False
        assert gone_here or (same_machine and owner.holds_lock and owner.on_own_filesystem)


def test_this_process_says_where_it_runs():
    me = this_process(str(Path.cwd()), holds_lock=False, on_own_filesystem=False)
    assert me.pid == os.getpid()
    assert me.start_ticks > 0
    inode, _, first = me.place.pid_namespace.partition("@")
    assert inode.isdigit()
    assert first.isdigit()
    assert me.place.boot_id
    here = Path.cwd().stat()
    assert me.place.temp_identity == f"{here.st_dev}:{here.st_ino}"
