"""What a container of the user's own publishes, and which volumes its engine must have."""

from envbench.backends.shared.engine_api import named_volumes, port_bindings


def test_the_port_that_is_asked_and_those_of_the_user_go_together():
    found = port_bindings(((40001, 80),), ("8080:80", "127.0.0.1::53/udp", "25"))
    assert found == {
        "80/tcp": [("127.0.0.1", 40001), ("", "8080")],
        "53/udp": [("127.0.0.1", None)],
        "25/tcp": [("", None)],
    }
    assert port_bindings((), ()) == {}


def test_volumes_that_the_engine_keeps():
    assert named_volumes(("/here:/inside:ro", "kept:/kept", "/made")) == ("kept",)
