"""The documentation's site is built whole, no link leads to nothing, and opening it fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tools.site_links import outside_links

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "mkdocs"), "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """Collects what a browser fetches by itself when it opens the page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "link" and given.get("rel") in {"canonical", "next", "prev", "edit"}:
            return
        self.addresses += [given[name] for name in ("src", "href") if tag != "a" and given.get(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY / "docs")))
@pytest.mark.slow
def test_every_page_of_the_documentation_is_on_the_site(site, page):
    assert (site / page.relative_to(REPOSITORY / "docs")).with_suffix(".html").exists()


def test_nothing_is_fetched_from_elsewhere(site):
    fetched = set()
    for page in site.rglob("*.html"):
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        fetched |= set(reader.addresses)
    assert len(fetched) > 5
    assert [address for address in sorted(fetched) if re.match(r"(https?:)?//", address)] == []


def test_a_link_out_of_the_documentation_gets_the_repository_s_address(tmp_path):
    docs = tmp_path / "docs"
    (docs / "start").mkdir(parents=True)
    (tmp_path / "LICENSE").touch()
    text = "[a](../../LICENSE#top) [b](../index.md) [c](https://example.org/x)"
    led = outside_links(text, docs / "start", docs, "https://code.example")
    assert led == "[a](https://code.example/blob/main/LICENSE#top) [b](../index.md) [c](https://example.org/x)"


def test_a_link_to_a_file_that_is_not_there_stops_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    with pytest.raises(FileNotFoundError):
        outside_links("[a](../missing.md)", tmp_path / "docs", tmp_path / "docs", "https://code.example")
