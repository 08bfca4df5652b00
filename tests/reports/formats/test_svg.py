"""Charts as files of their own: whole XML, drawn alone, in the page's own light colours."""

from typing import Any
from xml.etree import ElementTree as ET

from envbench.records.phases import Experiment, Phase
from envreport.document.build import build
from envreport.formats import render
from envreport.formats.svg import light_colours


def test_every_chart_is_a_file_that_needs_nothing_else(usual_rows: Any) -> None:
    document = build(usual_rows().results())
    files = render("svg", document)
    charts = [chart for section in document.sections for chart in section.charts]
    assert list(files) == [f"report-{chart.id}.svg" for chart in charts]
    for chart in charts:
        content = files[f"report-{chart.id}.svg"].decode()
        root = ET.fromstring(content)  # noqa: S314 -- ours
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert float(root.attrib["width"]) > 100
        assert "var(" not in content
        assert light_colours()["--card"] in content
        assert chart.title in "".join(root.itertext())


def test_a_run_without_a_chart_has_no_file(rows: Any) -> None:
    rows.add(Experiment.RELEASE, "runc", "cycles", [5])
    assert render("svg", build(rows.results())) == {}


def test_names_from_outside_stay_text(rows: Any) -> None:

    rows.add(Experiment.STARTUP, "docker", Phase.READY, [1e8] * 6, profile="</style><script>x</script>")
    for content in render("svg", build(rows.results())).values():
        assert not [each for each in ET.fromstring(content).iter() if each.tag.endswith("script")]  # noqa: S314


def test_the_colours_are_those_of_the_page() -> None:
    assert {"--ink", "--card", "--side-vm", "--part-1"} <= set(light_colours())
