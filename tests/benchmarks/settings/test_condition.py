"""What --ready says is read as it is meant, or refused with what is wrong."""

import pytest

from envbench.settings.condition import (
    ExecReady,
    HealthReady,
    HttpReady,
    LogReady,
    TcpReady,
    as_record,
    health_argv,
    read_ready,
)


@pytest.mark.parametrize(
    ("words", "ready"),
    [
        ("http:80", HttpReady(80)),
        ("http:8080/health?full=1=204", HttpReady(8080, "/health?full=1", 204)),
        ("http:80/a=b", HttpReady(80, "/a=b")),
        ("tcp:5432", TcpReady(5432)),
        ("log:listening on", LogReady("listening on")),
        ("log:a:(b|c)", LogReady("a:(b|c)")),
        ("health", HealthReady()),
        ("exec:test -e '/run/a b'", ExecReady(("test", "-e", "/run/a b"))),
    ],
)
def test_what_means_ready_is_read(words, ready):
    assert read_ready(words) == ready


@pytest.mark.parametrize(
    "words", ["http:0/", "http:70000/", "tcp:80=200", "tcp:", "log:", "http:80/a b", "health:", "exec: ", ""]
)
def test_what_is_no_condition_is_refused_with_those_there_are(words):
    with pytest.raises(ValueError, match="log:REGEX"):
        read_ready(words)


@pytest.mark.parametrize(
    ("regex", "said"),
    [("a(b", "unterminated subpattern at its character 2"), ("*", "nothing to repeat"), ("x*", "empty line")],
)
def test_an_expression_that_cannot_tell_is_refused(regex, said):
    with pytest.raises(ValueError, match=said):
        read_ready(f"log:{regex}")


def test_a_command_with_an_open_quotation_is_refused():
    with pytest.raises(ValueError, match="exec:sh -c 'a: No closing quotation"):
        read_ready("exec:sh -c 'a")


@pytest.mark.parametrize(
    ("test", "shell", "argv"),
    [
        (["CMD", "pg_isready", "-q"], [], ("pg_isready", "-q")),
        (
            ["CMD-SHELL", "curl -f http://localhost || exit 1"],
            [],
            ("/bin/sh", "-c", "curl -f http://localhost || exit 1"),
        ),
        (["CMD-SHELL", "test -e /a"], ["/bin/bash", "-ec"], ("/bin/bash", "-ec", "test -e /a")),
        (["NONE"], [], ()),
        ([], [], ()),
    ],
)
def test_the_command_of_a_healthcheck(test, shell, argv):
    assert health_argv(test, shell) == argv


def test_the_record_has_the_words_and_the_interval():
    assert as_record(TcpReady(22)) == {"is": "first byte from tcp:22", "port": 22, "interval_s": 0.005}
    assert as_record(None) == {}
