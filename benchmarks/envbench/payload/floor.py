"""Builds the floor guest: a boot sector that says the ready line on the first serial port and nothing more.

A machine without any operating system: what is left of its start is the VMM and its BIOS. 8086 real mode as a PC BIOS
starts it (at 0000:7C00, BIOS Boot Specification 1.01, 6.5); the UART is a 16550 at port 0x3F8 as QEMU's PC machines
have it.
"""

SECTOR_BYTES = 512
DISK_BYTES = 1 << 20
"""A disk below one cylinder (16 heads of 63 sectors) cannot be addressed by the BIOS's CHS read of the boot sector."""

_SIGNATURE = b"\x55\xaa"

_SAY = bytes.fromhex(
    "FA"  # 00      cli
    "31C0"  # 01      xor ax, ax
    "8ED8"  # 03      mov ds, ax
    "BE277C"  # 05      mov si, 0x7C00 + 0x27: the text right behind this code
    "FC"  # 08      cld
    "AC"  # 09 next: lodsb
    "84C0"  # 0A      test al, al
    "7412"  # 0C      jz done: the text ends with a zero
    "88C3"  # 0E      mov bl, al
    "BAFD03"  # 10      mov dx, 0x3FD: line status register
    "EC"  # 13 wait: in al, dx
    "A820"  # 14      test al, 0x20: transmitter empty?
    "74FB"  # 16      jz wait
    "88D8"  # 18      mov al, bl
    "BAF803"  # 1A      mov dx, 0x3F8: transmitter
    "EE"  # 1D      out dx, al
    "EBE9"  # 1E      jmp next
)
# The reset by the keyboard controller ends QEMU, which runs with -no-reboot.
_RESET = bytes.fromhex("B0FEE664")  # 20 done: mov al, 0xFE; out 0x64, al
_STAY = bytes.fromhex("90909090")  # 20 done: nop, as long as the reset
_HALT = bytes.fromhex("F4EBFD")  # 24 halt: hlt; jmp halt


def floor_sector(nonce: str, *, stay: bool) -> bytes:
    """Return the boot sector whose ready line carries `nonce`; `stay` halts it afterwards, else the machine ends.

    It has no clock, so the line's values are empty. Raises ValueError for a nonce too long for a sector.
    """
    text = f"ENVBENCH-READY {nonce} realtime_ns= uptime_s=\r\n\0".encode("ascii")
    code = _SAY + (_STAY if stay else _RESET) + _HALT + text
    if len(code) > SECTOR_BYTES - len(_SIGNATURE):
        raise ValueError(f"a nonce of {len(nonce)} characters does not fit into a boot sector")
    return code.ljust(SECTOR_BYTES - len(_SIGNATURE), b"\0") + _SIGNATURE


def floor_disk(nonce: str, *, stay: bool) -> bytes:
    """Return the smallest disk that a BIOS boots this sector from."""
    return floor_sector(nonce, stay=stay).ljust(DISK_BYTES, b"\0")
