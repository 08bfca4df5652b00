"""Each chart as an SVG file of its own, in light colours: for a slide, a paper or a wiki.

The files are named `report-CHART.svg`. They need neither the page nor its style sheet.
"""

import re
from importlib.resources import files
from xml.sax.saxutils import escape

from envreport.charts.draw import draw
from envreport.document.model import Chart, ReportDocument

_LIGHT = re.compile(r":root \{(.*?)\}", re.DOTALL)
_VARIABLE = re.compile(r"(--[\w-]+):\s*([^;]+);")
_USED = re.compile(r"var\((--[\w-]+)\)")
_VIEW = re.compile(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"')


def render(document: ReportDocument) -> dict[str, str]:
    """Return one file a chart; none where the run has no chart."""
    colours = light_colours()
    return {
        f"report-{chart.id}.svg": _alone(chart, colours) for section in document.sections for chart in section.charts
    }


def light_colours() -> dict[str, str]:
    """Return the CSS variables of the page in light: name → colour. The page's style sheet is where they stand."""
    css = (files("envreport.formats") / "templates" / "report.css").read_text(encoding="utf-8")
    found = _LIGHT.search(css)
    return dict(_VARIABLE.findall(found[1])) if found else {}


def _alone(chart: Chart, colours: dict[str, str]) -> str:
    svg, rules = draw(chart)
    css = "".join(f".{name} {{ {style} }}\n" for name, style in sorted(rules.items()))
    css = _USED.sub(lambda each: colours[each[1]], css)
    size = _VIEW.search(svg)
    width, height = size.groups() if size else ("100%", "100%")
    start, end = svg.index("<svg") + len("<svg"), svg.index(">") + 1
    return (
        f'<svg width="{width}" height="{height}"{svg[start:end]}'
        f"<style>text {{ font-family: system-ui, 'DejaVu Sans', sans-serif }}\n{escape(css)}</style>"
        f'<rect width="100%" height="100%" fill="{colours["--card"]}"/>{svg[end:]}\n'
    )
