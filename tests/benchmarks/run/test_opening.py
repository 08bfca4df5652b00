"""What one backend's library raises is that backend's answer."""

import pytest

from envbench.backend import Unusable, Usable
from envbench.errors import BackendError, InterruptedRunError
from envbench.run.opening import open_backend


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("Version"), "KeyError: 'Version'"),
        (RuntimeError("dictionary changed"), "RuntimeError: dictionary changed"),
        (BackendError("no engine"), "no engine"),
        (ImportError("no module"), "cannot be loaded: no module"),
        (OSError(13, "Permission denied"), "[Errno 13] Permission denied"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_check_raises_is_a_reason(error, reason, use_fake, settings, journal, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    def check(self):
        raise error

    monkeypatch.setattr(FakeBackend, "check", check)
    backend, answer = open_backend("process", settings, journal)
    assert backend is None
    assert isinstance(answer, Unusable)
    assert answer.reason == reason
    assert answer.remedy
    assert use_fake()[0].log == ["close"], "what a check had made is undone"


def test_a_backend_that_can_run_stays_open(use_fake, settings, journal):
    backend, answer = open_backend("process", settings, journal)
    assert backend is use_fake()[0]
    assert isinstance(answer, Usable)
    assert use_fake()[0].log == []


@pytest.mark.parametrize("kind", [InterruptedRunError, KeyboardInterrupt])
def test_an_interruption_is_no_answer_and_leaves_nothing_open(kind, use_fake, settings, journal, monkeypatch):
    from tests.benchmarks.conftest import FakeBackend

    def check(self):
        raise kind("SIGINT")

    monkeypatch.setattr(FakeBackend, "check", check)
    with pytest.raises(kind):
        open_backend("process", settings, journal)
    assert use_fake()[0].log == ["close"]
