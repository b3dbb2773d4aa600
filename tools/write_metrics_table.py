"""The catalogue of metrics -> the table of docs/metrics.md: `python -m tools.write_metrics_table` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.metric import Metric

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
HEADING = "| name | formula | unit and range | better | form | source |\n|---|---|---|---|---|---|\n"
DIRECTIONS = {True: "higher", False: "lower", None: "neither"}


def write_table(page: str) -> str:
    """The page with its table replaced by the catalogue's."""
    rows = "".join(_make_row(metric) for metric in METRICS.values())
    return re.sub(r"^\| name \| formula \|.*?\n(?!\|)", lambda _: HEADING + rows, page, count=1, flags=re.M | re.S)


def _make_row(metric: Metric) -> str:
    better, form = DIRECTIONS[metric.higher_is_better], metric.form.name
    cells = [f"`{metric.name}`", metric.formula, metric.unit.name, better, form, metric.source]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(write_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
