"""QEMU's monitor: what a machine is asked, and told, over the machine protocol while it runs."""

import json
import socket
from pathlib import Path
from typing import Any

from envbench.errors import BackendError


class Monitor:
    """QEMU's machine protocol on a unix socket (QEMU, docs/interop/qmp-spec). Raises BackendError with QEMU's words."""

    def __init__(self, path: Path, timeout_s: float = 20.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._lines.readline()  # The greeting.
            self.execute("qmp_capabilities")
        except OSError as error:
            self._socket.close()
            raise BackendError(f"QEMU's monitor at {path} does not answer: {error}") from error

    def execute(self, command: str, **arguments: Any) -> Any:
        """Return the answer to one command; events in between are left aside."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise BackendError(f"QEMU: {answer['error'].get('desc', 'refused')}")
            if "return" in answer:
                return answer["return"]
        raise BackendError("QEMU closed its monitor")

    def set_memory(self, memory_bytes: int) -> None:
        """Have the balloon leave the guest this much."""
        self.execute("balloon", value=memory_bytes)

    def add_cpu(self) -> None:
        """Plug a CPU into the first free slot."""
        slots = [slot for slot in self.execute("query-hotpluggable-cpus") if "qom-path" not in slot]
        if not slots:
            raise BackendError("the machine has no free CPU slot")
        self.execute("device_add", driver=slots[-1]["type"], id="cpu-envbench", **slots[-1]["props"])

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()
