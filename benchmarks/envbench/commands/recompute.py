"""`envbench recompute`: every figure again from samples.csv, held against what stands in the folder."""

from pathlib import Path

import click

from envbench.commands.arguments import debug_option, folder_argument, refused
from envbench.errors import EnvbenchError


@click.command(epilog="Example: envbench recompute results/RUN")
@folder_argument()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a figure differs from what stands there.")
@debug_option
def recompute(folder: Path, check: bool) -> None:
    """Rebuild summary.csv, claims.csv and warnings.csv of a results FOLDER from its rows; say what changed."""
    from envreport import report_document  # pandas and scipy only where they are needed
    from envreport.formats import render

    with refused():
        files = render("csv", report_document(folder))
        changed = []
        for name, content in files.items():
            path = folder / name
            before = path.read_bytes() if path.is_file() else None
            state = "new" if before is None else "identical" if before == content else "different"
            changed.extend([name] if state == "different" else [])
            if not check:
                path.write_bytes(content)
            click.echo(f"{path}: {state}")
    if check and changed:
        raise EnvbenchError(
            f"{folder}: {', '.join(changed)} does not follow from samples.csv; envbench recompute {folder} rewrites it"
        )
