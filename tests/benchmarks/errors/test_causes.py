"""The table of remedies: each cause has one for each engine, every word in braces is one that callers give."""

import errno
from string import Formatter

import pytest

from envbench.backend import Unusable
from envbench.backends.podman import none_works
from envbench.errors.causes import REMEDIES, Cause, cause_of_errno, remedy_for

WORDS = {
    "undo": "unset DOCKER_HOST",
    "group": "docker",
    "endpoint": "unix:///run/docker.sock",
    "runtime": "runc",
    "listed": "runc, crun",
    "socket": "/run/containerd/containerd.sock",
}


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_remedy_for_docker(cause: Cause) -> None:
    assert remedy_for(cause, "docker", **WORDS)
    assert remedy_for(cause, "docker elsewhere", **WORDS)


def test_no_remedy_asks_for_a_word_that_nobody_gives() -> None:
    asked = {
        name
        for rows in REMEDIES.values()
        for text in rows.values()
        for _, name, _, _ in Formatter().parse(text)
        if name is not None
    }
    assert asked == set(WORDS)


def test_a_place_without_a_row_of_its_own_has_that_of_its_engine_else_that_of_all() -> None:
    assert remedy_for(Cause.CONFIGURATION, "docker elsewhere", **WORDS) == remedy_for(
        Cause.CONFIGURATION, "docker", **WORDS
    )
    assert remedy_for(Cause.PERMISSION, "layers") == "run it as root (sudo)"
    assert remedy_for(None, "docker") == remedy_for(Cause.TLS_MISSING, "podman") == ""


def test_an_error_number_that_says_nothing_of_an_address_is_no_cause() -> None:
    assert cause_of_errno(errno.ECONNREFUSED) is Cause.REFUSED
    assert cause_of_errno(errno.EIO) is None
    assert cause_of_errno(None) is None


def test_podman_has_the_remedy_of_what_its_runtimes_have_in_common_else_its_own() -> None:
    broken = Unusable("crun: no cgroups", "")
    assert none_works({"crun": broken}) == Unusable(
        "crun: no cgroups", remedy_for(Cause.BROKEN, "podman"), Cause.BROKEN
    )
    silent = Unusable("it does not answer", remedy_for(Cause.NO_ANSWER), Cause.NO_ANSWER)
    assert none_works({"crun": broken, "runc": silent}).cause is Cause.NO_ANSWER
