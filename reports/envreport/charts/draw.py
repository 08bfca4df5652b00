"""Charts as inline SVG: a `Chart` in, markup out whose colours are CSS variables and whose text stays text.

matplotlib draws in stand-in colours, which `svg` replaces by the page's own. The same chart gives the same bytes.
"""

import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MultipleLocator, NullFormatter, NullLocator

from envbench.records.phases import Unit
from envreport import units
from envreport.charts.svg import clean
from envreport.document.model import Chart, Mark
from envreport.results.backends import Side
from envreport.statistics.pieces import PIECES

WIDTH_IN = 7.6
NARROW_IN = 4.2
"""Fits a phone without scaling the letters down."""
ROW_IN, NARROW_ROW_IN = 0.36, 0.5
FRAME_IN = 0.95
RASTER_FROM = 1_500
"""Above this many dots they are drawn as one picture, or the page would grow by 250 bytes for each start."""
INK, MUTED, GRID, PAPER = "#010203", "#040506", "#070809", "#0a0b0c"
SIDE_COLOURS: Mapping[Side, str] = {
    Side.HOST: "#110001",
    Side.NAMESPACES: "#110002",
    Side.CONTAINER: "#110003",
    Side.SANDBOX: "#110004",
    Side.VM: "#110005",
    Side.WSL: "#110006",
}
PICTURE_COLOURS: Mapping[Side, str] = {
    Side.HOST: "#808080",
    Side.NAMESPACES: "#a87b00",
    Side.CONTAINER: "#2f84c4",
    Side.SANDBOX: "#14946f",
    Side.VM: "#d0621c",
    Side.WSL: "#b85c9e",
}
"""Dots that are drawn as one picture: no style sheet changes its colours, so they are seen on light and dark alike."""
SIDE_MARKERS: Mapping[Side, str] = {
    Side.HOST: "D",
    Side.NAMESPACES: "v",
    Side.CONTAINER: "o",
    Side.SANDBOX: "P",
    Side.VM: "s",
    Side.WSL: "^",
}
PART_COLOURS = tuple(f"#1200{index:02x}" for index in range(1, 11))
HATCHES = ("", "//", "\\\\", "||", "--", "xx", "++", "///", "|||", "oo")
LINE_MARKERS = ("D", "v", "o", "^", "s", "P", "X", "<", ">", "p", "h")
LINE_STYLES = ("-", "--", "-.", ":")
VARIABLES: Mapping[str, str] = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--card)",
    **{colour: f"var(--side-{side})" for side, colour in SIDE_COLOURS.items()},
    **{colour: f"var(--part-{index + 1})" for index, colour in enumerate(PART_COLOURS)},
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "envreport",
    "text.parse_math": False,
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "hatch.color": PAPER,
    "legend.frameon": False,
}
NAME_LIMIT = 44
BYTE_STEPS = 5


def draw(chart: Chart) -> tuple[str, dict[str, str]]:
    """Return the chart as an <svg> element and the CSS rules of its classes (class → declarations)."""
    with warnings.catch_warnings(), mpl.rc_context(_style()):
        warnings.simplefilter("ignore", UserWarning)  # glyphs missing in the layout font: the browser has them
        figure = DRAWERS[chart.kind](chart)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.08
        )
    return clean(buffer.getvalue(), chart.id, chart.title, chart.description, VARIABLES)


def _style() -> Any:
    """Return what differs from matplotlib as it is here: ours, and as shipped what a matplotlibrc of the user's has."""
    shipped = mpl.rcParamsDefault
    names = (name for name in shipped if name not in {"backend", "backend_fallback"})
    return {name: shipped[name] for name in names if mpl.rcParams[name] != shipped[name]} | STYLE


def draw_narrow(chart: Chart) -> tuple[str, dict[str, str]]:
    """Return a chart of rows as `draw` does, for a narrow screen: names take two lines, its ids are its own."""
    return draw(replace(chart, id=f"{chart.id}-narrow", narrow=True))


def _figure(rows: int, *, height: float | None = None, narrow: bool = False) -> tuple[Figure, Any]:
    width, row = (NARROW_IN, NARROW_ROW_IN) if narrow else (WIDTH_IN, ROW_IN)
    figure = Figure(figsize=(width, height or FRAME_IN + row * max(2, rows)))
    return figure, figure.add_subplot()


def _name(text: str, *, narrow: bool = False) -> str:
    line = " ".join(units.printable(text).split())
    line = line if len(line) <= NAME_LIMIT else line[: NAME_LIMIT - 1] + "…"
    return line.replace(" (", "\n(").replace(" · ", "\n") if narrow else line


def _value_axis(axes: Any, chart: Chart, *, log: bool, which: str = "x") -> None:
    axis = getattr(axes, f"{which}axis")
    if log:
        getattr(axes, f"set_{which}scale")("log")
        axis.set_major_locator(LogLocator(base=10, numticks=4 if chart.narrow else 8))
        low, high = getattr(axes, f"get_{which}lim")()
        if high / max(low, 1e-12) < 50:
            axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=12))
        axis.set_minor_formatter(NullFormatter())
    if chart.unit == Unit.BYTES:
        axis.set_major_locator(_byte_ticks(*getattr(axes, f"get_{which}lim")(), log=log))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: units.quantity(value, chart.unit)))
    getattr(axes, f"set_{which}label")(chart.axis)
    axes.grid(visible=True, axis=which, linewidth=0.6)
    axes.set_axisbelow(True)


def _byte_ticks(low: float, high: float, *, log: bool) -> Locator:
    """Return ticks at powers of two, or multiples of one, so that they read as whole KiB and MiB."""
    if log:
        return LogLocator(base=2 if high / max(low, 1.0) < 50 else 8, numticks=10)
    return MultipleLocator(2 ** max(0, math.floor(math.log2(max(high, 1.0) / BYTE_STEPS))))


def _rows(axes: Any, chart: Chart) -> None:
    axes.set_yticks(range(len(chart.marks)), [_name(mark.name, narrow=chart.narrow) for mark in chart.marks])
    axes.set_ylim(len(chart.marks) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _positive(chart: Chart) -> bool:
    values = [value for mark in chart.marks for value in mark.values]
    return bool(values) and min(values) > 0


def _interval(axes: Any, mark: Mark, row: float, colour: str) -> None:
    """Median as a tall bar, its interval as a line with caps: readable without colour."""
    if mark.estimate is None:
        return
    limits = mark.estimate.interval
    if limits is not None and math.isfinite(limits.high):
        axes.plot([limits.low, limits.high], [row, row], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=4)
        axes.plot([limits.low, limits.high], [row, row], linestyle="", marker="|", markersize=7, color=INK, zorder=4)
    axes.plot([mark.estimate.value], [row], marker="d", markersize=6, color=colour, markeredgecolor=INK, zorder=5)


def _strip(chart: Chart) -> Figure:
    """Every run a dot, spread over the row by a fixed pattern, with median and interval below."""
    figure, axes = _figure(len(chart.marks), narrow=chart.narrow)
    many = sum(len(mark.values) for mark in chart.marks) > RASTER_FROM
    colours = PICTURE_COLOURS if many else SIDE_COLOURS
    for row, mark in enumerate(chart.marks):
        spread = row - 0.12 + 0.24 * (np.modf(np.arange(len(mark.values)) * 0.618034)[0] - 0.5)
        axes.plot(
            mark.values,
            spread,
            linestyle="",
            marker=SIDE_MARKERS[mark.side],
            markersize=3.6,
            alpha=0.6,
            color=colours[mark.side],
            markeredgewidth=0,
            rasterized=many,
        )
        _interval(axes, mark, row + 0.24, SIDE_COLOURS[mark.side])
    _rows(axes, chart)
    _value_axis(axes, chart, log=_positive(chart))
    _reference(axes, chart)
    _row_values(axes, chart, [mark.estimate.value if mark.estimate else math.nan for mark in chart.marks])
    return figure


def _reference(axes: Any, chart: Chart) -> None:
    if chart.reference is not None:
        axes.axvline(chart.reference, color=INK, linewidth=1, linestyle="--", zorder=1)


def _ecdf(chart: Chart) -> Figure:
    figure, axes = _figure(0, height=3.4)
    for index, mark in enumerate(chart.marks):
        ordered = np.sort(np.asarray(mark.values))
        many = len(ordered) > RASTER_FROM
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(
            ordered,
            share,
            where="post",
            color=(PICTURE_COLOURS if many else SIDE_COLOURS)[mark.side],
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            linewidth=1.5,
            marker=LINE_MARKERS[index % len(LINE_MARKERS)],
            markevery=max(1, len(ordered) // 8),
            markersize=4,
            label=_name(mark.name),
            rasterized=many,
        )
    axes.set_ylabel("share of starts that were ready")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
    axes.set_ylim(0, 1.03)
    _value_axis(axes, chart, log=_positive(chart))
    _legend(axes, figure, 3)
    return figure


def _order(chart: Chart) -> Figure:
    figure, axes = _figure(0, height=3.4)
    many = sum(len(mark.values) for mark in chart.marks) > RASTER_FROM
    colours = PICTURE_COLOURS if many else SIDE_COLOURS
    for index, mark in enumerate(chart.marks):
        axes.plot(
            mark.positions,
            mark.values,
            color=colours[mark.side],
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            linewidth=0.7,
            marker=LINE_MARKERS[index % len(LINE_MARKERS)],
            markersize=3.6,
            label=_name(mark.name),
            rasterized=many,
        )
    axes.set_xlabel("order of starts over the whole run")
    _value_axis(axes, chart, log=_positive(chart), which="y")
    _legend(axes, figure, 3)
    return figure


def _phases(chart: Chart) -> Figure:
    """Stacked bars; each part has a colour and a hatch of its own.

    Phases as shares of each backend's own total, sizes as they are.
    """
    figure, axes = _figure(len(chart.marks))
    shares = chart.kind == "phases"
    totals = [sum(value for _, value in mark.parts) for mark in chart.marks]
    scales = [total if shares and total > 0 else 1.0 for total in totals]
    lefts = [0.0] * len(chart.marks)
    for index, name in enumerate(_part_names(chart)):
        widths = [dict(mark.parts).get(name, 0.0) / scale for mark, scale in zip(chart.marks, scales, strict=True)]
        axes.barh(
            range(len(widths)),
            widths,
            left=lefts,
            height=0.62,
            color=PART_COLOURS[index % len(PART_COLOURS)],
            hatch=HATCHES[index % len(HATCHES)],
            edgecolor=PAPER,
            linewidth=0.6,
            label=name,
        )
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    _rows(axes, chart)
    _value_axis(axes, chart, log=False)
    if shares:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
        axes.set_xlim(0, 1)
    _row_values(axes, chart, totals)
    _legend(axes, figure, 5)
    return figure


def _part_names(chart: Chart) -> list[str]:
    """Parts in the order in which they follow each other.

    What is no piece of a start keeps the order of the marks.
    """
    names = dict.fromkeys(name for mark in chart.marks for name, _ in mark.parts)
    return sorted(names, key=lambda name: PIECES.index(name) if name in PIECES else len(PIECES))


def _row_values(axes: Any, chart: Chart, values: Sequence[float]) -> None:
    for row, value in enumerate(values):
        text = units.quantity(value, chart.unit)
        axes.text(1.015, row, text, transform=axes.get_yaxis_transform(), va="center", fontweight="bold", fontsize=9)


def _legend(axes: Any, figure: Figure, columns: int) -> None:
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0, -0.55 / max(1, figure.get_figheight() - FRAME_IN)),
        ncols=columns,
        fontsize=8.5,
    )


def _forest(chart: Chart) -> Figure:
    figure, axes = _figure(len(chart.marks), narrow=chart.narrow)
    for row, mark in enumerate(chart.marks):
        _interval(axes, mark, row, SIDE_COLOURS[mark.side])
    _rows(axes, chart)
    values = [mark.estimate.value for mark in chart.marks if mark.estimate]
    _value_axis(axes, chart, log=bool(values) and min(values) > 0)
    _reference(axes, chart)
    return figure


def _lines(chart: Chart) -> Figure:
    figure, axes = _figure(0, height=3.2)
    for index, mark in enumerate(chart.marks):
        axes.plot(
            mark.positions,
            mark.values,
            color=SIDE_COLOURS[mark.side],
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            marker=LINE_MARKERS[index % len(LINE_MARKERS)],
            markersize=5,
            linewidth=1.3,
            label=_name(mark.name),
        )
    axes.set_xlabel("runs, oldest first" if chart.kind == "trend" else "instances running at once")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _value_axis(axes, chart, log=chart.kind == "trend" and _positive(chart), which="y")
    _legend(axes, figure, 3)
    return figure


def _history(chart: Chart) -> Figure:
    """Every run a dot at its date (days since 1970), the median of each stretch a line, each cut a dashed line."""
    figure, axes = _figure(0, height=2.9, narrow=chart.narrow)
    many = sum(len(mark.values) for mark in chart.marks) > RASTER_FROM
    colours = PICTURE_COLOURS if many else SIDE_COLOURS
    for index, mark in enumerate(chart.marks):
        axes.plot(
            mark.positions,
            mark.values,
            linestyle="",
            marker=LINE_MARKERS[index % len(LINE_MARKERS)],
            markersize=4,
            color=colours[mark.side],
            markeredgewidth=0,
            rasterized=many,
        )
        if mark.estimate is not None:
            axes.plot([mark.positions[0], mark.positions[-1]], [mark.estimate.value] * 2, color=INK, linewidth=1.8)
    for position in chart.cuts:
        axes.axvline(position, color=MUTED, linewidth=1, linestyle="--", zorder=1)
    axes.margins(y=0.15)
    dates = AutoDateLocator(minticks=3, maxticks=5 if chart.narrow else 9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(dates)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(dates))  # type: ignore[no-untyped-call]
    _value_axis(axes, chart, log=False, which="y")
    return figure


DRAWERS: Mapping[str, Callable[[Chart], Figure]] = {
    "strip": _strip,
    "ecdf": _ecdf,
    "order": _order,
    "phases": _phases,
    "stack": _phases,
    "forest": _forest,
    "lines": _lines,
    "trend": _lines,
    "history": _history,
}
