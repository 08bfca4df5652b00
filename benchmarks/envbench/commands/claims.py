"""`envbench claims`: the claims table, or one claim explained with the evidence of a run."""

from pathlib import Path

import click

from envbench.commands.arguments import debug_option, refused
from envbench.commands.names import Listed, Place, claim_names, nearest
from envbench.errors import UsageError


@click.command(epilog="Examples: envbench claims · envbench claims start-faster --results results/RUN")
@click.argument("claim_id", required=False, type=Listed("claim_id", claim_names))
@click.option(
    "--results",
    "folder",
    type=Place(exists=True, file_okay=False),
    help="Results folder with the evidence (default, for one claim: the newest run under results/).",
)
@click.option("--claims-file", type=Place(), help="TOML file with claims of your own.")
@click.option("--markdown", is_flag=True, help="Print the table as docs/claims.md has it.")
@debug_option
def claims(claim_id: str | None, folder: Path | None, claims_file: Path | None, markdown: bool) -> None:
    """List what is claimed about containers, VMs and WSL, or explain one claim."""
    import envreport

    if not (claim_id or folder or claims_file or markdown):
        click.echo(envreport.claims_list(), nl=False)
        return
    from envreport.claims import texts

    with refused():
        if markdown:
            click.echo(texts.table_markdown(), nl=False)
            return
        table = texts.all_claims(claims_file)
        if claim_id is None:
            click.echo("\n".join(texts.listing(table, folder)))
            return
        claim = next((each for each in table if each.id == claim_id), None)
        if claim is None:
            near = nearest(claim_id, (each.id for each in table))
            raise UsageError(f"no claim {claim_id!r}", remedy=near or "envbench claims, which lists them")
        click.echo("\n".join(texts.explanation(claim, folder or newest_run())))


def newest_run(results: Path = Path("results")) -> Path | None:
    """Return the folder of the newest run among those that `envbench` wrote here by default, None without any."""
    from envbench.records.samples import SAMPLES_FILE

    runs = sorted(results.glob(f"*/{SAMPLES_FILE}"), key=lambda path: path.stat().st_mtime)
    return runs[-1].parent if runs else None
