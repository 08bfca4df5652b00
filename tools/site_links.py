"""Links of the documentation that lead out of docs/ get the repository's address, as the site holds docs/ alone.

MkDocs calls the function by its name (https://www.mkdocs.org/user-guide/configuration/#hooks). A link to a file that
is not there stops the build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")


def outside_links(markdown: str, folder: Path, docs: Path, repository: str) -> str:
    """Markdown with each link out of `docs` led to the repository.

    folder: where the page lies, absolute. docs: the folder of the documentation, absolute. repository: its address,
    without a slash at the end. Links that stay inside `docs` are left as they are.

    Raises FileNotFoundError where a link leads out of `docs` to a file that is not there.
    """

    def lead(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        if target.is_relative_to(docs):
            return match[0]
        target.stat()
        return f"]({repository}/blob/main/{target.relative_to(docs.parent)}{match[2] or ''})"

    return _LINK.sub(lead, markdown)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """MkDocs' hook: one page's Markdown in, the same with links that work on the site out."""
    del files
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent
    return outside_links(markdown, folder, docs, str(config.repo_url).rstrip("/"))
