"""--via against real servers, shells and engines: OpenSSH in a network of its own, hostile ones among them, and users.

What is compared is the whole answer: what is asked through a shell, or from outside, and what envinspect says natively
at the same place.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.inspector.shells import YASH

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
PORT = 2222
RUN = (sys.executable, "-m", "envinspect")
SAME = ("summary", "layers", "roles", "cloud", "orchestrators", "overruled", "unknown", "determined", "bare_metal")
TOOLS = ("base64", "head", "stat", "ls", "uname", "id", "cat", "dd")
MINIMA = {
    "all": TOOLS,
    "no base64": ("od", "head", "stat", "ls", "uname", "id", "cat", "dd"),
    "no stat": ("base64", "head", "ls", "uname", "id", "cat", "dd"),
    "no head": ("base64", "stat", "ls", "uname", "id", "cat", "dd"),
    "POSIX only": ("od", "ls", "uname", "id", "cat", "dd"),
}
"""What a PATH is cut down to; the last is what POSIX promises, of which `head -c`, `stat` and base64 are no part."""


def envinspect(*words: str, before: tuple[str, ...] = (), code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*before, *RUN, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        cwd="/",
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    return done


def answer(*words: str, before: tuple[str, ...] = ()) -> dict[str, object]:
    done = subprocess.run(
        [*before, *RUN, "--json", *words], capture_output=True, text=True, check=False, timeout=90, cwd="/"
    )
    assert done.returncode in {0, 3}, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return {key: found[key] for key in SAME}


def report(name: str, *words: str, before: tuple[str, ...] = ()) -> dict[str, object]:
    """Return a report without what changes from moment to moment, and what is asked by a call of the machine itself."""
    found: dict[str, object] = json.loads(envinspect(name, "--json", *words, before=before).stdout)
    for key in list(found):
        if key.startswith(("disk_", "memory_available_")) or key == "cpus_because":
            del found[key]
    if isinstance(lsm := found.get("lsm"), dict):
        lsm.pop("label_because", None)
    return found


class Server:
    """An sshd in a network namespace of its own. `say(NAME, COMMAND)` gives a key for which the server runs COMMAND."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec sleep 300"],
                                        stdout=subprocess.PIPE)  # fmt: skip
        assert self.network.stdout is not None
        assert self.network.stdout.readline()
        self.enter = ("nsenter", f"--net=/proc/{self.network.pid}/ns/net")
        self.authorized = folder / "authorized_keys"
        self.authorized.touch(mode=0o600)
        self.key("host")
        (folder / "banner").write_text("Welcome.\nenvinspect-wire/1 is none of your business.\n", "utf-8")
        (folder / "sshd_config").write_text(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\n"
            f"AuthorizedKeysFile {self.authorized}\nPermitRootLogin yes\nPasswordAuthentication no\n"
            f"Banner {folder}/banner\nPrintMotd yes\nLogLevel QUIET\n",
            "ascii",
        )
        daemon = shutil.which("sshd") or "/usr/sbin/sshd"
        self.daemon = subprocess.Popen([*self.enter, daemon, "-D", "-e", "-f", str(folder / "sshd_config")])
        self.wait()

    def wait(self) -> None:
        reach = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 1)"
        for _ in range(100):
            if (
                subprocess.run([*self.enter, sys.executable, "-c", reach], capture_output=True, check=False).returncode
                == 0
            ):
                return
            time.sleep(0.1)
        pytest.fail(f"sshd did not come up (status {self.daemon.poll()})")

    def key(self, name: str) -> Path:
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    def say(self, name: str, command: str = "") -> str:
        """Return what --via is given to reach the server by a key of its own."""
        path = self.key(name)
        forced = f'command="{command}" ' if command else ""
        with self.authorized.open("a", encoding="ascii") as file:
            file.write(forced + path.with_suffix(".pub").read_text("ascii"))
        options = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10"
        return f"{' '.join(self.enter)} ssh -F none -p {PORT} -i {path} {options} root@127.0.0.1"

    def close(self) -> None:
        for process in (self.daemon, self.network):
            process.terminate()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    for program in ("sshd", "ssh", "ssh-keygen", "ip", "nsenter"):
        if shutil.which(program) is None and not Path("/usr/sbin", program).exists():
            pytest.skip(f"{program} is not installed; try: make provision-tests")
    separation = Path("/run/sshd")
    made = not separation.exists()
    separation.mkdir(mode=0o755, exist_ok=True)
    found = Server(tmp_path_factory.mktemp("ssh"))
    try:
        yield found
    finally:
        found.close()
        if made:
            separation.rmdir()


@pytest.mark.engine("ssh")
def test_over_ssh_the_answer_is_the_native_one(server: Server) -> None:
    """A banner stands before each answer."""
    via = server.say("plain")
    assert_native(via, server.enter)


@pytest.mark.engine("ssh")
@pytest.mark.parametrize("name", ["resources", "isolation"])
def test_over_ssh_the_reports_are_the_native_ones(server: Server, name: str) -> None:
    """The login has limits of its own: the native answer is asked for over the same connection."""
    via = server.say(f"report-{name}")
    there = subprocess.run(
        [*via.split(), " ".join((*RUN, name, "--json"))], capture_output=True, text=True, check=True, timeout=90
    )
    expected: dict[str, object] = json.loads(there.stdout)
    found = report(name, "--via", via)
    assert {key: expected[key] for key in found if key != "lsm"} == {key: found[key] for key in found if key != "lsm"}


@pytest.mark.engine("ssh")
def test_carriage_returns_and_chatter_on_the_way_do_no_harm(server: Server) -> None:
    for name, command in (
        ("crlf", "sh -s | sed -u 's/$/\\r/'"),
        ("chatter", "echo Last login: today; echo; sh -s; echo bye"),
        ("slow", "sh -s | while read -r line; do echo $line; done"),
    ):
        assert_native(server.say(name, command), server.enter)


HOSTILE = {
    "endless": ("yes envinspect-wire/1", "does not end"),
    "endless line": ("tr '\\0' a </dev/zero", "does not end"),
    "endless answer": ("echo envinspect-wire/1 begin 1 base64; yes $(printf %076d 0)", "does not end"),
    "cut short": ("echo envinspect-wire/1 begin 1 base64; echo QUJD", "cut short"),
    "garbled": ("sh -s | sed -u 's/^[A-Z]/AA/'", "garbled on the way"),
    "no payload": (
        "printf 'envinspect-wire/1 begin 1 base64\\nQUJD\\nenvinspect-wire/1 end 1 4\\n'",
        "no answer of the",
    ),
    "control characters": ("printf '\\033[2J\\033]0;gotcha\\007\\n' >&2; exit 1", "status 1"),
    "control characters in the answer": ("printf '\\033[2J\\000\\377\\n'; exit 7", "status 7"),
    "nothing": ("true", "no answer"),
    "no account": ("/usr/sbin/nologin", "not available"),
}
"""What a server does instead of starting a shell, and what is said of it."""


@pytest.mark.engine("ssh")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_gets_one_line_and_nothing_of_it_reaches_the_terminal_raw(server: Server, name: str) -> None:
    command, words = HOSTILE[name]
    done = envinspect("--via", server.say(f"hostile-{name.replace(' ', '-')}", command), code=3)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.removesuffix("\n").isprintable()
    assert words in done.stderr
    assert "try: " in done.stderr


@pytest.mark.engine("ssh")
def test_what_the_server_writes_into_files_stays_out_of_the_terminal(server: Server, folder: Path) -> None:
    """A shell there, but its tools lie: names and contents with control characters, links that lead anywhere."""
    lies = folder
    for tool in (*TOOLS, "sh"):
        (lies / tool).symlink_to(shutil.which(tool) or "missing")
    (lies / "uname").unlink()
    (lies / "uname").write_text("#!/bin/sh\nprintf 'Linux \\033[31m6.1 x86_64\\n'\n", "ascii")
    (lies / "uname").chmod(0o755)
    done = envinspect("--explain", "--via", server.say("lies", f"PATH={lies} sh -s"))
    assert all(line.isprintable() for line in done.stdout.splitlines())


@pytest.mark.engine("ssh")
def test_a_wrong_key_says_the_client_s_own_last_line(server: Server) -> None:
    stranger = server.key("stranger")
    via = server.say("known").replace(str(server.folder / "known"), str(stranger))
    assert "Permission denied" in envinspect("--via", via, code=3).stderr


@pytest.mark.engine("shells")
@pytest.mark.parametrize("user", ["root", "nobody"])
@pytest.mark.parametrize("minimum", MINIMA)
@pytest.mark.parametrize("shell", ["dash", "bash --posix", "mksh", YASH, "busybox sh", "busybox-dynamic sh"])
def test_every_shell_with_every_minimum_as_root_and_as_nobody(
    shell: str, minimum: str, user: str, folder: Path
) -> None:
    before = NOBODY if user == "nobody" else ()
    via = " ".join((*before, *shell_with(folder, shell, MINIMA[minimum])))
    assert_native(via, before, cpu=user == "root")


@pytest.mark.engine("shells")
@pytest.mark.parametrize("provider", ["busybox-dynamic", "toybox"])
def test_other_tools_than_gnu_s(provider: str, folder: Path) -> None:
    via = " ".join(shell_with(folder, "dash", TOOLS, provider=provider))
    assert_native(via, cpu=provider != "toybox")  # which has no dd, without which CPUID cannot be read


@pytest.mark.engine("shells")
def test_no_python_is_started_where_there_is_one_that_is_too_old(folder: Path) -> None:
    words = shell_with(folder, "dash", TOOLS)
    for name in ("python", "python3", "python3.6"):
        (folder / name).write_text(f"#!/bin/sh\necho >{folder}/started\n", "ascii")
        (folder / name).chmod(0o755)
    assert_native(" ".join(words))
    assert not (folder / "started").exists()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder into which every user may look."""
    with tempfile.TemporaryDirectory(prefix="envinspect-e2e-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def shell_with(folder: Path, shell: str, tools: tuple[str, ...], *, provider: str = "") -> tuple[str, ...]:
    """Return a command that starts a shell which finds only some tools, all of them one program's if one is named."""
    for tool in tools:
        (folder / tool).symlink_to(program(folder, provider or tool))
    word, *options = shell.split()
    (folder / "sh").write_text(f'#!/bin/sh\nexec {program(folder, word)} {" ".join(options)} "$@"\n', "ascii")
    (folder / "sh").chmod(0o755)
    return "env", "-i", f"PATH={folder}", "LC_ALL=de_DE"


def program(folder: Path, name: str) -> str:
    """Return where a program is; the dynamic busybox is copied from root's own cache to where all may look."""
    if name == "busybox-dynamic":
        cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "envinspect-e2e", name, "busybox")
        copied = folder / "programs" / "busybox"
        if cached.exists() and not copied.exists():
            copied.parent.mkdir()
            shutil.copy(cached, copied)
        found = str(copied) if copied.exists() else None
    else:
        found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here; try: make provision-tests")
    return found


def assert_native(via: str, before: tuple[str, ...] = (), *, cpu: bool = True) -> None:
    """Compare with what envinspect says here as that user.

    Containers that somebody else starts and stops meanwhile change this host's roles: a difference must last.
    """
    for _ in range(3):
        found, native = answer("--via", via), answer(before=before)
        if not cpu:
            found, native = without_cpu(found), without_cpu(native)
        if found == native:
            break
    assert found == native


def without_cpu(found: dict[str, object]) -> dict[str, object]:
    """Return what does not rest on CPUID, which a user cannot read through a shell."""
    layers = found["layers"]
    assert isinstance(layers, list)
    return {
        "layers": [layer["id"] for layer in layers],
        "roles": [row["id"] for row in found["roles"]] if isinstance(found["roles"], list) else None,
        "determined": found["determined"],
    }


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A container of one static busybox that Podman started, and its PID here.

    Podman asks for more open files and processes than a restricted host gives; crun refuses hosts with both versions of
    control groups. So the limits are this host's own, and the runtime is runc.
    """
    busybox = shutil.which("busybox")
    if shutil.which("podman") is None or busybox is None:
        pytest.skip("podman and a static busybox are not here; try: make provision-tests")
    (tmp_path / "bin").mkdir()
    shutil.copy(busybox, tmp_path / "bin/busybox")
    for tool in (*TOOLS, "sh"):
        (tmp_path / "bin" / tool).symlink_to("busybox")
    name = f"envinspect-e2e-{uuid.uuid4().hex[:8]}"
    archive = subprocess.run(["tar", "-C", str(tmp_path), "-c", "."], capture_output=True, check=True).stdout
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    image = f"localhost/{name}:latest"
    run = ("podman", "--runtime", "runc", "run", "-d", "--network=none")
    limits = [f"--ulimit=nofile={files}:{files}", "--ulimit=nproc=4096:4096"]
    try:
        subprocess.run(["podman", "import", "-", image], input=archive, check=True, capture_output=True)
        started = subprocess.run(
            [*run, *limits, f"--name={name}", image, "/bin/busybox", "sleep", "120"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert started.returncode == 0, started.stderr
        pid = subprocess.run(
            ["podman", "inspect", "-f", "{{.State.Pid}}", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        yield name, pid
    finally:
        subprocess.run(["podman", "rm", "-f", "-t", "0", name], capture_output=True, check=False)
        subprocess.run(["podman", "rmi", "-f", image], capture_output=True, check=False)


@pytest.mark.engine("podman")
def test_podman_from_inside_and_from_its_node(podman: tuple[str, str]) -> None:
    name, pid = podman
    inside, outside = answer("--via", f"podman exec -i {name}"), answer("--pid", pid)
    assert without_cpu(inside) == without_cpu(outside)
    layers = outside["layers"]
    assert isinstance(layers, list)
    assert layers[-1]["id"] == "podman"
    for kind in ("resources", "isolation"):
        assert report(kind, "--via", f"podman exec -i {name}") == report(kind, "--pid", pid)


@pytest.mark.engine("podman")
def test_a_census_knows_the_container_by_the_engine_s_own_id(podman: tuple[str, str]) -> None:
    name, pid = podman
    known = subprocess.run(
        ["podman", "inspect", "-f", "{{.Id}}", name], capture_output=True, text=True, check=True
    ).stdout.strip()
    done = subprocess.run([*RUN, "census", "--json"], capture_output=True, text=True, check=False, cwd="/")
    (found,) = (row for row in json.loads(done.stdout)["sets"] if row["id"] == known)
    assert (found["pid"], found["engine"], found["processes"]) == (int(pid), "podman", 1)
    assert found["limits"]["pids"]["state"] == "set"  # Podman sets one by default


@pytest.mark.engine("podman")
def test_a_container_without_a_shell_is_denied_to_a_user_and_told_to_root(podman: tuple[str, str]) -> None:
    name, pid = podman
    subprocess.run(["podman", "exec", name, "/bin/busybox", "rm", "/bin/sh"], check=True)
    assert "no shell in there" in envinspect("--via", f"podman exec -i {name}", code=3).stderr
    layers = answer("--pid", pid)["layers"]
    assert isinstance(layers, list)
    assert layers[-1]["id"] == "podman"
    said = envinspect("--pid", pid, before=NOBODY, code=3).stderr
    assert "Permission denied" in said
    assert "CAP_SYS_PTRACE" in said
