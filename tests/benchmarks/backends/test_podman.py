"""What rootless Podman leaves running for the user's next command: ended where the run began it, else never touched."""

import shutil
import subprocess

import pytest

from envbench.backends.podman import end_pause, is_on_loopback
from envbench.backends.shared.child import users_environment


@pytest.fixture
def pause(tmp_path):
    """Return a function that starts a process of Podman's name which carries a run's id."""
    program = shutil.copy(shutil.which("sleep"), tmp_path / "catatonit")
    begun = []

    def start(run_id):
        begun.append(subprocess.Popen([program, "60"], env=users_environment(run_id)))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def test_only_the_runs_own_is_ended(pause):
    own, foreign = pause("0123456789ab"), pause("ba9876543210")
    end_pause("0123456789ab")
    assert own.wait(5) == -9
    assert foreign.poll() is None


def test_it_stays_while_a_service_of_the_run_lives(pause):
    own = pause("0123456789ab")
    end_pause("0123456789ab", {1})
    assert own.poll() is None


@pytest.mark.parametrize(
    ("image", "on_loopback"),
    [
        ("127.0.0.1:5000/a:1", True),
        ("localhost/a", True),
        ("[::1]:5000/a", True),
        ("127.example.com/a", False),
        ("registry.example:5000/127.0.0.1/a", False),
        ("localhost.example.com/a", False),
    ],
)
def test_tls_is_left_out_on_the_loopback_alone(image, on_loopback):
    assert is_on_loopback(image) is on_loopback
