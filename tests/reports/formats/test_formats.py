"""Every format shows every claim and warning, gives the same bytes for the same rows, and lets no markup through."""

import base64
import csv
import gzip
import io
import json
import random
import re
from collections.abc import Callable
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import jsonschema
import pandas as pd
import pytest

from envbench.records.phases import Experiment, Outcome, Phase
from envreport import DEFAULT_FORMATS, ci_notice, console_summary, report_document, write_all
from envreport.charts.draw import RASTER_FROM
from envreport.claims import CLAIMS
from envreport.document.build import build
from envreport.formats import FORMATS, render
from envreport.formats.html import MOST_ROWS
from envreport.formats.page import linked
from envreport.results import ResultsError, load
from envreport.schema import run_schema

REAL_ALL = Path(__file__).parents[2] / "gold/all"
ROWS = b'download="samples.csv.gz"'
TEXT_FORMATS = [name for name in FORMATS if name not in ("parquet", "svg")]  # columns and pictures tell no verdicts
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "'; } body { display: none } .x{",
    "]]><evil/>",
    "{{ 7*7 }} {% raw %}",
    "$\\frac{a}{b}$ | cell | `code` [x](javascript:alert(1))",
    "\x1b[31mred\x1b[0m\x07 \u202eabc\u2028line",
    'style="color:red"',
]


@pytest.fixture
def hostile_folder(make_rows: Any, meta: dict[str, Any], tmp_path: Path) -> Path:
    rows = make_rows()
    for index, text in enumerate(HOSTILE):
        backend = text.replace("\x1b", "").replace("\x07", "")
        rows.add(
            Experiment.STARTUP,
            backend,
            Phase.READY,
            [2e8 + each for each in range(8)],
            variant=f"image={text}",
            profile=text,
        )
        rows.add(Experiment.KERNEL, "docker", "boot_id_equals_host", [1], detail=text)
        rows.add(
            Experiment.STARTUP, "docker", Phase.READY, [None], outcome=Outcome.FAILED, detail=text, profile=f"p{index}"
        )
    everything = " ".join(HOSTILE)
    meta["host"] |= {
        "summary": everything,
        "layers": [{"kind": everything, "name": everything, "id": everything, "details": {everything: everything}}],
    }
    meta["warnings"] = [{"code": text, "message": text, "advice": text} for text in HOSTILE]
    meta["engines"] = {text: {text: text} for text in HOSTILE}
    meta["command"] = HOSTILE
    meta["backends"]["skipped"] = [{"name": text, "reason": text, "remedy": text} for text in HOSTILE]
    return rows.write(tmp_path / "hostile", meta)


class Page(HTMLParser):
    """Collects the tags, attributes and ids of a page, and what stands outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._skip = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)
        self._skip = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._skip = False

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text += data

    def all(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@lru_cache(maxsize=32)
def files_of(name: str, folder: Path) -> dict[str, bytes]:
    return render(name, report_document(folder))


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_every_claim_and_warning_is_shown(name: str, run_folder: Path) -> None:
    text = b"\n".join(files_of(name, run_folder).values()).decode().replace("\\", "")
    for claim in CLAIMS:
        assert claim.id in text, claim.id
    assert "kvm-unusable" in text
    assert "KVM opens but a guest hangs" in text
    assert "under software emulation only" in text or ",emulated," in text  # the column `only`


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.slow
def test_the_same_rows_give_the_same_bytes(name: str, run_folder: Path) -> None:
    assert files_of(name, run_folder) == render(name, report_document(run_folder))


@pytest.mark.parametrize("name", [name for name in TEXT_FORMATS if name != "html"])
def test_gold(name: str, run_folder: Path, gold: Callable[[str, bytes], None]) -> None:
    for file, content in files_of(name, run_folder).items():
        gold(file, content)


def test_gold_html_without_its_charts(run_folder: Path, gold: Callable[[str, bytes], None]) -> None:
    page = files_of("html", run_folder)["report.html"].decode()
    page = re.sub(r"<svg.*?</svg>", "<svg/>", page, flags=re.DOTALL)
    page = re.sub(r"^\.[a-z-]+-\d+ \{.*\}\n", "", page, flags=re.MULTILINE)
    page = re.sub(r"'sha256-[^']+'", "'sha256-…'", page)
    page = re.sub(r"data:application/gzip;base64,[^\"]+", "data:…", page)
    gold("report.html", page.encode())


@pytest.mark.parametrize(("command", "limit_bytes"), [("startup", 1_000_000), ("all", 1_500_000)])
@pytest.mark.slow
def test_the_page_of_a_real_run_is_light_with_its_rows(command: str, limit_bytes: int, tmp_path: Path) -> None:
    """The rows of a real `envbench all --quick`, and of its start-up alone."""
    head, *lines = (REAL_ALL / "samples.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if command == "all" or ",startup," in line]
    (tmp_path / "samples.csv").write_text("".join((head, *kept)), encoding="utf-8")
    run = json.loads((REAL_ALL / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(run | {"command": ["envbench", command]}), encoding="utf-8")
    page = render("html", report_document(tmp_path))["report.html"]
    assert len(kept) > 400
    assert ROWS in page
    assert len(page) < limit_bytes


@pytest.mark.parametrize("starts", [RASTER_FROM, 2 * RASTER_FROM])
@pytest.mark.slow
def test_a_page_of_many_starts_is_light_without_its_rows(starts: int, rows: Any) -> None:
    """At the most dots that are drawn one by one, and beyond."""
    draw, backends = random.Random(5), ("process", "namespaces", "runc", "crun", "docker", "podman", "qemu", "libvirt")
    for place, backend in enumerate(backends):
        values = [1e7 * 2**place * draw.lognormvariate(0, 0.1) for _ in range(starts // len(backends))]
        rows.add(Experiment.STARTUP, backend, Phase.READY, values)
    page = render("html", build(rows.results({"command": ["envbench", "startup"]})))["report.html"]
    assert ROWS not in page
    assert (b"data:image/png" in page) == (starts > RASTER_FROM)
    assert len(page) < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("configurations", "is_cut"), [(36, False), (72, True)])
def test_a_page_of_many_configurations_is_light(configurations: int, is_cut: bool, rows: Any) -> None:
    """Every pair of them is a finding and a row of a table: what the page leaves out stands in its JSON."""
    draw = random.Random(7)
    for place in range(configurations):
        backend, variant = (
            ("qemu", f"accel=tcg;machine=m{place}") if place % 3 == 2 else ("docker", f"runtime=r{place}")
        )
        middle = draw.lognormvariate(20, 0.5)
        for phase, share in ((Phase.CREATE, 0.2), (Phase.START, 0.7), (Phase.READY, 1.0), (Phase.CYCLE, 1.4)):
            values = [middle * share * draw.lognormvariate(0, 0.1) for _ in range(10)]
            rows.add(Experiment.STARTUP, backend, phase, values, variant=variant)
    document = build(rows.results({"command": ["envbench", "startup"]}))
    page = render("html", document)["report.html"]
    assert len(page) < 1_000_000
    pairs = configurations * (configurations - 1) // 2
    assert (f"{pairs - MOST_ROWS} more rows, in".encode() in page) is is_cut
    packed = re.search(rb'download="report.json.gz" href="data:application/gzip;base64,([^"]+)"', page)
    assert packed
    whole = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert whole == json.loads(render("json", document)["report.json"])


@pytest.mark.slow
def test_rows_that_would_make_a_page_too_heavy_stay_beside_it(
    usual_rows: Any, meta: dict[str, Any], tmp_path: Path
) -> None:
    """The same rows fit into a page about everything and not into one about start-up."""
    rows, words = usual_rows(runs=8), random.Random(3)
    for _ in range(4_000):
        rows.add(Experiment.STARTUP, "docker", Phase.STOP, [2e8], detail=words.randbytes(150).hex())
    weights = {}
    for command in ("startup", "all"):
        folder = rows.write(tmp_path / command, meta | {"command": ["envbench", command]})
        page = render("html", report_document(folder))["report.html"]
        weights[command] = len(page), ROWS in page, b"beside this report" in page
    assert weights["startup"][1:] == (False, True)
    assert weights["all"][1:] == (True, False)
    assert weights["startup"][0] < 1_000_000 < weights["all"][0] < 1_500_000


def test_html_is_one_file_with_a_strict_policy(run_folder: Path) -> None:
    page = files_of("html", run_folder)["report.html"].decode()
    found = Page(page)
    loaded = [each for each in found.attributes if each[1] in {"src", "href", "xlink:href"} and each[0] != "a"]
    assert not [each for each in loaded if not each[2].startswith(("#", "data:"))]
    followed = [value for tag, name, value in found.attributes if (tag, name) == ("a", "href")]
    assert not [each for each in followed if not each.startswith(("#", "data:", "https://"))]
    policy = next(
        value for tag, name, value in found.attributes if tag == "meta" and "default-src" in value and name == "content"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not found.all("style"), "a style attribute would need unsafe-inline"
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    ids = found.all("id")
    assert len(ids) == len(set(ids))
    assert found.tags.count("figure") == found.tags.count("figcaption") == 5
    assert found.tags.count("svg") == 5 + 1, "the chart at the top has a drawing for a phone beside it"
    known = set(ids)
    assert {each.removeprefix("#") for each in found.all("href") if each.startswith("#")} <= known
    assert {part for each in found.all("aria-labelledby") for part in each.split()} <= known
    assert "@media print" in page
    assert "prefers-color-scheme: dark" in page


def test_host_name_and_paths_are_left_out_unless_asked_for(run_folder: Path) -> None:
    for name in TEXT_FORMATS:
        text = b"".join(files_of(name, run_folder).values()).decode()
        assert "secret-host" not in text, name
        assert "alice" not in text, name
        assert "docker.sock" not in text, name
    shown = render("markdown", report_document(run_folder, include_host=True))["report.md"].decode()
    assert "secret-host" in shown
    assert "alice" in shown


def test_hostile_strings_stay_text_in_html(hostile_folder: Path) -> None:
    page = files_of("html", hostile_folder)["report.html"].decode()
    found = Page(page)
    assert found.tags.count("script") == 1
    assert found.tags.count("img") == 0
    assert "evil" not in found.tags
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert not found.all("style")
    styles = page[page.index("<style>") : page.index("</style>")]
    assert "display: none } .x" not in styles
    assert "<script>alert(1)</script>" in found.text
    assert "49" not in [part.strip() for part in found.text.split("{{")]


def test_hostile_strings_break_no_other_format(hostile_folder: Path) -> None:
    ET.fromstring(files_of("junit", hostile_folder)["junit.xml"])  # noqa: S314 -- our own
    json.loads(files_of("json", hostile_folder)["report.json"])
    for content in files_of("csv", hostile_folder).values():
        parsed = list(csv.reader(io.StringIO(content.decode())))
        assert len({len(row) for row in parsed}) == 1
        assert len(parsed) == content.decode().count("\n")
    metrics = files_of("openmetrics", hostile_folder)["metrics.txt"].decode()
    assert all(
        re.fullmatch(r'#.*|[a-z_]+\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\} \S+', line) for line in metrics.splitlines()
    )
    markdown = files_of("markdown", hostile_folder)["report.md"].decode()
    assert "<script" not in markdown.replace("\\<", "")
    assert "\x1b" not in console_summary(hostile_folder)


def test_annotations_cannot_be_smuggled_in(hostile_folder: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    text = ci_notice(hostile_folder, {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    assert text
    assert all(line.startswith(("::error title=", "::warning title=")) for line in text.split("\n"))
    assert summary.read_text(encoding="utf-8").startswith("## ")
    assert ci_notice(hostile_folder, {}) == ""


def test_tables_load_in_pandas_and_duckdb_without_options(run_folder: Path) -> None:
    write_all(run_folder, [*DEFAULT_FORMATS, "parquet"])
    for name in ("samples", "summary", "claims"):
        path = run_folder / f"{name}.csv"
        rows = len(pd.read_csv(path))
        assert rows == duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]  # noqa: S608
        assert rows == sum(1 for _ in csv.reader(io.StringIO(path.read_text(encoding="utf-8")))) - 1
    medians = pd.read_csv(run_folder / "summary.csv")["median"]
    assert medians.dtype.kind == "f"
    assert (medians > 0).sum() > 20
    assert len(pd.read_parquet(run_folder / "samples.parquet")) == len(pd.read_csv(run_folder / "samples.csv"))


def test_missing_is_empty_and_never_zero(rows: Any, tmp_path: Path) -> None:
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [None] * 3, outcome=Outcome.FAILED, detail="no")
    folder = rows.write(tmp_path / "run")
    write_all(folder, ["csv", "html", "markdown", "json", "junit", "openmetrics", "github"])
    row = next(csv.DictReader(io.StringIO((folder / "summary.csv").read_text(encoding="utf-8"))))
    assert (row["median"], row["min"], row["n"], row["failed"]) == ("", "", "0", "3")


def test_a_run_without_run_json_is_reported_with_a_note(usual_rows: Any, tmp_path: Path) -> None:
    folder = usual_rows(runs=6).write(tmp_path / "run")
    assert "run.json is missing" in console_summary(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_broken_run_json_is_refused_with_one_line(content: str, usual_rows: Any, tmp_path: Path) -> None:
    folder = usual_rows(runs=6).write(tmp_path / "run")
    (folder / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(ResultsError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [each for each in run_schema()["properties"] if each != "schema"])
def test_any_key_of_run_json_may_be_missing(key: str, meta: dict[str, Any], make_rows: Any, tmp_path: Path) -> None:
    rows = make_rows().add(Experiment.STARTUP, "docker", Phase.READY, [2e8] * 6)
    meta.pop(key, None)
    write_all(rows.write(tmp_path / "run", meta), ["csv", "markdown", "json"])


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("backends", {"used": 4}, "`$.backends.used`"),
        ("backends", {"skipped": [{"name": "docker"}]}, "`$.backends.skipped[0]`"),
        ("host", {"layers": [{"name": 3}]}, "`$.host.layers[0].name`"),
        ("warnings", [{"code": 1, "message": "m"}], "`$.warnings[0].code`"),
        ("warnings", "none", "`$.warnings`"),
        ("skips", [{"experiment": "tea", "what": "a", "reason": "b", "remedy": "c"}], "`$.skips[0].experiment`"),
        ("exit_code", "0", "`$.exit_code`"),
    ],
)
def test_a_key_of_another_shape_is_refused_with_its_place_and_what_to_do(
    key: str, value: Any, where: str, meta: dict[str, Any], make_rows: Any, tmp_path: Path
) -> None:
    rows = make_rows().add(Experiment.STARTUP, "docker", Phase.READY, [2e8] * 6)
    folder = rows.write(tmp_path / "run", {**meta, key: value})
    with pytest.raises(ResultsError) as caught:
        load(folder)
    said = str(caught.value)
    assert where in said
    assert "\n" not in said
    assert "move it away to report from samples.csv alone" in said
    (folder / "run.json").unlink()
    assert load(folder).notes, "the remedy helps"


def test_an_empty_folder_and_an_unknown_format_are_refused(tmp_path: Path, run_folder: Path) -> None:
    with pytest.raises(ResultsError, match=r"no samples\.csv"):
        write_all(tmp_path)
    with pytest.raises(ValueError, match="no format 'pdf'"):
        write_all(run_folder, ["pdf"])


def test_schema_of_run_json(meta: dict[str, Any]) -> None:
    schema = run_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(meta, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**meta, "warnings": [{"code": 1}]}, schema)


def test_benchmark_action_gets_what_it_reads(run_folder: Path) -> None:
    entries = json.loads(files_of("github", run_folder)["github-action-benchmark.json"])
    assert len(entries) == 5
    for entry in entries:
        assert isinstance(entry["value"], float)
        assert entry["unit"] == "ms"
        assert entry["range"].startswith("± ")


def test_all_sections_have_charts_where_there_are_data(make_rows: Any, tmp_path: Path) -> None:
    rows = make_rows()
    for backend, variant, factor in (("process", "", 1.0), ("docker", "", 1.1), ("qemu", "accel=tcg", 9.0)):
        for metric in ("cpu_int", "memory_latency"):
            rows.add(Experiment.SPEED, backend, metric, [100 * factor + each for each in range(6)], variant=variant)
        rows.add(Experiment.MEMORY, backend, "total", [1e6 * factor + each for each in range(6)], variant=variant)
        for number in (1, 2, 4, 8):
            extra = ";".join(part for part in (variant, "mode=sequence", f"n={number}") if part)
            rows.add(Experiment.DENSITY, backend, "memory_n", [1e6 * factor * number], variant=extra)
            rows.add(Experiment.DENSITY, backend, "start_n", [1e6 * factor * number], variant=extra)
    folder = rows.write(tmp_path / "run")
    page = files_of("html", folder)["report.html"].decode()
    for chart in ("speed-chart", "memory-chart", "density-memory", "density-start"):
        assert f'id="{chart}-title"' in page


def test_no_cell_of_a_derived_table_starts_a_formula(usual_rows: Any, meta: dict[str, Any], tmp_path: Path) -> None:
    rows = usual_rows(runs=6)
    for backend in ("docker", "runc"):
        rows.add(Experiment.STARTUP, backend, Phase.READY, [None], outcome=Outcome.FAILED, detail='=HYPERLINK("x")')
    rows.add(Experiment.KERNEL, "docker", "boot_id_equals_host", [1], detail="@SUM(A1)")
    meta["cleanup"] = {"checked": {}, "leaked": ["=1+1"]}
    folder = rows.write(tmp_path / "run", meta)
    write_all(folder, ["csv"])
    for name in ("summary", "claims", "warnings"):
        text = (folder / f"{name}.csv").read_text(encoding="utf-8")
        assert name == "summary" or "=" in text, "what tries to be a formula is there, after our own words"
        for row in csv.reader(io.StringIO(text)):
            for cell in row:
                assert not cell.startswith(("=", "@", "\t")), cell
                assert not cell.startswith(("+", "-")) or float(cell) <= 0, cell


def test_addresses_are_links_and_nothing_else_is_markup() -> None:
    found = linked("Goldberg (1973); https://docs.kernel.org/virt/kvm/, doi:10.1109/MC.2005.173. <b>")
    assert '<a href="https://docs.kernel.org/virt/kvm/" rel="noreferrer">' in found
    assert '<a href="https://doi.org/10.1109/MC.2005.173" rel="noreferrer">doi:10.1109/MC.2005.173</a>.' in found
    assert found.endswith("&lt;b&gt;")


def test_the_page_shows_no_empty_section_and_the_picture_below_the_answer(run_folder: Path) -> None:
    page = files_of("html", run_folder)["report.html"].decode()
    places = [
        page.index(each)
        for each in ('class="answer"', 'id="ready"', 'id="meaning"', 'id="this-machine"', 'id="verdicts"')
    ]
    assert places == sorted(places)
    assert '<h2 id="memory">' not in page
    assert "Not in this run: Memory" in page
    assert page.count('id="ready"') == 1


def test_bytes_that_are_no_text_break_no_format(make_rows: Any, meta: dict[str, Any], tmp_path: Path) -> None:
    """They stand in the names of files, and so on the command line and in what engines say."""
    meta["command"] = ["envbench", "startup", "--output", "/t/\udcfc"]
    meta["warnings"] = [{"code": "engine-warning", "message": "no such file: /t/\udcfc", "advice": ""}]
    rows = make_rows().add(Experiment.STARTUP, "docker", Phase.READY, [2e8, 3e8], variant="image=\udcfc")
    folder = rows.write(tmp_path / "odd", meta)
    assert write_all(folder, FORMATS)
    assert ci_notice(folder, {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "GITHUB_ACTIONS": "true"})


def test_a_run_that_was_killed_while_it_wrote_has_every_format(run_folder: Path) -> None:
    rows = run_folder / "samples.csv"
    rows.write_bytes(rows.read_bytes()[:-20])
    assert write_all(run_folder, FORMATS)
