"""Charts of many dots: few bytes for each, and one picture where each cannot be an element of the page."""

import base64
import io
import re
from importlib.resources import files

import pytest
from PIL import Image

from envbench.records.phases import Unit
from envreport.charts.draw import PICTURE_COLOURS, RASTER_FROM, draw
from envreport.document.model import Chart, ChartKind, Mark, Table
from envreport.results.backends import Side

SEEN = 3.0
"""The least contrast of what must be seen in a picture (WCAG 2.1, 1.4.11)."""
CARD = re.compile(r"--card: (#[0-9a-f]{6})")


def luminance(colour: tuple[int, ...]) -> float:
    """Return the relative luminance of red, green and blue (WCAG 2.1)."""
    parts = [each / 255 for each in colour[:3]]
    red, green, blue = (each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


@pytest.mark.parametrize("kind", ["strip", "order", "ecdf", "history"])
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.slow
def test_very_many_dots_are_one_picture_that_is_seen_on_light_and_on_dark(side: Side, kind: ChartKind) -> None:
    count = RASTER_FROM + 1
    values = tuple(1e8 + 1e6 * (each % 50) for each in range(count))  # dense: single dots let the page through
    mark = Mark("one", side, values, tuple(map(float, range(count))))
    svg, _ = draw(Chart("many", kind, "Many", "", "time", Unit.NS, (mark,), Table("t", "", (), ())))
    (packed,) = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    with Image.open(io.BytesIO(base64.b64decode(packed))) as picture:
        drawn = [each for _, each in picture.convert("RGBA").getcolors(1 << 20) or () if each[3] > 250]
    css = (files("envreport.formats") / "templates/report.css").read_text(encoding="utf-8")
    cards = set(CARD.findall(css))
    assert {"#ffffff"} < cards
    assert drawn
    for colour in drawn:
        assert all(contrast(colour, rgb(card)) >= SEEN for card in cards), (colour, cards)
    assert len(set(PICTURE_COLOURS.values())) == len(Side)


def test_a_dot_takes_few_bytes_and_its_place_is_told_to_a_hundredth_of_a_pixel() -> None:
    def drawn(count: int) -> str:
        values = tuple(1e8 + 1e6 * each for each in range(count))
        mark = Mark("one", Side.VM, values, tuple(map(float, range(count))))
        return draw(Chart("many", "strip", "Many", "", "time", Unit.NS, (mark,), Table("t", "", (), ())))[0]

    assert (len(drawn(1_100)) - len(drawn(100))) / 1_000 < 85
    places = re.findall(r' (?:x|y|d)="([^"]*)"', drawn(100))
    assert len(places) > 200
    assert [each for each in places if re.search(r"\.\d{3}|  ", each)] == []
