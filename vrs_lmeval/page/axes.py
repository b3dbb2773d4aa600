"""A range of numbers -> an axis: where a value stands on it, and its round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ROUND_STEPS = (1.0, 2.0, 5.0, 10.0)
MOST_TICKS = 6
"""A phone has no room for more."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high` with a tick at every multiple of `step`."""

    low: float
    high: float
    step: float
    title: str = ""

    def find_share(self, value: float) -> float:
        """Where the value stands, 0 at the low end and 1 at the high one; what lies beyond an end stands on it."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def across(self, value: float) -> str:
        """The same in percent, from the left."""
        return f"{100 * self.find_share(value):.4g}"

    def down(self, value: float) -> str:
        """The same in percent, from the top."""
        return f"{100 - 100 * self.find_share(value):.4g}"

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Values and how they are written, the lowest first."""
        digits = next(count for count in range(10) if abs(round(self.step, count) - self.step) < 1e-9)
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        values = [number * self.step for number in range(first, last + 1)]
        return [(value, f"{value:.{digits}f}".replace("-", "\u2212")) for value in values]


def choose_axis(values: Iterable[float], title: str = "") -> Axis:
    """The axis with round ends that holds all values that are numbers; without any it is that of shares, 0 to 1."""
    known = [value for value in values if not math.isnan(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    rough = (high - low) / (MOST_TICKS - 2)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in ROUND_STEPS if power * each >= rough * (1 - 1e-9))
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step, title)
