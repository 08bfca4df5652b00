"""What a container and its pod are called: from the cgroup path, else from the files that an engine binds into it."""

import pytest
from tests.inspector.captured_systems import NAMES, SYSTEMS, holds_for_all

from envinspect.inspection import inspect
from envinspect.model import ABSENT, Found, Kind, Layer, Stack, Strength
from envinspect.model.facts import Facts, Uname, no_environ
from envinspect.sources.cgroups import components, is_container_id, is_pod_uid
from envinspect.sources.identity import Identity, container_in, identity
from envinspect.systems.captured import read_capture
from envinspect.systems.cpuid import NoCpuid

ID = "0123456789abcdef" * 4
OTHER = "f" * 64
UID = "0a1b2c3d-0000-4000-8000-00000000000f"

LAYER = Layer(Kind.CONTAINER, "docker", "Docker", None, Strength.STRONG, (), ())
IN_A_CONTAINER = Stack((LAYER,), (), None, (), None, (), (), (), determined=True)


class Files:
    """A place with nothing but some files."""

    def __init__(self, **files: str) -> None:
        self._files = {f"/proc/self/{name}": text for name, text in files.items()}

    def read(self, path):
        return Found(self._files[path].encode()) if path in self._files else ABSENT

    def link(self, path):
        return ABSENT

    listing = stat = link


def place(*, cgroup: str = "0::/\n", mounts: tuple[tuple[str, str], ...] = ()) -> Facts:
    mountinfo = "".join(f"1 1 0:1 {root} {target} rw - ext4 /dev/vda rw\n" for root, target in mounts)
    files = Files(cgroup=cgroup, mountinfo=mountinfo)
    return Facts(files, NoCpuid(), uname=Uname("Linux"), euid=0, environ=no_environ)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/docker/{ID}", ID),
        (f"/docker/{OTHER}/docker/{ID}/init.scope", ID),
        (f"/system.slice/docker-{ID}.scope", ID),
        (f"/machine.slice/libpod-{ID}.scope/container", ID),
        (f"/kubepods.slice/kubepods-pod0a1b.slice/cri-containerd-{ID}.scope", ID),
        (f"/kubepods/burstable/pod{UID}/{ID}", ID),
        ("/lxc.payload.web1/system.slice/ssh.service", "web1"),
        ("/lxc/web1", "web1"),
        ("/machine.slice/machine-web1.scope/payload", "web1"),
        ("/machine.slice/systemd-nspawn@web1.service/payload", "web1"),
        (f"/machine.slice/libpod-conmon-{ID}.scope", None),
        (f"/system.slice/var-lib-docker-{ID}.mount", None),
        ("/user.slice/user-1000.slice/session-2.scope", None),
        ("/system.slice/docker.service", None),
        ("/", None),
    ],
)
def test_a_container_in_a_cgroup_path(path, name):
    assert container_in(components(path)) == name


def test_what_is_seen_from_outside_counts_before_what_the_process_sees_of_itself():
    own = place(mounts=((f"/var/lib/docker/containers/{OTHER}/hostname", "/etc/hostname"),))
    assert identity(own, IN_A_CONTAINER, cgroup=f"0::/docker/{ID}\n") == Identity(ID, None)
    assert identity(own, IN_A_CONTAINER) == Identity(OTHER, None)


@pytest.mark.parametrize("part", [f"pod{UID}", "kubepods-burstable-pod" + UID.replace("-", "_") + ".slice"])
def test_a_pod_in_a_cgroup_path(part):
    assert identity(place(cgroup=f"0::/kubepods/{part}/{ID}\n"), IN_A_CONTAINER) == Identity(ID, UID)


def test_in_a_pod_the_files_of_its_network_belong_to_its_first_container():
    pod = (f"/var/lib/kubelet/pods/{UID}/etc-hosts", "/etc/hosts")
    sandbox = (f"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{OTHER}/hostname", "/etc/hostname")
    own = (f"/containers/storage/overlay-containers/{ID}/userdata/.containerenv", "/run/.containerenv")
    assert identity(place(mounts=(pod, sandbox)), IN_A_CONTAINER) == Identity(None, UID)
    assert identity(place(mounts=(pod, sandbox, own)), IN_A_CONTAINER) == Identity(ID, UID)
    on_the_node = (f"/var/lib/kubelet/pods/{UID}/volumes", f"/var/lib/kubelet/pods/{UID}/volumes")
    assert identity(place(mounts=(on_the_node,)), IN_A_CONTAINER) == Identity(None, None)


def test_ids_and_uids_of_all_systems_have_the_shape_of_such():
    found = []

    def law(name: str) -> None:
        facts = read_capture(str(SYSTEMS / name))
        told = identity(facts, inspect(facts).stack)
        if told.container_id is not None:
            found.append(told.container_id)
            assert is_container_id(told.container_id) or not {"/", "."} & set(told.container_id)
        assert told.pod_uid is None or is_pod_uid(told.pod_uid)

    holds_for_all(law)
    assert len(found) > len(NAMES) / 20


@pytest.mark.parametrize("name", ["real-docker26-nsenter-host", "real-flatpak", "cgroup-mount-unit", "conmon-in-a-pod"])
def test_what_is_no_container_has_no_id_though_a_path_names_one(name):
    facts = read_capture(str(SYSTEMS / name))
    assert identity(facts, inspect(facts).stack) == Identity(None, None)
