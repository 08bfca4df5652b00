"""The claims table as text: a listing, one claim explained, and the Markdown of docs/claims.md."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from envreport.claims import CLAIMS, DOCUMENTS, Claim, Theme, judge, judge_all
from envreport.results import load

NO_RULE = "none: no measurement settles it"


def all_claims(claims_file: Path | None = None) -> tuple[Claim, ...]:
    """Return the table and the user's own claims. Raises ClaimsFileError."""
    if claims_file is None:
        return CLAIMS
    from envreport.claims.user import load_claims

    return (*CLAIMS, *load_claims(claims_file))


def listing(table: Iterable[Claim], folder: Path | None = None) -> Iterator[str]:
    """Yield one line a claim by theme; with the verdict of a run where a folder is given."""
    claims = tuple(table)
    labels = {each.id: "" for each in claims}
    if folder is not None:
        results = load(folder)
        labels = {
            each.claim.id: f"  [{each.label}]" for each in judge_all(results, [c for c in claims if c not in CLAIMS])
        }
    width = max(len(each.id) for each in claims)
    for theme in Theme:
        chosen = [each for each in claims if each.theme is theme]
        if chosen:
            yield f"{theme}:"
            yield from (f"  {each.id:<{width}}  {each.wording}{labels[each.id]}" for each in chosen)


def listing_text() -> str:
    """Return the list of the table's own claims: the text of `envreport/claims.txt`."""
    return "".join(f"{line}\n" for line in listing(CLAIMS))


def explanation(claim: Claim, folder: Path | None = None) -> Iterator[str]:
    """Yield all that is known of a claim; with the evidence of a run where a folder is given."""
    yield f"{claim.id}: {claim.wording}"
    yield f"  stands in    {', '.join(f'{each} ({DOCUMENTS[each]})' for each in claim.stands_in) or 'a claims file'}"
    yield f"  judged by    {claim.rule.describe() if claim.rule else NO_RULE}"
    yield f"  experiments  {', '.join(claim.experiments) or 'none'}"
    yield f"  reference    {claim.reference}"
    yield f"  scope        {claim.scope}"
    if claim.reading:
        yield f"  our reading  {claim.reading}"
    if claim.partner:
        yield f"  stands against {claim.partner}{': ' + claim.disagreement if claim.disagreement else ''}"
    if folder is None:
        return
    found = judge(claim, load(folder))
    yield f"  in the run   {folder}"
    yield f"  verdict      {found.label}"
    yield f"  why          {found.why}"
    if found.conditions:
        yield f"  conditions   {'; '.join(each.words for each in found.conditions)}"
    if found.remedy:
        yield f"  to supply it {found.remedy}"
    for each in found.findings:
        note = f" ({each.note})" if each.note else ""
        yield f"    {each.answer}: {each.about}: {each.figure}{note}"


def table_markdown() -> str:
    """Return the text of docs/claims.md."""
    return "\n".join(_markdown()) + "\n"


def _markdown() -> Iterator[str]:
    yield "# The claims"
    yield ""
    yield "<!-- Made by `envbench claims --markdown > docs/claims.md`; do not edit. -->"
    yield ""
    yield (
        f"Every report shows a verdict on each of these {len(CLAIMS)} claims. "
        "[method.md](method.md) tells how verdicts are made."
    )
    yield ""
    yield "The documents: " + "; ".join(f"**{key}** {title}" for key, title in DOCUMENTS.items()) + "."
    yield ""
    for theme in Theme:
        yield f"## {theme}"
        yield ""
        for claim in (each for each in CLAIMS if each.theme is theme):
            yield f"### `{claim.id}`"
            yield ""
            yield f"{claim.wording}. ({', '.join(claim.stands_in)})"
            yield ""
            yield f"- Judged by: {_escape(claim.rule.describe()) if claim.rule else NO_RULE}"
            if claim.experiments:
                yield f"- Measured by: {', '.join(f'`envbench {each}`' for each in claim.experiments)}"
            yield f"- Reference: {claim.reference}"
            yield f"- Scope: {claim.scope}"
            if claim.reading:
                yield f"- Our reading: {claim.reading}"
            if claim.partner:
                yield f"- Stands against: `{claim.partner}`{'. ' + claim.disagreement if claim.disagreement else ''}"
            yield ""


def _escape(text: str) -> str:
    return text.replace("_", "\\_").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*")
