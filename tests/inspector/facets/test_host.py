"""The host block: from files, and from libraries only where no file tells."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.inspector.captured_systems import made_of

from envinspect.facets.host import host_block
from envinspect.model.facts import Facts
from envinspect.systems.live import RunningMachine, live_facts


def system(tmp_path: Path, files: dict[str, str], **facts: object) -> Facts:
    return made_of(tmp_path, facts, files)


def test_the_host_block_of_a_capture(tmp_path: Path) -> None:
    files = {
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
        "/proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Xeon\n\nmodel name\t: other\n",
        "/proc/meminfo": "MemTotal: 2048 kB\n",
        "/proc/stat": "cpu 1 2\nbtime 1700000000\nprocesses 5\n",
    }
    uname = {"sysname": "Linux", "release": "6.1", "machine": "x86_64"}
    assert host_block(system(tmp_path, files, uname=uname)) == {
        "system": "Linux", "kernel": "6.1", "architecture": "x86_64", "distribution": "Debian GNU/Linux 12 (bookworm)",
        "distribution_id": "debian", "distribution_version": "12", "cpu_brand": "Xeon", "cpu_vendor": "GenuineIntel",
        "memory_bytes": 2 << 20, "boot_time_s": 1_700_000_000,
    }  # fmt: skip


def test_an_unknown_host_is_all_null(tmp_path: Path) -> None:
    assert set(host_block(system(tmp_path, {})).values()) == {None}


def test_libraries_are_asked_only_where_files_do_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = system(tmp_path, {})
    facts.running = RunningMachine()
    fake = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(total=8), boot_time=lambda: 9.5)
    monkeypatch.setitem(sys.modules, "psutil", fake)
    monkeypatch.setenv("PROCESSOR_IDENTIFIER", "Apple M2")
    block = host_block(facts)
    assert (block["memory_bytes"], block["boot_time_s"], block["cpu_brand"]) == (8, 9, "Apple M2")
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delenv("PROCESSOR_IDENTIFIER")
    block = host_block(facts)
    assert (block["memory_bytes"], block["boot_time_s"], block["cpu_brand"]) == (None, None, None)


def test_this_hosts_memory_is_what_psutil_says() -> None:
    psutil = pytest.importorskip("psutil")
    block = host_block(live_facts())
    assert block["memory_bytes"] == psutil.virtual_memory().total
    assert abs(block["boot_time_s"] - psutil.boot_time()) <= 1
    assert block["kernel"] == os.uname().release
