"""The DaemonSet of examples/kubernetes: Kubernetes's own schemas take it, it asks for no more than it needs, and the
script in it does with a real shell and the real commands what the docs say. No cluster is here to try it in.
"""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kubernetes_validate.utils
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from envinspect.version import __version__

FOLDER = Path(__file__).resolve().parents[2] / "examples/kubernetes"
NAMESPACE, DAEMON_SET = yaml.safe_load_all((FOLDER / "daemonset.yaml").read_text(encoding="utf-8"))
POD = DAEMON_SET["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
RELEASES = [
    each for each in kubernetes_validate.utils.all_versions() if tuple(map(int, each.split(".")[:2])) >= (1, 30)
]
"""Before 1.30 there was no field for AppArmor."""
TIME_S = 60


@pytest.mark.parametrize("release", sorted(set(RELEASES)))
@pytest.mark.parametrize("document", [NAMESPACE, DAEMON_SET], ids=lambda each: each["kind"])
def test_the_schemas_of_kubernetes_take_it(document, release):
    kubernetes_validate.validate(document, release, strict=True)


@pytest.mark.parametrize("wrong", [{"hostPid": True}, {"hostPID": "yes"}, {"containers": [{"image": "x"}]}])
def test_the_schemas_refuse_a_wrong_one(wrong):
    broken = copy.deepcopy(DAEMON_SET)
    broken["spec"]["template"]["spec"].update(wrong)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.34", strict=True)


def test_it_has_the_least_rights_that_do():
    assert POD["hostPID"] is True
    assert POD["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostIPC", "serviceAccountName"} & set(POD)
    rights = CONTAINER["securityContext"]
    assert rights["capabilities"] == {"drop": ["ALL"], "add": ["SYS_PTRACE"]}
    assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"], rights["privileged"]) == (
        (True, False, False)
    )
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert set(CONTAINER["resources"]["limits"]) == {"cpu", "memory"}


@pytest.fixture
def somebody():
    """A process of another user, in a namespace of its own."""
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    words = ["unshare", "--uts", *user, "sh", "-c", "echo; exec sleep 60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.kill()


@pytest.mark.applies(os.geteuid() == 0, "only root can become another user")
@pytest.mark.parametrize("added", [True, False])
def test_its_capability_is_enough_to_look_at_others_and_without_it_they_are_denied(added, somebody):
    capabilities = CONTAINER["securityContext"]["capabilities"]["add"] if added else []
    bounds = ",".join(["-all", *(f"+{name.lower()}" for name in capabilities)])
    words = ["setpriv", "--no-new-privs", "--inh-caps", "-all", "--bounding-set", bounds]
    words += [sys.executable, "-m", "envinspect", "census", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stderr
    seen = [each for each in json.loads(done.stdout)["sets"] if each["pid"] == somebody and each["denied"] is None]
    assert len(seen) == added


def test_its_parts_fit_together():
    labels = DAEMON_SET["spec"]["template"]["metadata"]["labels"].items()
    assert DAEMON_SET["spec"]["selector"]["matchLabels"].items() <= labels
    assert DAEMON_SET["metadata"]["namespace"] == NAMESPACE["metadata"]["name"]
    paths = {each["name"]: each["hostPath"]["path"] for each in POD["volumes"]}
    mounted = {each["mountPath"]: paths[each["name"]] for each in CONTAINER["volumeMounts"]}
    env = {each["name"]: each["value"] for each in CONTAINER["env"]}
    assert mounted[env["FEATURES"]] == "/etc/kubernetes/node-feature-discovery/features.d"
    assert env["METRICS"] in mounted
    assert CONTAINER["image"].endswith(f":{__version__}")
    assert CONTAINER["image"] in (FOLDER / "Containerfile").read_text(encoding="utf-8")


@pytest.fixture
def folders(tmp_path):
    for name in ("features", "metrics", "programs"):
        (tmp_path / name).mkdir()
    return tmp_path


def once(folders, path):
    """Run the script until its commands are through and it sleeps."""
    env = {"FEATURES": f"{folders}/features", "METRICS": f"{folders}/metrics", "INTERVAL_S": "600", "PATH": path}
    pause = folders / "programs/sleep"
    pause.write_text(f'#!/bin/sh\necho "$1" > {folders}/slept\nexec /bin/sleep "$1"\n')
    pause.chmod(0o755)
    words = [*CONTAINER["command"], *CONTAINER["args"]]
    with subprocess.Popen(words, env={**os.environ, **env}, stderr=subprocess.PIPE, start_new_session=True) as shell:
        deadline_s = time.monotonic() + TIME_S
        while not (folders / "slept").exists() and shell.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.05)
        alive = shell.poll() is None
        os.killpg(shell.pid, signal.SIGKILL)
    assert alive, "the script ended"
    assert (folders / "slept").read_text() == "600\n"
    (folders / "slept").unlink()
    return {str(each.relative_to(folders)) for name in ("features", "metrics") for each in (folders / name).iterdir()}


def test_its_script_keeps_what_the_commands_print(folders):
    real = folders / "programs/envinspect"
    real.write_text(f'#!/bin/sh\nexec {sys.executable} -m envinspect "$@"\n')
    real.chmod(0o755)
    kept = once(folders, f"{folders}/programs:{os.environ['PATH']}")
    node = subprocess.run([real, "--pid", "1", "--format", "nfd"], capture_output=True, text=True, check=False)
    of_the_node = {"features/envinspect", "metrics/envinspect.prom"} if node.stdout else set()
    assert kept == {"features/envinspect-census", "metrics/envinspect-census.prom"} | of_the_node
    if node.stdout:
        assert (folders / "features/envinspect").read_text() == node.stdout
    assert "envinspect-census-complete=" in (folders / "features/envinspect-census").read_text()
    metrics = list(text_string_to_metric_families((folders / "metrics/envinspect-census.prom").read_text()))
    assert "envinspect_census_sets" in {family.name for family in metrics}


@pytest.mark.parametrize(
    ("code", "says", "kept"), [(0, "now", "now"), (3, "now", "now"), (3, "", "before"), (2, "now", "before")]
)
def test_its_script_puts_nothing_in_place_of_an_answer(folders, code, says, kept):
    """A command that fails, or has no answer, leaves what is there; exit code 3 with an answer is one."""
    stand_in = folders / "programs/envinspect"
    stand_in.write_text(f"#!/bin/sh\nprintf '%s' '{says}'\nexit {code}\n")
    stand_in.chmod(0o755)
    (folders / "features/envinspect").write_text("before")
    found = once(folders, f"{folders}/programs:{os.environ['PATH']}")
    assert (folders / "features/envinspect").read_text() == kept
    assert not any("/." in path for path in found)
