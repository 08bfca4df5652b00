"""What a drop-in format cannot say in its own words it says on standard error."""

import pytest
from tests.inspector.captured_systems import SYSTEMS

from envinspect.cli.commands import run
from envinspect.render import DROP_IN


@pytest.mark.parametrize("form", DROP_IN)
def test_not_determined_is_said_on_stderr(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--from", f"{SYSTEMS}/unshare-all-on-a-disk", "--format", form])
    told = capsys.readouterr()
    assert told.err.startswith("envinspect: not determined")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("form", DROP_IN)
def test_a_determined_answer_says_nothing_there(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--from", f"{SYSTEMS}/bare-metal-server", "--format", form])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["container", "docker", "lxc"])
def test_what_fits_a_container_and_none_is_never_a_no(name: str) -> None:
    assert run(["--from", f"{SYSTEMS}/unshare-all-on-a-disk", "--is", name]) == 3
    assert run(["--from", f"{SYSTEMS}/bare-metal-server", "--is", name]) == 4
