"""The Ansible collection with the real ansible-core: over OpenSSH, docker exec and the local connection."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from environments.lab import cache_dir
from ssh_hosts import SshHosts, lacking, ssh_hosts
from tests.inspector.answering_place import payload_of, write_round

from envinspect.capture.every_question import ask_everything
from envinspect.inspection import inspect
from envinspect.systems.captured import read_capture

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
OLDER = cache_dir() / "ansible-9/bin"
"""ansible-core 2.16 with the collections of its time, as provision.sh installs it."""
MODULE = "envinspect.envinspect.environment_facts"
COLLECTION = REPOSITORY / "inspector/ansible_collections/envinspect/envinspect"
SYSTEMS = REPOSITORY / "tests/systems"
HOSTS = int(os.environ.get("ENVINSPECT_E2E_HOSTS", "24"))
"""How many captured systems answer over ssh; with 400 of them the test says how long all took."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program of Ansible with homes of its own."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "ANSIBLE_HOME": str(home), "ANSIBLE_NOCOLOR": "1"}
    environment["PYTHONPATH"] = str(REPOSITORY / "inspector")
    environment |= {"ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_HOST_KEY_CHECKING": "False", "LC_ALL": "C.UTF-8"}

    def call(program: str, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BIN / program) if program == Path(program).name else program, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            cwd=tmp_path,
            env=environment | variables,
        )
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    return call


def inventory(path: Path, hosts: Mapping[str, str]) -> list[str]:
    path.write_text("\n".join(["[all]", *(f"{name} {variables}" for name, variables in hosts.items())]) + "\n")
    return ["-i", str(path)]


def ad_hoc(
    run: Run, where: Sequence[str], tmp_path: Path, options: str = "", code: int = 0, program: str = "ansible"
) -> dict[str, Any]:
    """Ask all hosts and return what came of each, as the tree of results has it."""
    tree = tmp_path / "tree"
    run(program, *where, "all", "-m", MODULE, "-a", options, "-f", "8", "-t", str(tree), code=code)
    return {path.name: json.loads(path.read_text()) for path in tree.iterdir()}


@pytest.mark.parametrize("age", ["newest", "older"])
def test_this_machine_answers_as_it_does_itself(
    run: Run, tmp_path: Path, age: str, engine_missing: Callable[[str], None]
) -> None:
    program = "ansible" if age == "newest" else str(OLDER / "ansible")
    if age == "older" and not OLDER.is_dir():
        engine_missing("ansible 9: tests/e2e/provision.sh")
    where = inventory(tmp_path / "hosts", {"here": "ansible_connection=local"})
    found = ad_hoc(run, where, tmp_path, f"answers={tmp_path}/answers captures={tmp_path}/captures", program=program)[
        "here"
    ]
    facts = found["ansible_facts"]["envinspect"]
    own = json.loads(subprocess.run([BIN / "envinspect", "--json"], capture_output=True, check=False).stdout)
    assert facts["layers"] == [layer["id"] for layer in own["layers"]]
    assert len(json.dumps(facts)) <= 512
    assert json.loads((tmp_path / "answers/here.json").read_text())["observer"]["how"] == "sh"
    with tarfile.open(tmp_path / "captures/here.tar.gz") as capture:
        assert any(name.endswith("facts.json") for name in capture.getnames())


def test_check_mode_asks_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    where = inventory(tmp_path / "hosts", {"here": "ansible_connection=local"})
    done = run("ansible", *where, "all", "--check", "-m", MODULE, "-a", f"answers={tmp_path}/answers")
    assert '"determined": true' in done.stdout
    assert not (tmp_path / "answers").exists()


def test_an_unknown_option_and_a_host_without_a_shell_fail_in_one_line(run: Run, tmp_path: Path) -> None:
    where = inventory(tmp_path / "hosts", {"here": "ansible_connection=local ansible_shell_executable=/bin/false"})
    found = ad_hoc(run, where, tmp_path, code=2)["here"]
    assert "ansible_facts" not in found
    assert "is there a POSIX sh?" in found["msg"]
    assert "\n" not in found["msg"]
    assert "Unsupported parameters" in run("ansible", *where, "all", "-m", MODULE, "-a", "answer=x", code=2).stdout


def test_the_raw_answer_is_in_no_log(run: Run, tmp_path: Path) -> None:
    where = inventory(tmp_path / "hosts", {"here": "ansible_connection=local"})
    done = run("ansible", *where, "all", "-m", MODULE, "-vvvv")
    assert "envinspect-wire/1 begin" not in done.stdout + done.stderr


@pytest.fixture
def hosts(engine_missing: Callable[[str], None]) -> Iterator[SshHosts]:
    """Hosts that Ansible reaches through the real OpenSSH client, as it does by default."""
    if lacking():
        engine_missing(lacking())
    with ssh_hosts() as found:
        yield found


def test_each_of_many_hosts_over_ssh_is_told_apart(run: Run, tmp_path: Path, hosts: SshHosts) -> None:
    names = sorted(folder.name for folder in SYSTEMS.iterdir() if (folder / "expect.toml").is_file())
    chosen = {f"host-{number}": names[number * len(names) // HOSTS] for number in range(HOSTS)}
    where = inventory(tmp_path / "hosts", {host: hosts.add(answer_of(name)) for host, name in chosen.items()})
    begun_s = time.monotonic()
    found = ad_hoc(run, where, tmp_path)
    sys.stdout.write(f"{len(found)} hosts in {time.monotonic() - begun_s:.0f} s\n")
    told = {host: result["ansible_facts"]["envinspect"]["layers"] for host, result in found.items()}
    expected = {
        host: [layer.id for layer in inspect(read_capture(str(SYSTEMS / name))).stack.layers]
        for host, name in chosen.items()
    }
    assert told == expected


def answer_of(system: str) -> str:
    """Return all that a captured system would answer."""
    facts = read_capture(str(SYSTEMS / system))
    ask_everything(facts)
    return write_round(1, payload_of(facts))


@pytest.mark.parametrize("settings", ["as Ansible has them", "as the documentation has them"])
def test_a_host_over_ssh_needs_no_python(run: Run, tmp_path: Path, hosts: SshHosts, settings: str) -> None:
    if settings.startswith("as the documentation"):
        page = (REPOSITORY / "docs/fleet.md").read_text()
        block = page[page.index("    [ssh_connection]\n") :].partition("\n\n")[0]
        (tmp_path / "ansible.cfg").write_text(textwrap.dedent(block) + "\n")
    where = inventory(tmp_path / "hosts", {"here": hosts.add()})
    own = json.loads(subprocess.run([BIN / "envinspect", "--json"], capture_output=True, check=False).stdout)
    result = ad_hoc(run, where, tmp_path)["here"]
    assert result["ansible_facts"]["envinspect"]["layers"] == [layer["id"] for layer in own["layers"]]


def test_a_host_that_is_not_there_is_unreachable(
    run: Run, tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    if shutil.which("ssh") is None:
        engine_missing("no ssh; try: apt-get install openssh-client")
    where = inventory(tmp_path / "hosts", {"gone": "ansible_host=127.0.0.1 ansible_port=1"})
    assert ad_hoc(run, where, tmp_path, code=4)["gone"]["unreachable"] is True


@pytest.mark.engine("docker")
def test_a_container_without_python_over_docker_exec(
    run: Run, tmp_path: Path, engine_missing: Callable[[str], None]
) -> None:
    busybox = shutil.which("busybox")
    if shutil.which("docker") is None or busybox is None or not OLDER.is_dir():
        engine_missing("docker, a static busybox and ansible 9: tests/e2e/provision.sh")
    (tmp_path / "bin").mkdir()
    shutil.copy(str(busybox), tmp_path / "bin/busybox")
    for tool in ("sh", "base64", "head", "stat", "ls", "uname", "id", "cat", "od"):
        (tmp_path / "bin" / tool).symlink_to("busybox")
    name = f"envinspect-e2e-{uuid.uuid4().hex[:8]}"
    packed = subprocess.run(["tar", "-C", str(tmp_path), "-c", "bin"], capture_output=True, check=True).stdout
    subprocess.run(["docker", "import", "-", f"localhost/{name}"], input=packed, check=True, capture_output=True)
    try:
        command = ["docker", "run", "-d", "--name", name, f"localhost/{name}", "/bin/busybox", "sleep", "200"]
        subprocess.run(command, check=True, capture_output=True)
        where = inventory(tmp_path / "hosts", {name: "ansible_connection=community.docker.docker"})
        found = ad_hoc(run, where, tmp_path, program=str(OLDER / "ansible"))[name]["ansible_facts"]["envinspect"]
        assert (found["layers"][-1], found["kinds"][-1]) == ("docker", "container")
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", "-f", f"localhost/{name}"], capture_output=True, check=False)


def test_the_module_is_documented_and_gather_facts_is_told_why_not(run: Run, tmp_path: Path) -> None:
    described = json.loads(run("ansible-doc", "-j", MODULE).stdout)[MODULE]
    assert set(described["doc"]["options"]) == {"answers", "captures"}
    assert set(described["return"]["ansible_facts"]["contains"]["envinspect"]["contains"]) == {
        *("summary", "determined", "bare_metal", "layers", "kinds", "cloud", "orchestrator")
    }


def test_the_collection_builds_and_installs(run: Run, tmp_path: Path) -> None:
    run("ansible-galaxy", "collection", "build", str(COLLECTION), "--output-path", str(tmp_path))
    (archive,) = tmp_path.glob("envinspect-envinspect-*.tar.gz")
    run(
        "ansible-galaxy",
        "collection",
        "install",
        str(archive),
        "-p",
        str(tmp_path / "installed"),
        "--offline",
        "--force",
    )
    installed = tmp_path / "installed/ansible_collections/envinspect/envinspect"
    assert (installed / "plugins/action/environment_facts.py").is_file()
    where = inventory(tmp_path / "hosts", {"here": "ansible_connection=local"})
    done = run("ansible", *where, "all", "-m", MODULE, ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "installed"))
    assert '"determined": true' in done.stdout


def test_the_role_measures_on_hosts_and_fetches_their_results(run: Run, tmp_path: Path) -> None:
    hosts = dict.fromkeys(("one", "two"), f"ansible_connection=local ansible_python_interpreter={sys.executable}")
    where = inventory(tmp_path / "hosts", hosts)
    play = {
        "hosts": "all",
        "gather_facts": False,
        "roles": [{"role": "envinspect.envinspect.benchmark"}],
        "vars": {
            "benchmark_envbench": str(BIN / "envbench"),
            "benchmark_arguments": ["startup", "--backend", "process", "--runs", "6", "--warmup", "0"],
            "benchmark_results": str(tmp_path / "results"),
        },
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    run("ansible-playbook", *where, str(tmp_path / "play.yml"))
    import envreport

    runs = {envreport.load(tmp_path / "results" / host).runs["run_id"][0] for host in hosts}
    assert len(runs) == 2
