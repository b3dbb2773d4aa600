"""What a chart is made of: plain records in data units; `charts.html` draws them as SVG when the page is made."""

from __future__ import annotations

from dataclasses import dataclass

from vrs_lmeval.page.axes import Axis
from vrs_lmeval.records import Interval


@dataclass(frozen=True, slots=True)
class Label:
    """A mark's name beside it. `side`: above, below, right or left. `screen`: narrow or wide; only there it shows."""

    text: str
    side: str
    screen: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point, perhaps with intervals. `says` is its text: what a screen reader reads, and what hovering shows.

    `colour` and `symbol` name a class of `page.css` and a shape of `charts.html`; `models` are numbers of
    `filters.Filters`, by which the page hides it; `size` is 1 for a mark of full size.
    """

    x: float
    y: float
    says: str
    colour: str
    symbol: str
    models: tuple[int, ...] = ()
    x_ends: tuple[float, float] | None = None
    y_ends: tuple[float, float] | None = None
    size: float = 1.0
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points; `dash` counts the ways to interrupt it, 0 does not."""

    points: tuple[tuple[float, float], ...]
    colour: str
    dash: int = 0
    models: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the whole panel at a value of one axis; dotted where it has a text."""

    axis: str  # "x" or "y"
    value: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes with what is drawn in it, `height` pixels high; its width is the page's."""

    x: Axis
    y: Axis
    height: int
    title: str = ""
    marks: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()
    rules: tuple[Rule, ...] = ()
    models: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the legend; hidden where all its models are. `dash`: of its line; None without one."""

    text: str
    colour: str
    symbol: str
    dash: int | None = None
    models: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Panels with one legend."""

    panels: tuple[Panel, ...]
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A row of a forest plot: a name, and an estimate with its interval."""

    name: str
    mark: Mark
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Forest:
    """Estimates with intervals below each other on one axis, on which 0 is marked."""

    axis: Axis
    rows: tuple[ForestRow, ...]
    keys: tuple[Key, ...]


def find_ends(interval: Interval) -> tuple[float, float] | None:
    """The limits; None if there are none."""
    return None if interval.reason is not None else (interval.low, interval.high)


def describe_interval(interval: Interval, signed: bool = False) -> str:
    """`+0.120 [+0.050, +0.190], 451 questions on 205 images`."""
    sign = "+" if signed else ""
    if (ends := find_ends(interval)) is None:
        limits = f"no interval: {interval.reason}"
    else:
        limits = f"[{ends[0]:{sign}.3f}, {ends[1]:{sign}.3f}]"
    return f"{interval.estimate:{sign}.3f} {limits}, {interval.n} questions on {interval.clusters} images"
