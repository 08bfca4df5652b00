"""An environment is added from outside: a signature and a row of the catalogue, and every form of the answer knows it.

The two rows are put into their tables before the command line starts, in a process of its own. Nothing else of the
program is touched.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.inspector.captured_systems import made_of


class Added(NamedTuple):
    """What a contributor writes (`rows`), a system in which the sign is seen, and what answers it."""

    rows: str
    links: dict[str, str]
    files: dict[str, str]
    layers: list[str]
    kind: str
    sign: str


MACHINE = Added(
    """
from envinspect.signatures import dmi, machines
machines.MACHINES += (
    Entry(Kind.VM, "acme", "Acme machine", 2, "https://acme.example/guests", "acme-vm", "acme", "vm"),
)
dmi.ROWS += (dmi.DmiRow(Kind.VM, "acme", (("sys_vendor", dmi.IS, "Acme"),), "https://acme.example/smbios"),)
""",
    {},
    {"/sys/class/dmi/id/sys_vendor": "Acme\n", "/proc/cpuinfo": "flags : hypervisor\n"},
    ["acme"],
    "vm",
    "https://acme.example/smbios",
)
CONTAINER = Added(
    """
from envinspect.signatures import containers, inner_catalogue
inner_catalogue.INNER += (
    Entry(Kind.CONTAINER, "acme", "Acme box", None, "https://acme.example/boxes", "acme-box", "acme", "container"),
)
containers.MANAGERS["acme"] = "acme"
""",
    {f"/proc/self/ns/{name}": f"{name}:[4026532440]" for name in ("mnt", "pid", "uts", "ipc", "net")},
    {"/run/host/container-manager": "acme\n", "/sys/class/dmi/id/product_name": "VirtualBox\n"},
    ["virtualbox", "acme"],
    "container",
    "https://systemd.io/CONTAINER_INTERFACE/",
)


@pytest.fixture(params=[MACHINE, CONTAINER], ids=["machine", "container"])
def added(request: pytest.FixtureRequest, tmp_path: Path) -> Added:
    """One new environment, with its captured system in `tmp_path / "system"`."""
    one: Added = request.param
    (tmp_path / "system").mkdir()
    uname = {"sysname": "Linux", "release": "6.1.0-28-amd64", "machine": "x86_64"}
    made_of(tmp_path / "system", {"uname": uname, "euid": 0, "links": one.links}, one.files)
    return one


def envinspect(added: Added, folder: Path, *words: str) -> tuple[int, str]:
    """Run the command with the new rows; return its exit code and what it said."""
    code = f"""
import sys
from envinspect.model import Kind
from envinspect.signatures import Entry
{added.rows}
from envinspect.__main__ import main
sys.argv = ["envinspect", *{list(words)!r}]
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_it_is_the_answer_with_its_evidence(added: Added, tmp_path: Path) -> None:
    code, said = envinspect(added, tmp_path, "--from", "system", "--json")
    answer = json.loads(said)
    assert (code, [layer["id"] for layer in answer["layers"]]) == (0, added.layers)
    assert answer["layers"][-1]["name"] in answer["summary"]
    assert added.sign in {piece["reference"] for piece in answer["evidence"] if piece["layer"] == "acme"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--from", "system"], "Acme "),
        (["--from", "system", "--brief"], "Acme "),
        (["--from", "system", "--explain"], "acme"),
        (["--from", "system", "--format", "systemd-detect-virt"], "acme-"),
        (["--from", "system", "--format", "virt-what"], "acme"),
        (["--from", "system", "--format", "prometheus"], 'id="acme"'),
        (["--from", "system", "--format", "nfd"], "acme"),
        (["--from", "system", "--why-not", "acme"], "It is: Acme "),
        (["list"], "acme"),
        (["list", "--json"], "https://acme.example/"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_form_knows_it(words: list[str], wanted: str, added: Added, tmp_path: Path) -> None:
    code, said = envinspect(added, tmp_path, *words)
    assert code == 0, said
    assert wanted in said


@pytest.mark.parametrize("form", ["ansible", "facter"])
def test_ansible_and_facter_call_it_as_they_call_others_of_its_kind(form: str, added: Added, tmp_path: Path) -> None:
    code, said = envinspect(added, tmp_path, "--from", "system", "--format", form)
    assert code == 0, said
    assert ("acme" if added.kind == "vm" else "container") in said


def test_it_can_be_asked_for_and_its_capture_says_the_same(added: Added, tmp_path: Path) -> None:
    assert envinspect(added, tmp_path, "--from", "system", "--is", "acme")[0] == 0
    assert envinspect(added, tmp_path, "--from", "system", "--is", added.kind)[0] == 0
    assert envinspect(added, tmp_path, "--from", "system", "--is", "bare-metal")[0] == 4
    assert envinspect(added, tmp_path, "capture", "again", "--from", "system")[0] == 0
    assert envinspect(added, tmp_path, "--from", "again", "--is", "acme")[0] == 0


def test_without_its_rows_it_is_no_name(added: Added, tmp_path: Path) -> None:
    code, said = envinspect(added._replace(rows=""), tmp_path, "--from", "system", "--is", "acme")
    assert (code, "is no name of an environment" in said) == (2, True)
    code, said = envinspect(added._replace(rows=""), tmp_path, "--from", "system", "--json")
    assert "acme" not in [layer["id"] for layer in json.loads(said)["layers"]]
