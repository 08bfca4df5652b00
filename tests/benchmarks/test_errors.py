"""What an error says is fields: what happened, what to try, an exit status; only a person reads them put together."""

import pytest

from envbench.backend import Unusable, unusable
from envbench.backends.shared.child import run_command
from envbench.errors import BackendError, CommandError, EnvbenchError, advice, one_line


def test_a_remedy_stands_beside_the_message_until_somebody_reads_it():
    error = EnvbenchError("no room\non the disk", remedy="another TMPDIR")
    assert str(error) == "no room\non the disk"
    assert one_line(error) == "no room on the disk; try: another TMPDIR"
    assert one_line(EnvbenchError("no room")) == "no room"
    assert one_line(OSError()) == "OSError"
    assert one_line(OSError("x" * 600)) == "x" * 499 + "…"
    assert advice("gone", "") == "gone"


@pytest.mark.parametrize("kind", [EnvbenchError, OSError])
def test_no_error_says_the_password_of_an_address(kind: type[Exception]):
    assert one_line(kind("s3://KEY:SECRET@bucket/a: refused")) == "s3://KEY:…@bucket/a: refused"
    remedy = "envbench collect run --into https://:SECRET@host/a"
    assert one_line(EnvbenchError("no", remedy=remedy)) == "no; try: envbench collect run --into https://:…@host/a"
    assert advice("s3://KEY:a/b+c@bucket: no such host", "") == "s3://KEY:…@bucket: no such host"
    for plain in (
        "http://[::1]:80/a@b",
        "unix:///run/a@b.sock",
        "http://host:80/a@b",
        "http://[::1]:80/",
        "docker://x y:z@w",
    ):
        assert advice(plain, "") == plain


def test_a_failed_command_tells_its_exit_status_and_last_words_apart():
    with pytest.raises(CommandError) as caught:
        run_command(("sh", "-c", "echo ended with 3 >&2; exit 2"), "run", "trying")
    assert (caught.value.exit_status, caught.value.said) == (2, "ended with 3")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (BackendError("no engine", remedy="start it"), Unusable("no engine", "start it")),
        (BackendError("no engine"), Unusable("no engine", "look around")),
        (OSError("no such\nfile"), Unusable("no such file", "look around")),
    ],
)
def test_an_unusable_backend_gives_the_errors_own_remedy_first(error: Exception, answer: Unusable):
    assert unusable(error, "look around") == answer
