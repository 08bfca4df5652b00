"""The protocol between the harness and the payload: lines that the payload prints, and words that it is given.

The first thing printed is always the ready line:

    ENVBENCH-READY <nonce> realtime_ns=<CLOCK_REALTIME, to the microsecond> uptime_s=<seconds since the kernel booted>

where a value that cannot be read is empty. On request `ENVBENCH-FACT key=value` lines follow; a command's output is
followed by `ENVBENCH-EXIT <nonce> status=<n>`.
"""

from envbench.backend import Workload

READY = "/envbench/ready"
START = "/envbench/start"
"""Only in a machine's per-start initramfs segment: a shell line that sets the argv for /init."""

SERVE = "/envbench/serve"
"""What a container of the service profile runs; it takes the nonce by its environment."""
NONCE_ENVIRONMENT = "ENVBENCH_NONCE"

READY_WORD = b"ENVBENCH-READY"
FACT_WORD = b"ENVBENCH-FACT "
EXIT_WORD = b"ENVBENCH-EXIT"
INIT_WORD = b"ENVBENCH-INIT"
"""What /init of a machine says before anything else: its userspace is up."""


def argv_for(workload: Workload) -> tuple[str, ...]:
    """Return the argv to run inside the tree for this workload, the nonce and the idle word included.

    The ready script takes the workload's own words ("facts"); any other program is run by it after the ready line.
    """
    idle = ("idle",) if workload.keep_running else ()
    if workload.argv[0] == READY:
        return (READY, workload.nonce, *idle, *workload.argv[1:])
    return (READY, workload.nonce, *idle, "--", *workload.argv)
