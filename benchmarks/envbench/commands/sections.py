"""A command whose help groups its options: forty of them in one list are read by nobody."""

import click

SECTIONS: dict[str, tuple[str, ...]] = {
    "What is started": (
        "backends",
        "profiles",
        "image",
        "registry",
        "command",
        "environment",
        "published",
        "volumes",
        "ready",
        "ready_pattern",
        "memory_bytes",
        "cpus",
        "offline",
        "allow_remote",
    ),
    "How often and how long": (
        "quick",
        "runs",
        "warmup",
        "precision",
        "budget_s",
        "deadline_s",
        "max_instances",
        "claim_ids",
        "seed",
        "dry",
    ),
    "How it is measured": ("cold", "parallel", "pin", "quiet_machine", "bandwidths"),
    "Containers": ("networks", "runtimes", "read_only", "init"),
    "Virtual machines": (
        "accelerators",
        "machines",
        "boots",
        "firmwares",
        "kernel",
        "initrd",
        "append",
        "disk",
        "libvirt_uris",
    ),
    "Gates": ("fail_if", "baseline", "max_regression"),
    "Results": ("output", "into", "labels", "formats", "as_json", "claims_file", "include_host"),
    "Progress and errors": ("progress", "verbose", "debug"),
}
"""Title → the parameters that stand below it, in this order. Those that a command does not have are left out."""


class Sectioned(click.Command):
    """A command with its options in the sections of the table; --help and what else stands in none come last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all options, section by section."""
        records = {
            param.name: record for param in self.get_params(ctx) if (record := param.get_help_record(ctx)) is not None
        }
        for title, names in SECTIONS.items():
            rows = [records.pop(name) for name in names if name in records]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if records:
            with formatter.section("Options"):
                formatter.write_dl(list(records.values()))
