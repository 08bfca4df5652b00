"""Orchestrators by variables: each that says enough alone, of this process or of the first one of its container."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.inspection import inspect

OWN_PIDS = {"/proc/self/ns/pid": "pid:[4026532400]"}
HOSTS = {
    "/proc/self/ns/pid": "pid:[4026531836]",
    "/proc/self/ns/uts": "uts:[4026531838]",
    "/proc/self/ns/ipc": "ipc:[4026531839]",
    "/proc/self/ns/net": "net:[4026531840]",
    "/proc/self/ns/cgroup": "cgroup:[4026531835]",
}
POD = f"/kubepods.slice/kubepods-pod0a1b2c3d_1111_2222_3333_444455556666.slice/cri-containerd-{'5d1f0c7a' * 8}.scope"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("CONTAINER_APP_REPLICA_NAME",), ["azure-container-apps"]),
        (("FUNCTIONS_WORKER_RUNTIME", "WEBSITE_INSTANCE_ID"), ["azure-functions"]),
        (("FUNCTIONS_WORKER_RUNTIME", "CONTAINER_NAME"), ["azure-functions"]),
        (("CLOUD_RUN_WORKER_POOL", "CLOUD_RUN_REVISION"), ["cloud-run"]),
        (("REPLIT_DEPLOYMENT",), ["replit"]),
        (("REPLIT_DEV_DOMAIN",), ["replit"]),
        (("RAILWAY_PUBLIC_DOMAIN", "RAILWAY_PRIVATE_DOMAIN"), ["railway"]),
        (("RAILWAY_ENVIRONMENT_NAME", "RAILWAY_PROJECT_NAME"), ["railway"]),
        (("RENDER_EXTERNAL_URL",), ["render"]),
        (("GITPOD_WORKSPACE_URL",), ["gitpod"]),
        (("GITPOD_ENVIRONMENT_ID",), ["gitpod"]),
        (("CIRCLE_WORKFLOW_ID",), ["circleci"]),
        (("JENKINS_URL", "JENKINS_AGENT_NAME", "KUBERNETES_SERVICE_HOST"), ["jenkins", "kubernetes"]),
        (("BUILDKITE_JOB_ID",), ["buildkite"]),
        (("BITBUCKET_COMMIT",), ["bitbucket-pipelines"]),
        (("JENKINS_URL",), []),
        (("FUNCTIONS_WORKER_RUNTIME",), []),
    ],
)
def test_variables(tmp_path: Path, names: tuple[str, ...], found: list[str]) -> None:
    facts = made_of(tmp_path, {"environ": dict.fromkeys(names, "set")})
    assert [mark.id for mark in inspect(facts).stack.orchestrators] == found


@pytest.mark.parametrize(("links", "found"), [(OWN_PIDS, ["kubernetes"]), (HOSTS, [])])
def test_the_variables_of_a_containers_first_process(tmp_path: Path, links: dict[str, str], found: list[str]) -> None:
    """Whoever comes in by ssh has not the variables that the container was given; the host's PID 1 is no witness."""
    files = {"/proc/1/environ": "PATH=/bin\0KUBERNETES_SERVICE_HOST=10.0.0.1\0"}
    facts = made_of(tmp_path, {"links": links, "environ": {}}, files)
    assert [mark.id for mark in inspect(facts).stack.orchestrators] == found


def test_a_left_over_control_group_names_no_orchestrator(tmp_path: Path) -> None:
    """After `nsenter -t 1 -a` from a pod all but the control group is the host's."""
    files = {
        "/proc/self/cgroup": f"0::{POD}\n",
        "/proc/self/mountinfo": "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
        "/proc/2/comm": "kthreadd\n",
    }
    stack = inspect(made_of(tmp_path, {"links": HOSTS, "environ": {}}, files)).stack
    assert (stack.layers, stack.orchestrators) == ((), ())
    assert {item.rule for item in stack.overruled} == {"left-over-cgroup"}
