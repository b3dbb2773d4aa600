"""A leaderboard's numbers -> plotly figures. Colours are Okabe and Ito's (2008), told apart with any colour vision."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

from plotly import graph_objects as go
from plotly.subplots import make_subplots

from vrs_lmeval.leaderboard.board import Standing, TaskBoard
from vrs_lmeval.leaderboard.groups import GroupContrast
from vrs_lmeval.records import Interval

COLOUR_OF_TRAINING = {
    "synthetic": "#D55E00",
    "authentic": "#0072B2",
    "mixed": "#CC79A7",
    "text-only": "#009E73",
    None: "#555555",
}
SYMBOL_OF_TRAINING = {
    "synthetic": "diamond",
    "authentic": "circle",
    "mixed": "square",
    "text-only": "triangle-up",
    None: "x",
}
CURVE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CURVE_DASHES = ("solid", "dash", "dot", "dashdot")

GROUPS, PAIRS = "groups of models", "pairs of one base model"

SEVERITY_NAME = re.compile(r"acc_(?P<kind>[a-z_]+)_(?P<severity>\d+)$")

LABEL_PLACES = ("top center", "bottom center", "middle right", "middle left")
"""In turn, so that labels of neighbours overlap less."""

PANELS_A_ROW, ROWS_OF_A_PANEL = 2, 6

FIGURE_HEIGHT, ROW_HEIGHT = 140, 34  # pixels, around the axes and per model


def draw_vrs(board: TaskBoard) -> go.Figure:
    """VRS of every model with its interval, the highest on top; 0 is marked."""
    figure = _make_figure(len(board.standings), "VRS")
    for training in COLOUR_OF_TRAINING:
        chosen = [standing for standing in board.standings if standing.card.training == training]
        if chosen:
            figure.add_trace(_trace_of_models(training, chosen))
    figure.update_yaxes(categoryorder="array", categoryarray=[escape(s.label) for s in reversed(board.standings)])
    figure.add_vline(x=0, line_color="#333333", line_width=1)
    return figure


def draw_accuracy(board: TaskBoard) -> go.Figure:
    """VRS against accuracy: right answers that come from the image lie high."""
    figure = _make_figure(9, "accuracy with the image")
    for training in COLOUR_OF_TRAINING:
        chosen = [standing for standing in board.standings if standing.card.training == training]
        if chosen:
            figure.add_trace(
                go.Scatter(
                    x=[s.metrics["acc"].estimate for s in chosen],
                    y=[s.metrics["vrs"].estimate for s in chosen],
                    text=[escape(s.label) for s in chosen],
                    mode="markers" if len(board.standings) > 12 else "markers+text",
                    textposition=[LABEL_PLACES[i % len(LABEL_PLACES)] for i in range(len(chosen))],
                    name=training or "training data not given",
                    marker={"color": COLOUR_OF_TRAINING[training], "symbol": SYMBOL_OF_TRAINING[training], "size": 11},
                )
            )
    figure.add_vline(x=board.blind_floor, line_dash="dot", annotation_text="blind floor")
    figure.add_hline(y=0, line_color="#333333", line_width=1)
    figure.update_xaxes(range=[-0.05, 1.1])  # room for labels
    figure.update_yaxes(title="VRS")
    return figure


def draw_severity(board: TaskBoard) -> go.Figure | None:
    """Accuracy against severity, a panel per perturbation and a line per model; None without graded variants."""
    curves = [_find_curves(standing) for standing in board.standings]
    kinds = sorted({kind for of_model in curves for kind in of_model})
    if not kinds:
        return None
    columns = min(PANELS_A_ROW, len(kinds))
    rows = math.ceil(len(kinds) / columns)
    titles = [kind.replace("_", " ") for kind in kinds]
    figure = make_subplots(rows, columns, subplot_titles=titles, shared_yaxes=True, vertical_spacing=0.35 / rows)
    figure.update_layout(_layout(rows * ROWS_OF_A_PANEL))
    figure.update_layout(margin_t=70, legend_y=1 + 30 / figure.layout.height)  # above the titles of the first row
    for index, (standing, of_model) in enumerate(zip(board.standings, curves, strict=True)):
        first = next((kind for kind in kinds if kind in of_model), None)
        line = {
            "color": CURVE_COLOURS[index % len(CURVE_COLOURS)],
            "dash": CURVE_DASHES[index // len(CURVE_COLOURS) % len(CURVE_DASHES)],
        }
        for place, kind in enumerate(kinds):
            severities, accuracies = zip(*of_model.get(kind, [(None, None)]), strict=True)
            figure.add_trace(
                go.Scatter(
                    x=severities,
                    y=accuracies,
                    name=escape(standing.label),
                    legendgroup=str(index),
                    showlegend=kind == first,
                    mode="lines+markers",
                    line=line,
                ),
                row=place // columns + 1,
                col=place % columns + 1,
            )
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(range=[0, 1.02], automargin=True)
    return figure


def draw_contrasts(contrasts: Sequence[GroupContrast]) -> go.Figure:
    """Forest plot: synthetic minus authentic per task and overall, and each pair of one base model."""
    rows: list[tuple[str, Interval, str]] = []
    for contrast in contrasts:
        rows.append((f"<b>{escape(contrast.task)}</b>", contrast.difference, GROUPS))
        rows += [
            (f"{escape(contrast.task)}: {escape(pair.first)} - {escape(pair.second)}", pair.difference, PAIRS)
            for pair in contrast.pairs
        ]
    figure = _make_figure(len(rows), "VRS of synthetic minus VRS of authentic")
    for kind, symbol, colour in ((GROUPS, "square", "#000000"), (PAIRS, "circle", "#0072B2")):
        chosen = [(label, interval) for label, interval, of in rows if of == kind]
        if chosen:
            marker = {"symbol": symbol, "color": colour, "size": 10}
            figure.add_trace(_trace_of_intervals(*zip(*chosen, strict=True), name=kind, marker=marker))
    figure.update_yaxes(categoryorder="array", categoryarray=[label for label, _, _ in reversed(rows)])
    figure.add_vline(x=0, line_color="#333333", line_width=1)
    return figure


def escape(text: str) -> str:
    """Plotly reads some HTML in its texts."""
    return html.escape(text)


def _find_curves(standing: Standing) -> dict[str, list[tuple[int, float]]]:
    """By kind of perturbation: (severity, accuracy), beginning with the real image as severity 0."""
    means: dict[str, list[float]] = {}
    for sample in standing.run.samples:
        for name, value in sample.values.items():
            if SEVERITY_NAME.match(name) and value is not None:
                means.setdefault(name, []).append(value)
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, values in means.items():
        found = SEVERITY_NAME.match(name)
        assert found is not None  # it was matched above
        start = [(0, standing.metrics["acc"].estimate)]
        curves.setdefault(found["kind"], start).append((int(found["severity"]), sum(values) / len(values)))
    return {kind: sorted(points) for kind, points in curves.items()}


def _trace_of_models(training: str | None, standings: Sequence[Standing]) -> go.Scatter:
    marker = {"color": COLOUR_OF_TRAINING[training], "symbol": SYMBOL_OF_TRAINING[training], "size": 11}
    labels = [escape(standing.label) for standing in standings]
    intervals = [standing.metrics["vrs"] for standing in standings]
    return _trace_of_intervals(labels, intervals, name=training or "training data not given", marker=marker)


def _trace_of_intervals(
    labels: Sequence[str], intervals: Sequence[Interval], *, name: str, marker: dict[str, object]
) -> go.Scatter:
    """Points with error bars; plotly leaves out the bar of an interval that is NaN."""
    return go.Scatter(
        x=[interval.estimate for interval in intervals],
        y=list(labels),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [interval.high - interval.estimate for interval in intervals],
            "arrayminus": [interval.estimate - interval.low for interval in intervals],
        },
        mode="markers",
        name=name,
        marker=marker,
    )


def _layout(rows: int) -> go.Layout:
    return go.Layout(
        template="plotly_white",
        height=FIGURE_HEIGHT + ROW_HEIGHT * max(rows, 3),
        margin={"l": 10, "r": 10, "t": 30, "b": 50},
        font={"size": 14, "family": "system-ui, sans-serif", "color": "#1a1a1a"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        dragmode=False,  # a finger on the chart scrolls the page
    )


def _make_figure(rows: int, x_title: str) -> go.Figure:
    figure = go.Figure(layout=_layout(rows))
    figure.update_xaxes(title=x_title, automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
