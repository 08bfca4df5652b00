"""Redaction takes out what names a machine or a person, and keeps what signatures rest on."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inspector.captured_systems import SYSTEMS, answer_for, holds_for_all

from envinspect.capture.every_question import ask_everything
from envinspect.capture.redaction import Redaction, smbios
from envinspect.capture.write import write_capture
from envinspect.inspection import inspect
from envinspect.model import Stack
from envinspect.systems.captured import read_capture

UUID = "4c4c4544-0043-3010-8052-b4c04f313233"


def text(value: str, *names: str) -> str:
    return Redaction(names).text(value)


def test_uuids_are_numbered_so_that_equal_ones_stay_equal() -> None:
    redaction = Redaction()
    other = UUID.replace("4c4c", "abcd")
    assert redaction.text(f"{UUID} {other} {UUID.upper()}").split() == [
        "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0000-0000-000000000002",
        "00000000-0000-0000-0000-000000000001",
    ]


def test_a_pod_in_a_systemd_cgroup_keeps_its_shape() -> None:
    line = f"0::/kubepods.slice/kubepods-pod{UUID.replace('-', '_')}.slice/cri-containerd-{'ab' * 32}.scope"
    shown = text(line)
    assert UUID.replace("-", "_") not in shown
    assert re.search(r"pod0{8}_0{4}_0{4}_0{4}_0{11}1\.slice/cri-containerd-(ab){32}\.scope", shown)


@pytest.mark.parametrize(
    ("uuid", "kept"),
    [("ec2e1916-9099-7caf-fd21-012345abcdef", "^ec2"), ("45e12aec-dcd1-b213-94ed-012345abcdef", "^.{4}2.ec-")],
)
def test_ec2_is_still_told_by_the_uuid(uuid: str, kept: str) -> None:
    shown = text(uuid)
    assert re.search(kept, shown)
    assert "012345abcdef" not in shown


def test_the_vendor_half_of_a_mac_address_stays() -> None:
    assert text("link/ether 00:15:5d:12:34:56 brd ff:ff:ff:ff:ff:ff") == (
        "link/ether 00:15:5d:00:00:00 brd ff:ff:ff:00:00:00"
    )


def test_users_hosts_and_secrets_go() -> None:
    shown = text("/home/alice/x on build-07.lan, build-07: token=s3cr3t PASSWORD=x quiet", "build-07.lan", "build-07")
    assert shown == "/home/user/x on host, host: token=redacted PASSWORD=redacted quiet"


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("product_serial", "PF2XYZ12", "00000000"),
        ("product_serial", "VMware-42 1d ab", "VMware-42 00 00"),
        ("product_serial", "GoogleCloud-ABCDEF12", "GoogleCloud-00000000"),
        ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", "7783-7084-3265-9085-8269-3286-77"),
        ("chassis_asset_tag", "ACME-0042", "0000-0000"),
        ("board_serial", "Not Specified", "Not Specified"),
    ],
)
def test_serial_numbers_keep_what_a_signature_looks_for(field: str, value: str, shown: str) -> None:
    assert Redaction().file(f"/sys/class/dmi/id/{field}", value.encode() + b"\n") == shown.encode() + b"\n"


def test_environment_keeps_names_and_only_telling_values() -> None:
    kept = Redaction().file("/proc/1/environ", b"container=lxc\0AWS_SECRET_ACCESS_KEY=abc\0PATH=/bin\0junk\0")
    assert kept == b"container=lxc\0AWS_SECRET_ACCESS_KEY=set\0PATH=set\0"


def test_firmware_tables_keep_their_header_only() -> None:
    table = b"MSDM" + b"H" * 32 + b"XXXXX-LICENCE-KEY"
    assert Redaction().file("/sys/firmware/acpi/tables/MSDM", table) == table[:36]
    assert Redaction().file("/sys/firmware/acpi/tables/FACP", table) == table


def structure(kind: int, formatted: bytes, *strings: bytes) -> bytes:
    return bytes([kind, 4 + len(formatted), 0, 0]) + formatted + b"\0".join(strings) + b"\0\0"


def test_smbios_serials_and_uuid_are_blanked_and_the_rest_stays() -> None:
    system = structure(1, bytes([1, 2, 0, 3]) + bytes(range(16)) + b"\x06", b"QEMU", b"Standard PC", b"SERIAL42")
    free = structure(11, b"\x01", b"secret=42")
    raw = system + structure(0, b"\x01\x00\x00\xe8\x02", b"SeaBIOS", b"1.16") + free
    shown = smbios(raw)
    assert len(shown) == len(raw)
    assert b"QEMU" in shown
    assert b"SeaBIOS\x001.16" in shown
    assert b"SERIAL42" not in shown
    assert b"secret" not in shown
    assert bytes(range(1, 16)) not in shown


@given(st.binary(max_size=300))
def test_smbios_keeps_the_length_of_anything(raw: bytes) -> None:
    assert len(smbios(raw)) == len(raw)


@given(st.text())
def test_scrubbing_twice_changes_nothing_more(value: str) -> None:
    once = Redaction(("myhost",)).text(value)
    assert Redaction(("myhost",)).text(once) == once


def signs(stack: Stack) -> tuple[object, ...]:
    """Return what an answer says, without the words of its evidence."""
    marks = (stack.cloud, *stack.orchestrators, stack.engine, *stack.roles)
    layers = [(layer.kind, layer.id, layer.details) for layer in stack.layers]
    return layers, [mark.id for mark in marks if mark is not None], stack.determined


@pytest.mark.slow
def test_redaction_changes_no_answer(tmp_path: Path) -> None:
    def law(name: str) -> None:
        facts = read_capture(str(SYSTEMS / name))
        ask_everything(facts)
        out = str(tmp_path / name)
        redaction = Redaction(("some",))
        write_capture(
            facts, out, tool="test", captured_at=datetime(2026, 1, 1, tzinfo=timezone.utc), redaction=redaction
        )
        assert signs(inspect(read_capture(out)).stack) == signs(answer_for(name).stack)

    holds_for_all(law)
