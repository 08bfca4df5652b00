"""This machine in short: what was found, what is not there and what was denied. The table of backends names no user."""

from typing import Any

import pytest

from envreport.document.sections.environment import environment_tables, machine_facts


def test_a_program_is_shown_by_its_path_and_an_endpoint_is_not(rows: Any) -> None:
    facts = {
        "runc": "runc version 1.1",
        "path": "/home/ada/bin/runc",
        "runc_path": "/usr/sbin/runc",
        "endpoint": "unix:///run/user/1000/docker.sock",
    }
    results = rows.results({"backends": {"used": [{"name": "runc", "facts": facts}]}})
    (table,) = [each for each in environment_tables(results) if each.id == "backends"]
    shown = table.rows[0][2].text
    assert shown == "runc version 1.1, path ~/bin/runc, runc path /usr/sbin/runc"


def facts_of(rows: Any, meta: dict[str, Any]) -> dict[str, str]:
    return {fact.name: fact.value for fact in machine_facts(rows.results(meta))}


def seen(answer: str, value: Any = None, because: str = "") -> dict[str, Any]:
    return {"answer": answer} | ({} if value is None else {"value": value}) | ({"because": because} if because else {})


@pytest.mark.parametrize(
    ("name", "key", "value", "shown"),
    [
        ("CPU frequency", "clock_rate", {"mean_hz": 2.6e9, "highest_hz": None}, "2.60 GHz when the run began, mean of"),
        ("CPU frequency", "clock_rate", {"mean_hz": 7.98e8, "highest_hz": 3.4e9}, "0.798 GHz when the run began, mean"),
        ("Frequency governor", "governor", "performance, schedutil", "performance, schedutil"),
        (
            "Disk of the work folder",
            "disk",
            {"name": "sda", "size_bytes": 2**40, "rotational": True, "model": "WDC WD10"},
            "WDC WD10, sda, 1\u202f024 GiB, rotating, the kernel says",
        ),
        ("Disk of the work folder", "disk", {"name": "vda"}, "vda"),
        ("File system of the work folder", "filesystem", "btrfs", "btrfs"),
        ("cgroup version", "cgroup_version", "1 and 2", "1 and 2"),
        (
            "CPU vulnerabilities",
            "mitigations",
            {"mds": "Not affected", "tsa": "Not affected"},
            "not affected by any of 2",
        ),
        (
            "CPU vulnerabilities",
            "mitigations",
            {
                "l1tf": "KVM: Mitigation: VMX disabled",
                "mds": "Vulnerable: Clear CPU buffers attempted, no microcode; SMT vulnerable",
                "meltdown": "Not affected",
                "mmio_stale_data": "Processor vulnerable",
                "tsa": "Unknown: Dependent on hypervisor status",
            },
            "vulnerable to mds, mmio_stale_data; mitigations for l1tf; not known: tsa; not affected by 1 other",
        ),
    ],
)
def test_what_was_found_absent_and_denied_are_three_answers(
    name: str, key: str, value: Any, shown: str, rows: Any
) -> None:
    assert facts_of(rows, {"machine": {key: seen("found", value)}})[name].startswith(shown)
    assert facts_of(rows, {"machine": {key: seen("absent", because="nothing is there")}})[name] == (
        "none (nothing is there)"
    )
    denied = facts_of(rows, {"machine": {key: seen("denied", because="Permission denied")}})[name]
    assert denied == "cannot be read (Permission denied)"
    assert name not in facts_of(rows, {})


def test_what_was_found_names_what_of_it_was_denied(rows: Any) -> None:
    partly = seen("found", {"mds": "Vulnerable"}, "cannot be read: l1tf")
    assert facts_of(rows, {"machine": {"mitigations": partly}}) == {
        "CPU vulnerabilities": "vulnerable to mds (cannot be read: l1tf)"
    }


def test_the_governor_of_an_older_run_is_that_of_its_noise_where_it_was_known(rows: Any) -> None:
    assert facts_of(rows, {"noise": {"governor": "powersave", "clocksource": "tsc"}}) == {
        "Frequency governor": "powersave",
        "Clock source": "tsc",
    }
    assert facts_of(rows, {"noise": {"governor": "unknown", "clocksource": "unknown"}}) == {}


def test_every_engine_is_named_with_its_version_wherever_it_recorded_it(rows: Any) -> None:
    engines = {
        "process": {"busybox": "1.35.0"},
        "runc": {"runc": "runc version 1.1.5+ds1"},
        "gvisor": {"runsc": "runsc version release-20231009.0"},
        "docker": {"version": "20.10.24", "runc": "1.1.5"},
        "podman": {"podman": "podman version 4.3.1"},
        "containerd": {"ctr": "1.6.20", "containerd": "1.6.20"},
        "qemu": {"qemu": "7.2.22"},
        "libvirt": {"qemu:///system libvirt": "9.0.0", "qemu:///system qemu": "7.2.22"},
    }
    assert facts_of(rows, {"engines": engines})["Engines"] == (
        "runc version 1.1.5+ds1, gvisor runsc version release-20231009.0, docker 20.10.24, podman version 4.3.1, "
        "containerd 1.6.20, qemu 7.2.22, libvirt 9.0.0"
    )
