"""The HTML report in a real browser: offline, no console errors, accessible in light and dark, tables that sort."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from PIL import Image, ImageChops
from tests.reports.dataset.conftest import written_run

from envbench.records.phases import Experiment, Outcome, Phase, Unit
from envbench.records.samples import Sample, SampleWriter
from envbench.run.machine import machine
from envreport import write_all
from envreport.dataset.store import collect_run

pytestmark = pytest.mark.engine("chromium")

OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9")
DEADLINE_S = 120
WIDE, NARROW = "1200,2400", "420,2400"
DARK = "--blink-settings=preferredColorScheme=0"
REAL_ALL = Path(__file__).parent.parent / "gold" / "all"
BACKENDS = {"process": ("", 2), "runc": ("", 60), "docker": ("", 260), "qemu": ("accel=tcg;machine=q35", 4300)}


def browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(autouse=True)
def _chromium(engine_missing: Callable[[str], None]) -> None:
    if browser() is None:
        engine_missing("chromium is not installed; try: apt-get install chromium")


def run_browser(page: Path, tmp_path: Path, *options: str) -> tuple[str, list[str]]:
    """Return the page as it stands after its scripts, and what they said on the console."""
    words = (
        str(browser()),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=20000",
        *OFFLINE,
        *options,
        page.as_uri(),
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run with four backends, a failed start and text that tries to be markup."""
    folder = tmp_path_factory.mktemp("run")
    with SampleWriter(folder / "samples.csv") as writer:
        for order in range(40):
            backend = list(BACKENDS)[order % 4]
            variant, middle = BACKENDS[backend]
            for phase, share in ((Phase.CREATE, 0.2), (Phase.START, 0.8), (Phase.READY, 1.0), (Phase.CYCLE, 1.3)):
                value = int(middle * 1e6 * share * (1 + order % 7 / 50))
                writer.append(_sample(order, backend, variant, phase, value))
        writer.append(_sample(40, "docker", "", Phase.READY, None, "<b onclick=x>no space</b>"))
    meta = {
        "schema": "envbench-run/1",
        "run_id": "0123456789ab",
        "outcome": "done",
        "host": {"summary": "<i>a machine</i>", "layers": []},
    }
    (folder / "run.json").write_text(json.dumps(meta), encoding="utf-8")
    return next(path for path in write_all(folder) if path.name == "report.html")


def _sample(order: int, backend: str, variant: str, phase: str, value: int | None, detail: str = "") -> Sample:
    outcome = Outcome.FAILED if value is None else Outcome.OK
    return Sample(
        "0123456789ab",
        order,
        Experiment.STARTUP,
        backend,
        variant,
        "minimal",
        False,
        order // 4,
        phase,
        value,
        Unit.NS,
        outcome,
        detail,
        order,
    )


def with_script(report: Path, target: Path, *scripts: str, keeps_policy: bool = False) -> Path:
    """Copy the report with scripts of the test after its own, without its policy, or with them allowed by it."""
    text = report.read_text(encoding="utf-8")
    if keeps_policy:
        hashes = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts)
        text = text.replace("script-src ", "script-src " + "".join(f"'sha256-{each}' " for each in hashes), 1)
    else:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    added = "".join(f"<script>{script}</script>" for script in scripts)
    target.write_text(text.replace("</body>", f'<pre id="said"></pre>{added}</body>'), encoding="utf-8")
    return target


def said(page: str) -> Any:
    found = re.search(r'<pre id="said">(.*?)</pre>', page, re.DOTALL)
    assert found, "the test's script did not run"
    assert found[1], "the test's script did not finish"
    return json.loads(unescape(found[1]))


def test_opens_offline_without_a_word_on_the_console(report: Path, tmp_path: Path) -> None:
    page, console = run_browser(report, tmp_path, "--dump-dom")
    assert console == []
    assert page.count("<svg") == 5  # one of them for a phone
    assert page.count('class="sortable"') > 5
    assert 'id="filter" role="group"' in page
    assert "<button" in page, "the page's own script did not run under its own policy"


def test_scripts_that_are_not_ours_are_refused(report: Path, tmp_path: Path) -> None:
    text = report.read_text(encoding="utf-8").replace("</body>", "<script>document.title = 'taken'</script></body>")
    other = tmp_path / "other.html"
    other.write_text(text, encoding="utf-8")
    page, console = run_browser(other, tmp_path, "--dump-dom")
    assert "taken</title>" not in page
    assert any("Content Security Policy" in line for line in console)


def test_reads_with_scripts_off(report: Path, tmp_path: Path) -> None:
    text = re.sub(r"script-src '[^']*'", "script-src 'none'", report.read_text(encoding="utf-8"))
    bare = tmp_path / "bare.html"
    bare.write_text(text, encoding="utf-8")
    page, _ = run_browser(bare, tmp_path, "--dump-dom")
    assert page.count("<svg") == 5  # one of them for a phone
    assert 'class="card' in page
    assert '<a class="download" download="report.json.gz" href="data:application/gzip' in page


def test_tables_sort_and_cards_filter(report: Path, tmp_path: Path) -> None:
    script = """
      const rows = () => [...document.querySelectorAll("#ready-table tbody tr")];
      const first = () => rows().map((row) => row.cells[1].dataset.sort * 1);
      const head = document.querySelectorAll("#ready-table thead th")[1];
      head.querySelector("button").click();
      const up = first();
      const sorted = head.getAttribute("aria-sort");
      head.querySelector("button").click();
      const down = first();
      document.querySelector('#filter [data-show="none"]').click();
      const cards = [...document.querySelectorAll(".card")].filter((card) => !card.hidden);
      const seen = cards.filter((card) => card.checkVisibility());
      const shown = seen.map((card) => card.dataset.verdict);
      document.getElementById("said").textContent = JSON.stringify({ up, down, sorted, shown });
    """
    page, console = run_browser(with_script(report, tmp_path / "sort.html", script), tmp_path, "--dump-dom")
    found = said(page)
    assert console == []
    assert found["up"] == sorted(found["up"])
    assert found["down"] == found["up"][::-1]
    assert found["sorted"] == "ascending"
    assert set(found["shown"]) == {"none"}


def test_the_rows_can_be_saved_from_the_page(report: Path, tmp_path: Path) -> None:
    script = """
      (async () => {
        const link = document.querySelector("a.download");
        const body = (await fetch(link.href)).body.pipeThrough(new DecompressionStream("gzip"));
        document.getElementById("said").textContent = JSON.stringify([link.download, await new Response(body).text()]);
      })();
    """
    page, _ = run_browser(with_script(report, tmp_path / "save.html", script), tmp_path, "--dump-dom")
    name, text = said(page)
    assert name == "samples.csv.gz"
    assert text == (report.parent / "samples.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("colours", ["", DARK], ids=["light", "dark"])
def test_a_chart_is_saved_as_svg_and_png(colours: str, report: Path, tmp_path: Path) -> None:
    """Under the page's own policy: what its buttons make is drawn, alone and as seen."""
    script = """
      const made = {};
      const blobs = {};
      const makeUrl = URL.createObjectURL;
      URL.createObjectURL = (blob) => {
        const url = makeUrl(blob);
        blobs[url] = blob;
        return url;
      };
      HTMLAnchorElement.prototype.click = function () {
        const reader = new FileReader();
        reader.onload = () => {
          made[this.download] = reader.result;
          if (Object.keys(made).length === 2) document.getElementById("said").textContent = JSON.stringify(made);
        };
        reader.readAsDataURL(blobs[this.href]);
      };
      for (const button of document.querySelectorAll("#ready .export button")) button.click();
      const wait = () => { if (!document.getElementById("said").textContent) setTimeout(wait, 1); };
      wait();
    """
    page = with_script(report, tmp_path / "export.html", script, keeps_policy=True)
    # A picture is decoded beside the page, for which the browser's own time does not wait: each step of it costs some.
    dumped, console = run_browser(
        page, tmp_path, "--dump-dom", "--virtual-time-budget=3000000", *filter(None, [colours])
    )
    assert console == []
    made = {name: base64.b64decode(url.partition(",")[2]) for name, url in said(dumped).items()}
    assert set(made) == {"ready.svg", "ready.png"}
    assert b"var(" not in made["ready.svg"]
    (tmp_path / "alone.svg").write_bytes(made["ready.svg"])
    run_browser(tmp_path / "alone.svg", tmp_path, f"--screenshot={tmp_path / 'alone.png'}")
    (tmp_path / "made.png").write_bytes(made["ready.png"])
    for name in ("made.png", "alone.png"):
        with Image.open(tmp_path / name) as picture:
            seen = picture.convert("RGB")
            assert seen.width > 500
            assert len(set(seen.resize((300, 200)).tobytes())) > 20, f"{name}: nothing is drawn"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real `envbench all --quick` (its rows are kept in tests/gold/all), on what this machine is."""
    folder = tmp_path_factory.mktemp("all")
    shutil.copytree(REAL_ALL, folder, dirs_exist_ok=True)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    run["machine"] = to_builtins(machine(folder))
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return next(path for path in write_all(folder, ("html",)) if path.suffix == ".html")


@pytest.fixture(scope="module")
def over_time(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a history with a changed kernel of a hostile name, a step, and a variant of few runs."""
    folder = tmp_path_factory.mktemp("history")
    kernels = ["6.1.0"] * 15 + ["6.12.0-<b onclick=x>bold</b>-" + "x" * 60] * 30
    for night, kernel in enumerate(kernels):
        started_at = f"2026-{1 + night // 28:02}-{1 + night % 28:02}T03:00:00Z"
        ready_ms = (200 if night < 33 else 250) + night % 7
        run = written_run(folder / "results", night, ready_ms, kernel=kernel, started_at=started_at)
        collect_run(run, str(folder / "dataset"))
    few = written_run(folder / "results", 99, 4000, variant="network=bridge;runtime=crun")
    collect_run(few, str(folder / "dataset"))
    page = folder / "history.html"
    words = ("history", str(folder / "dataset"), "--metric", "docker.ready", "--output", str(page))
    subprocess.run((sys.executable, "-m", "envbench", *words), check=True)
    return page


def test_a_history_opens_offline_and_its_pictures_can_be_saved(over_time: Path, tmp_path: Path) -> None:
    page, console = run_browser(over_time, tmp_path, "--dump-dom")
    assert console == []
    assert page.count("<svg") == 4  # two for each configuration, one of them for a phone
    assert page.count('aria-label="Save this chart as PNG') == 2
    assert 'data-file="history.json">Save the history as JSON' in page


@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("name", ["whole", "over_time"])
def test_the_whole_page_fits_the_screen(name: str, width: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Nothing sticks out of the page; what is wider than its frame can be moved; no column of words is a few letters.

    A frame is set to the width, for Chromium's own window is never narrower than 500 px.
    """
    script = """
      [...document.querySelectorAll("details")].forEach((each) => { each.open = true; });
      const page = document.documentElement;
      const cut = [...document.querySelectorAll(".drawing, .scroll")]
        .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "auto")
        .map((each) => each.getAttribute("aria-label"));
      const thin = [...document.querySelectorAll("td:not(.num), dd, .card p")]
        .filter((each) => each.checkVisibility() && each.textContent.trim().length > 20 && each.clientWidth < 90)
        .map((each) => each.textContent.trim().slice(0, 60));
      const found = { inner: innerWidth, over: page.scrollWidth - page.clientWidth, cut, thin };
      parent.postMessage(JSON.stringify(found), "*");
    """
    inner = with_script(request.getfixturevalue(name), tmp_path / "inner.html", script)
    outer = tmp_path / "outer.html"
    outer.write_text(
        '<pre id="said"></pre><script>onmessage = (told) => { document.getElementById("said").textContent = told.data;'
        f' }};</script><iframe src="{inner.name}" width="{width}" height="900" style="border:0"></iframe>',
        encoding="utf-8",
    )
    found = said(run_browser(outer, tmp_path, "--dump-dom", "--window-size=1600,1200")[0])
    assert found == {"inner": width, "over": 0, "cut": [], "thin": []}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, from the Python package that carries it unchanged; unpacked for the session, never installed."""
    folder = tmp_path_factory.mktemp("axe")
    words = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "axe-playwright-python")
    subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=DEADLINE_S)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as packed:
        return packed.read("axe_playwright_python/axe.min.js").decode()


@pytest.mark.parametrize(
    ("name", "colours", "size"),
    [
        ("report", "", WIDE),
        ("report", DARK, WIDE),
        ("report", "", NARROW),
        ("report", DARK, NARROW),
        ("over_time", "", WIDE),
        ("over_time", DARK, NARROW),
    ],
    ids=["light", "dark", "light-narrow", "dark-narrow", "history", "history-dark-narrow"],
)
def test_axe_finds_nothing(
    name: str, colours: str, size: str, request: pytest.FixtureRequest, axe: str, tmp_path: Path
) -> None:
    script = """
      document.querySelectorAll("details").forEach((each) => { each.open = true; });
      axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }).then((found) => {
        const dark = matchMedia("(prefers-color-scheme: dark)").matches;
        const broken = found.violations.map((each) => [each.id, each.nodes.slice(0, 3).map((node) => node.html)]);
        document.getElementById("said").textContent = JSON.stringify({ dark, broken, passes: found.passes.length });
      });
    """
    target = with_script(request.getfixturevalue(name), tmp_path / "axe.html", axe, script)
    options = [each for each in (colours, f"--window-size={size}") if each]
    found = said(run_browser(target, tmp_path, "--dump-dom", *options)[0])
    assert found["broken"] == []
    assert found["passes"] > 20
    assert found["dark"] == bool(colours)


@pytest.mark.parametrize("size", [WIDE, NARROW, "390,2400", "1024,2400", "1440,2400", "1920,2400"])
def test_nothing_is_wider_than_the_screen(size: str, report: Path, tmp_path: Path) -> None:
    script = """
      const page = document.documentElement;
      document.getElementById("said").textContent = JSON.stringify([page.scrollWidth, page.clientWidth]);
    """
    page, _ = run_browser(
        with_script(report, tmp_path / "width.html", script), tmp_path, "--dump-dom", f"--window-size={size}"
    )
    scroll, client = said(page)
    assert scroll <= client


SCREENS = Path(__file__).parent.parent / "gold" / "screens"
VERSION_FILE = SCREENS / "chromium-version.txt"
SHOWN_WIDTHS = {"light": ((), "1200,1500"), "dark": ((DARK,), "1200,1500"), "narrow": ((), "500,1500")}
KEPT_WIDTH = 400
"""Reviewed pictures are kept this wide: small files, and no quarrel over the edges of letters."""
TOLERANCE = 0.02
"""Share of pixels that may be plainly other; a colour scheme gone wrong or cards that are missing are far above it."""
PLAINLY = 24
"""Steps of 255 in the mean of the colours: more than a shifted edge of a letter leaves after shrinking."""


def chromium_major() -> str:
    told = subprocess.run((str(browser()), "--version"), capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"(\d+)\.", told)
    return found[1] if found else told


def small(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        height = round(picture.height * KEPT_WIDTH / picture.width)
        return picture.convert("RGB").resize((KEPT_WIDTH, height), Image.Resampling.BOX)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the share of pixels in which two pictures of one size plainly differ."""
    counts = ImageChops.difference(one, other).convert("L").histogram()
    return sum(counts[PLAINLY:]) / sum(counts)


@pytest.mark.parametrize("name", SHOWN_WIDTHS)
def test_looks_as_reviewed(name: str, report: Path, tmp_path: Path) -> None:
    """Renew with ENVBENCH_UPDATE_SCREENS=1, then look at tests/gold/screens before committing it."""
    colours, size = SHOWN_WIDTHS[name]
    target = tmp_path / f"{name}.png"
    run_browser(report, tmp_path, f"--screenshot={target}", "--hide-scrollbars", f"--window-size={size}", *colours)
    drawn, kept = small(target), SCREENS / f"report-{name}.png"
    if os.environ.get("ENVBENCH_UPDATE_SCREENS"):
        SCREENS.mkdir(parents=True, exist_ok=True)
        drawn.quantize(64, dither=Image.Dither.NONE).save(kept, optimize=True)
        VERSION_FILE.write_text(f"{chromium_major()}\n", encoding="utf-8")
    reviewed = VERSION_FILE.read_text(encoding="utf-8").strip()
    with Image.open(kept) as picture:
        apart = difference(drawn, picture.convert("RGB"))
    assert apart < TOLERANCE, (
        f"{name}: {apart:.4f} apart from {kept}, reviewed with Chromium {reviewed}; this is {chromium_major()}"
    )


def test_the_comparison_sees_what_a_person_sees(report: Path, tmp_path: Path) -> None:
    """Light against dark, and a page without its cards, must both count as different."""
    bare = tmp_path / "bare.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text(encoding="utf-8"))
    bare.write_text(
        text.replace("</head>", "<style>.card { display: none !important }</style></head>"), encoding="utf-8"
    )
    pictures = []
    for index, (page, colours) in enumerate(((report, ()), (report, (DARK,)), (bare, ()))):
        target = tmp_path / f"{index}.png"
        run_browser(page, tmp_path, f"--screenshot={target}", "--hide-scrollbars", "--window-size=1200,2600", *colours)
        pictures.append(small(target))
    dark, without_cards = (difference(pictures[0], other) for other in pictures[1:])
    assert dark > 0.5
    assert without_cards > 2 * TOLERANCE
