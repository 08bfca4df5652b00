"""matplotlib's SVG made fit for a page: styles become classes, stand-in colours become CSS variables, text stays text.

A page with a strict content-security policy takes no inline style, and dark mode needs colours that can change.
"""

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from envreport.units import printable

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_FINE = re.compile(r"-?\d+\.\d{3,}")
PLACES = ("x", "y", "d")
"""Attributes that hold coordinates; most bytes of a chart of many dots are theirs."""
_FONT_SIZE = re.compile(r"[\d.]+px")
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)
DROPPED = frozenset({f"{{{SVG}}}metadata", f"{{{SVG}}}style"})


def clean(
    svg: str, prefix: str, title: str, description: str, variables: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Return an <svg> element with ids of its own, a title and a description, and the CSS rules of its classes.

    `variables` gives the CSS variable of each stand-in colour ("#rrggbb").
    The SVG is parsed, not searched: names from outside stand in its text, and none may pass for markup or style.
    """
    root = ET.fromstring(svg)  # noqa: S314  (matplotlib's own output of a moment ago)
    rules: dict[str, str] = {}
    names: dict[str, str] = {}
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in DROPPED]:
            parent.remove(child)
    for element in root.iter():
        _round_places(element)
        _own_ids(element, prefix)
        style = _declarations(element, variables)
        if style:
            name = names.setdefault(style, f"{prefix}-{len(names)}")
            rules[name] = style
            element.set("class", name)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": f"{prefix}-{tag}"})
        element.text = printable(text)
        root.insert(position, element)
    for element in root.iter():
        if element.tag != f"{{{SVG}}}text":
            element.text = None if element.text is None or not element.text.strip() else element.text
        element.tail = None
    return ET.tostring(root, encoding="unicode"), rules


def _round_places(element: ET.Element) -> None:
    """Cut coordinates down to hundredths of a pixel, which nobody sees, and the blanks between them."""
    for name in PLACES:
        if name in element.attrib:
            short = _FINE.sub(lambda each: f"{float(each[0]):.2f}", element.attrib[name])
            element.set(name, " ".join(short.split()))


def _own_ids(element: ET.Element, prefix: str) -> None:
    """Ids are unique in a page, not only in a chart."""
    for name, value in element.attrib.items():
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == f"{{{XLINK}}}href" and value.startswith("#"):
            element.set(name, f"#{prefix}-{value[1:]}")
        elif "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{prefix}-"))


def _declarations(element: ET.Element, variables: Mapping[str, str]) -> str:
    """Take the style and the colours off an element and return them as CSS with variables."""
    found = []
    for part in element.attrib.pop("style", "").split(";"):
        name, _, value = (text.strip() for text in part.partition(":"))
        if name == "font":  # the page's own font, in the chart's size
            size = _FONT_SIZE.search(value)
            name, value = "font-size", size[0] if size else "10px"
        if name and name != "font-family":
            found.append((name, value))
    found.extend((name, element.attrib.pop(name)) for name in ("fill", "stroke") if name in element.attrib)
    css = "; ".join(f"{name}: {value}" for name, value in found)
    return _COLOUR.sub(lambda each: variables.get(each[0], each[0]), css)
