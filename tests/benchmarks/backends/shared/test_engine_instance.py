"""Frames of an attach stream, image archives, variants and CPU clocks: the small parts under the container backends."""

import io
import json
import os
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbench.backend import Workload
from envbench.backends.docker import runtimes_of
from envbench.backends.shared.bundle import bundle_config
from envbench.backends.shared.engine_instance import Demultiplexer
from envbench.backends.shared.images import oci_archive, payload_tar
from envbench.payload.tree import build_tree
from envbench.run import cpu_time, noise
from envbench.settings import container_variants
from envbench.traces import procfs


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_frames_are_taken_apart_wherever_they_are_cut(payloads, cuts):
    stream = b"".join(
        bytes([1 + index % 2, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for index, text in enumerate(payloads)
    )
    frames, at, found = Demultiplexer(), 0, b""
    for cut in cuts:
        found += frames.feed(stream[at : at + cut])
        at += cut
    found += frames.feed(stream[at:])
    assert found == b"".join(payloads)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return build_tree(tmp_path_factory.mktemp("payload") / "tree")


def test_the_same_tree_gives_the_same_tar_without_owner_or_date(tree):
    data = payload_tar(tree.path)
    assert data == payload_tar(tree.path)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        assert {(member.uid, member.mtime) for member in members} == {(0, 0)}
        assert archive.getmember("bin/sh").linkname == "busybox"
        assert archive.getmember("envbench/ready").mode == 0o755


def test_an_oci_archive_is_whole(tree):
    import hashlib

    layer = payload_tar(tree.path)
    with tarfile.open(fileobj=io.BytesIO(oci_archive(layer, "x.invalid/y:1", {"envbench.run": "r"}))) as archive:
        blobs = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    index = json.loads(blobs["index.json"])
    manifest = json.loads(blobs["blobs/sha256/" + index["manifests"][0]["digest"].split(":")[1]])
    for part in (manifest["config"], *manifest["layers"]):
        data = blobs["blobs/sha256/" + part["digest"].split(":")[1]]
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (part["digest"].split(":")[1], part["size"])
    config = json.loads(blobs["blobs/sha256/" + manifest["config"]["digest"].split(":")[1]])
    assert config["config"]["Labels"] == {"envbench.run": "r"}


def test_an_engines_own_names_for_its_runtime_are_no_runtimes():
    info = {
        "DefaultRuntime": "runc",
        "Runtimes": {
            "runsc": {},
            "io.containerd.runc.v2": {},
            "crun": {},
            "runc": {},
            "io.containerd.runtime.v1.linux": {},
        },
    }
    assert runtimes_of(info) == ("runc", "crun", "runsc")


def test_limits_are_part_of_the_variant(settings):
    asked = replace(settings, memory_bytes=64 << 20, networks=("none", "bridge"), read_only=True)
    assert container_variants(asked, ("runc", "crun"))[1] == {
        "memory": "67108864",
        "readonly": "yes",
        "runtime": "crun",
        "network": "none",
    }
    assert len(container_variants(asked, ("runc", "crun"))) == 4


def test_a_bundle_has_walls_limits_and_the_runs_id(settings, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    config = bundle_config(
        Path("/t"), ("/x",), Workload("n", memory_bytes=1 << 26, cpus=0.5), settings, "/envbench-r/c"
    )
    assert {one["type"] for one in config["linux"]["namespaces"]} == {"pid", "ipc", "uts", "mount", "network"}
    assert config["linux"]["resources"]["memory"] == {"limit": 1 << 26}
    assert config["linux"]["resources"]["cpu"] == {"quota": 50_000, "period": 100_000}
    assert f"ENVBENCH_RUN_ID={settings.run_id}" in config["process"]["env"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    rootless = bundle_config(Path("/t"), ("/x",), Workload("n"), settings, "")
    assert {"type": "user"} in rootless["linux"]["namespaces"]
    assert "cgroupsPath" not in rootless["linux"]


def test_cpu_time_of_another_process_is_what_the_kernel_charged():
    before = cpu_time.process_cpu_ns(os.getpid())
    own = time.process_time_ns()
    deadline = own + 30_000_000
    while time.process_time_ns() < deadline:
        pass
    spent = cpu_time.process_cpu_ns(os.getpid()) - before
    assert 30_000_000 <= spent < 300_000_000
    assert cpu_time.process_cpu_ns(2**22 + 1) is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.stat": "usage_usec 1500\nuser_usec 1000\n"}, 1_500_000),
        ({"cpu.stat": "nr_periods 0\n"}, None),
        ({}, None),
    ],
)
def test_cgroup_cpu_time(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cpu_time.cgroup_cpu_ns(tmp_path) == expected


def test_processes_are_found_by_name_and_parent():
    assert os.getpid() in procfs.children_of(os.getppid()) or os.getppid() == 0
    assert procfs.parent_of(os.getpid()) == os.getppid()
    assert procfs.parent_of(2**22 + 1) is None
    assert procfs.cgroup_of(os.getpid()) is None, "our own cgroup says nothing about one process"


def test_noise_stamps_and_what_cannot_be_read_is_left_out(monkeypatch, tmp_path):
    watch = noise.NoiseWatch()
    stamps = watch.stamps()
    assert stamps["load1"][0] >= 0
    monkeypatch.setattr(noise, "_text", lambda path: None)
    assert set(watch.stamps()) == set()
    assert noise.governor() == "unknown"


def test_a_noisy_start_is_warned_about_with_advice(monkeypatch):
    watch = noise.NoiseWatch()
    monkeypatch.setattr(noise, "load1_ratio", lambda: 3.0)
    monkeypatch.setattr(noise, "pressure_ratio", lambda resource: 0.5 if resource == "cpu" else None)
    watch.stamps()
    (found,) = [one for one in watch.warnings() if one.code in {"noisy-load1", "noisy-psi-cpu"}]
    assert found.code == "noisy-psi-cpu", "a load that makes nobody wait is the run's own"
    assert "1 of 1 starts" in found.message
    assert "--quiet-machine" in found.advice


def test_the_load_is_judged_where_the_kernel_shows_no_pressure(monkeypatch):
    watch = noise.NoiseWatch()
    monkeypatch.setattr(noise, "load1_ratio", lambda: 3.0)
    monkeypatch.setattr(noise, "pressure_ratio", lambda resource: None)
    watch.stamps()
    assert [one.code for one in watch.warnings() if one.code.startswith("noisy")] == ["noisy-load1"]


def test_waiting_for_calm_ends_at_its_deadline(monkeypatch):
    monkeypatch.setattr(noise, "pressure_ratio", lambda resource: 0.9)
    monkeypatch.setattr(noise, "QUIET_POLL_S", 0.01)
    assert noise.wait_for_calm(time.monotonic_ns() + 30_000_000) is False
    monkeypatch.setattr(noise, "pressure_ratio", lambda resource: 0.0)
    assert noise.wait_for_calm(0) is True
