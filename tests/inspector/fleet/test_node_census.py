"""A census of this machine: sets, races and denials, against what `--pid` and the kernel say."""

import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

import envinspect
from envinspect.fleet import node_census
from envinspect.model import Denied, Found
from envinspect.render.census import census_json, census_text
from envinspect.render.terminal import PLAIN
from envinspect.sources.process import namespace_number
from envinspect.systems.process import Life, process_facts
from envinspect.systems.processes import Process, processes

AS_NOBODY = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def apart() -> Iterator[subprocess.Popen[bytes]]:
    """Two processes in a UTS namespace of their own."""
    program = shutil.which("unshare")
    process = subprocess.Popen(
        [str(program), "--user", "--map-root-user", "--uts", "sh", "-c", "sleep 60 & echo; wait"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    if not process.stdout.readline():
        pytest.skip("no user namespace can be made here")
    with process:
        yield process
        subprocess.run(["pkill", "-P", str(process.pid)], check=False)
        process.kill()


def set_of(pid: int, found: envinspect.Census) -> envinspect.NamespaceSet:
    numbers = {
        (kind, namespace_number(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))) for kind in ("uts", "mnt", "net")
    }
    (one,) = (same for same in found.sets if numbers <= set(same.namespaces))
    return one


def test_own_processes_are_counted_and_judged_as_by_pid(apart: subprocess.Popen[bytes]) -> None:
    found = envinspect.census()
    own = set_of(os.getpid(), found)
    other = set_of(apart.pid, found)
    assert (other.pid, other.processes) == (apart.pid, 2)
    assert own.processes >= 2 or own.pid == os.getpid()
    for one in (own, other):
        there = envinspect.inspect(pid=one.pid)
        assert one.summary == there.summary
        assert one.stack.layers == there.layers
        assert one.resources.limits == there.resources.limits
    seen = {process.pid for process in processes()}
    assert sum(one.processes for one in found.sets) <= len(seen) + 50
    assert {os.getpid(), apart.pid} <= seen


def test_threads_of_the_kernel_and_the_dead_are_no_processes() -> None:
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    seen = {process.pid for process in processes()}
    assert dead.pid not in seen
    dead.wait()
    kernel = subprocess.run(["pgrep", "-P", "2"], capture_output=True, text=True, check=False).stdout.split()
    if str(Path("/proc/self/ns/pid").readlink()) == "pid:[4026531836]" and kernel:
        assert not seen & {2, *map(int, kernel)}


def test_json_keeps_to_its_schema_and_the_text_has_a_line_for_each(apart: subprocess.Popen[bytes]) -> None:
    found = envinspect.census()
    schema = json.loads(pkgutil.get_data("envinspect", "schema/envinspect-census-1.json") or b"")
    jsonschema.Draft202012Validator.check_schema(schema)
    printed = json.loads(census_json(found).text)
    jsonschema.validate(printed, schema)
    assert printed == found.to_dict()
    lines = census_text(found, PLAIN).text.splitlines()
    assert len(lines) == 1 + len(found.sets)
    assert lines[0].split() == ["PROCESSES", "PID", "STACK", "ENGINE", "ID", "POD", "LIMITS"]
    codes = {census_json(found).exit_code, census_text(found, PLAIN).exit_code}
    assert codes == {0 if found.complete else 3}


@needs_root
def test_to_an_ordinary_user_what_may_not_be_looked_at_is_denied_and_never_absent(
    apart: subprocess.Popen[bytes],
) -> None:
    # Everything is loaded before the rights go: the checkout may be root's own.
    loaded = "import envinspect.fleet.node_census, envinspect.render.census; from envinspect.cli.commands import run; "
    program = AS_NOBODY + "raise SystemExit(run(['census', '--json']))"
    done = subprocess.run([sys.executable, "-c", loaded + program], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1
    assert "may not be looked at (EACCES)" in done.stderr
    assert "CAP_SYS_PTRACE" in done.stderr
    printed = json.loads(done.stdout)
    jsonschema.validate(printed, json.loads(pkgutil.get_data("envinspect", "schema/envinspect-census-1.json") or b""))
    assert not printed["complete"]
    denied = [one for one in printed["sets"] if one["denied"]]
    assert {one["denied"] for one in denied} == {"EACCES"}
    (gap,) = (gap for gap in printed["gaps"] if gap["id"] == "denied")
    # A set whose processes have all ended since they were counted is no longer there.
    assert gap["processes"] >= sum(one["processes"] for one in denied) > 0
    for one in denied:
        assert one["namespaces"] == {}
        assert one["limits"]["memory"]["state"] == "not-visible"  # never "none-visible": it could not be read


def made_up(pid: int, *, cgroup: str = "0::/\n", error: str = "") -> Process:
    return Process(pid, Life("1", of_the_kernel=False), Denied(error) if error else Found((("uts", 1),)), cgroup)


def test_a_process_that_has_ended_gives_way_to_the_next_of_its_set(monkeypatch: pytest.MonkeyPatch) -> None:
    (own,) = (process for process in processes() if process.pid == os.getpid())
    gone = made_up(2**22 + 1).replace(namespaces=own.namespaces)
    monkeypatch.setattr(node_census, "processes", lambda: (gone, own))
    (one,) = node_census.census().sets
    assert one.pid == os.getpid()
    monkeypatch.setattr(node_census, "processes", lambda: (gone,))
    assert node_census.census().sets == ()


def test_the_denied_are_told_apart_by_the_container_that_their_cgroup_names(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ab" * 32
    table = (
        made_up(1, error="EACCES"),
        made_up(2, error="EACCES", cgroup=f"0::/docker/{name}\n"),
        made_up(3, error="EACCES", cgroup=f"0::/docker/{name}\n"),
    )
    groups: dict[object, int] = {}
    for process in table:
        groups[node_census._set_of(process)] = groups.get(node_census._set_of(process), 0) + 1
    assert groups == {(Denied("EACCES"), None): 1, (Denied("EACCES"), name): 2}
    gap = next(node_census._gaps(node_census.Node(), table))
    assert (gap.id, gap.processes) == ("denied", 3)


@pytest.mark.parametrize("option", ["hidepid=2", "hidepid=invisible"])
def test_a_proc_that_hides_processes_is_said(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    from envinspect.systems import processes as door

    text = f"20 1 0:5 / /proc rw,nosuid - proc proc rw,{option}\n"
    monkeypatch.setattr(door.LiveRoot, "read", lambda _self, _path: Found(text.encode()))
    assert door.hides_others() == option.partition("=")[2]
    monkeypatch.setattr(door.LiveRoot, "read", lambda _self, _path: Found(b"20 1 0:5 / /proc rw - proc proc rw\n"))
    assert door.hides_others() == ""


def test_the_command_is_about_no_other_system() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "envinspect", "--pid", "1", "census"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "node as a whole" in done.stderr


@needs_root
def test_a_process_of_a_user_in_namespaces_of_its_own_is_seen_by_that_user() -> None:
    """Its cgroup namespace can be joined only through its user namespace, which takes a process of one thread."""
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    started = subprocess.Popen(
        [*user, "unshare", "--user", "--map-root-user", "--cgroup", "sh", "-c", "echo; exec sleep 60"],
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    with started:
        if not started.stdout.readline():
            pytest.skip("an ordinary user can make no user namespace here")
        seen_by_root = process_facts(started.pid, lambda facts: facts.text("/proc/self/cgroup")).text(
            "/proc/self/cgroup"
        )
        program = (
            "import envinspect.systems.process as door, envinspect.systems.own_view, ctypes, threading; "
            + AS_NOBODY
            + f"facts = door.process_facts({started.pid}, lambda facts: None); "
            + "print(repr(facts.text('/proc/self/cgroup')))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        started.kill()
        assert done.stdout.strip() == repr(seen_by_root), done.stderr
        assert isinstance(seen_by_root, Found)


@needs_root
def test_in_a_pid_namespace_of_its_own_a_census_is_not_the_nodes() -> None:
    command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "envinspect", "census"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    printed = json.loads(done.stdout)
    assert [gap["id"] for gap in printed["gaps"]] == ["pid-namespace"]
    assert [one["processes"] for one in printed["sets"]] == [1]
