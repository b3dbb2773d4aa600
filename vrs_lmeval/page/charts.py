"""A leaderboard's numbers -> plotly figures. The colours are Okabe and Ito's (2008): people with any colour vision can
tell them apart."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping, Sequence

from plotly import graph_objects as go
from plotly.subplots import make_subplots

from vrs_lmeval.leaderboard.board import Standing, TaskBoard
from vrs_lmeval.leaderboard.groups import GroupContrast
from vrs_lmeval.leaderboard.modality_reliance import ModalityReliance
from vrs_lmeval.leaderboard.reliability import Bin
from vrs_lmeval.metrics.calibration import VARIANTS
from vrs_lmeval.records import Interval
from vrs_lmeval.variants.severities import find_graded

COLOUR_OF_TRAINING = {
    "synthetic": "#D55E00",
    "authentic": "#0072B2",
    "mixed": "#CC79A7",
    "text-only": "#009E73",
    None: "#767676",  # 4.5 to 1 on white, 4 to 1 on the dark page
}
SYMBOL_OF_TRAINING = {
    "synthetic": "diamond",
    "authentic": "circle",
    "mixed": "square",
    "text-only": "triangle-up",
    None: "x",
}
CURVE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#767676")
CURVE_DASHES = ("solid", "dash", "dot", "dashdot")

GROUPS, MATCHED, PAIRS = "groups", "same bases, together", "pairs of one base"

LABEL_PLACES = {"top center": (0, 1), "bottom center": (0, -1), "middle right": (1, 0), "middle left": (-1, 0)}
"""Where a label may stand beside its point, as plotly's name and as direction (right, up)."""

PHONE = (300, 330)
"""Width and height in pixels of the scatter plot's axes on a phone: labels that fit there fit everywhere."""

LETTER = (8, 16)
"""Width and height in pixels of one letter of a label."""

LONGEST_LINE = 18
"""Characters per line of a name on the forest plot's axis: a phone needs the room for the plot."""

PANELS_A_ROW, ROWS_OF_A_PANEL = 2, 6

RELIABILITY_ROWS = 9
"""Height of a panel in rows, chosen so that it is nearly square on a desktop."""

SYMBOLS_OF_VARIANTS = ("circle", "square", "diamond", "triangle-up")
"""Markers of the variants, in the order of `calibration.VARIANTS`."""

MANY_ROWS = 40
FIGURE_HEIGHT, ROW_HEIGHT, LOW_ROW_HEIGHT = 140, 34, 18  # pixels: around the axes, per model, per one of many


def draw_vrs(board: TaskBoard) -> go.Figure:
    """VRS of every model with its interval, the highest on top; 0 is marked."""
    rows = [(escape(standing.label), standing.metrics["vrs"]) for standing in board.standings]
    figure = _make_figure(len(rows), "VRS")
    for training in COLOUR_OF_TRAINING:
        places = [place for place, s in enumerate(board.standings) if s.card.training == training]
        marker = {"color": COLOUR_OF_TRAINING[training], "symbol": SYMBOL_OF_TRAINING[training], "size": 11}
        _add_intervals(figure, rows, places, name=training or "training data not given", marker=marker)
    shorten = _wrap if len(rows) <= MANY_ROWS else _cut
    _name_rows(figure, [shorten(standing.label) for standing in board.standings])
    return figure


def draw_accuracy(board: TaskBoard) -> go.Figure:
    """VRS against accuracy: models whose right answers come from the image lie high. Overlapping names are left out."""
    figure = _make_figure(9, "accuracy with the image")
    places = _place_labels(board.standings)
    for training in COLOUR_OF_TRAINING:
        chosen = [index for index, s in enumerate(board.standings) if s.card.training == training]
        if chosen:
            standings = [board.standings[index] for index in chosen]
            names = [escape(s.label) for s in standings]
            figure.add_trace(
                go.Scatter(
                    x=[s.metrics["acc"].estimate for s in standings],
                    y=[s.metrics["vrs"].estimate for s in standings],
                    text=[name if index in places else "" for index, name in zip(chosen, names, strict=True)],
                    hovertext=names,
                    mode="markers+text",
                    textposition=[places.get(index, "top center") for index in chosen],
                    name=training or "training data not given",
                    marker={"color": COLOUR_OF_TRAINING[training], "symbol": SYMBOL_OF_TRAINING[training], "size": 11},
                )
            )
    figure.add_vline(x=board.blind_floor, line_dash="dot", annotation_text="blind floor by question")
    figure.add_hline(y=0, line_color="#333333", line_width=1)
    figure.update_xaxes(range=[-0.05, 1.1])  # room for labels
    figure.update_yaxes(title="VRS")
    return figure


def _place_labels(standings: Sequence[Standing]) -> dict[int, str]:
    """By index of the model, the place of its name; names that find no room beside their point are missing."""
    points = [(s.metrics["acc"].estimate, s.metrics["vrs"].estimate) for s in standings]
    lowest = min(0.0, *(y for _, y in points))
    height = max(0.0, *(y for _, y in points)) - lowest or 1.0
    centres = [((x + 0.05) / 1.15 * PHONE[0], (y - lowest) / height * PHONE[1]) for x, y in points]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in centres]
    places = {}
    for index, (standing, (x, y)) in enumerate(zip(standings, centres, strict=True)):
        half_width, half_height = len(standing.label) * LETTER[0] / 2, LETTER[1] / 2
        for place, (right, up) in LABEL_PLACES.items():
            middle_x, middle_y = x + right * (half_width + 8), y + up * (half_height + 8)
            box = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
            is_inside = box[0] > -LETTER[0] and box[2] < PHONE[0] + LETTER[0]
            if is_inside and not any(_overlap(box, other) for other in taken):
                places[index] = place
                taken.append(box)
                break
    return places


def _overlap(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Whether two boxes (left, bottom, right, top) overlap."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def draw_severity(board: TaskBoard, most: int = 12) -> go.Figure | None:
    """Accuracy against severity, a panel per perturbation and a line for each of the first `most` models.

    None if the board has no graded variants.
    """
    standings = board.standings[:most]
    curves = [_find_curves(standing, board.variant_names) for standing in standings]
    kinds = sorted({kind for of_model in curves for kind in of_model})
    if not kinds:
        return None
    columns = min(PANELS_A_ROW, len(kinds))
    figure = _make_panels([kind.replace("_", " ") for kind in kinds], ROWS_OF_A_PANEL)
    for index, (standing, of_model) in enumerate(zip(standings, curves, strict=True)):
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


def draw_reliability(models: Sequence[tuple[str, Mapping[str, Sequence[Bin]]]]) -> go.Figure | None:
    """Accuracy against confidence, a panel per model and a line per variant; on the diagonal a model is calibrated.

    `models`: label, and the bins of each variant. A marker's area grows with its questions. None if no model has bins.
    """
    drawn = [(label, bins) for label, bins in models if bins]
    if not drawn:
        return None
    figure = _make_panels([_cut(label) for label, _ in drawn], RELIABILITY_ROWS)
    for place, (_, bins) in enumerate(drawn):
        cell = {"row": place // PANELS_A_ROW + 1, "col": place % PANELS_A_ROW + 1}
        diagonal = {"color": "#333333", "width": 1, "dash": "dot"}
        figure.add_trace(
            go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=diagonal, showlegend=False, hoverinfo="skip"), **cell
        )
        for index, variant in enumerate(VARIANTS):
            if variant in bins:
                is_first = all(variant not in before for _, before in drawn[:place])
                figure.add_trace(_draw_bins(bins[variant], variant, index, showlegend=is_first), **cell)
    figure.update_xaxes(range=[0, 1.02], dtick=0.5, title="confidence", title_standoff=4)
    figure.update_yaxes(range=[-0.02, 1.02], dtick=0.25, automargin=True)
    figure.update_yaxes(title="accuracy", col=1)
    return figure


def draw_modalities(
    models: Sequence[tuple[str, ModalityReliance]], floors: Sequence[tuple[str, Interval]] = ()
) -> go.Figure | None:
    """Reliance on the text against reliance on the image, a point a model; models without eyes stand where VRS is 0.

    None if no model was asked another image's question.
    """
    if not models:
        return None
    figure = _make_figure(9, "reliance on the image (VRS)")
    figure.add_hline(y=0, line_color="#333333", line_width=1)
    figure.add_vline(x=0, line_color="#333333", line_width=1)
    for index, (label, reliance) in enumerate(models):
        colour = CURVE_COLOURS[index % len(CURVE_COLOURS)]
        figure.add_trace(_draw_reliance(label, reliance.image, reliance.text, colour, "circle"))
    for label, text in floors:
        no_image = Interval(0.0, 0.0, 0.0, "shown no image", text.n, text.clusters)
        figure.add_trace(_draw_reliance(f"{label} (no image)", no_image, text, COLOUR_OF_TRAINING[None], "x"))
    figure.update_yaxes(title="reliance on the text")
    return figure


def _draw_reliance(label: str, image: Interval, text: Interval, colour: str, symbol: str) -> go.Scatter:
    def bar(interval: Interval) -> dict[str, object]:
        ends = {"array": [interval.high - interval.estimate], "arrayminus": [interval.estimate - interval.low]}
        return {"type": "data", "symmetric": False, "color": colour, "thickness": 1, "width": 3, **ends}

    return go.Scatter(
        x=[image.estimate],
        y=[text.estimate],
        error_x=bar(image),
        error_y=bar(text),
        mode="markers",
        name=escape(label),
        marker={"color": colour, "symbol": symbol, "size": 11},
        text=[f"{text.n} yes/no questions on {text.clusters} images"],
        hovertemplate=f"{escape(label)}: image %{{x:.3f}}, text %{{y:.3f}}, %{{text}}<extra></extra>",
    )


def _draw_bins(bins: Sequence[Bin], variant: str, index: int, *, showlegend: bool) -> go.Scatter:
    accuracies = [each.accuracy for each in bins]
    most = max(accuracy.n for accuracy in accuracies)
    return go.Scatter(
        x=[each.confidence for each in bins],
        y=[accuracy.estimate for accuracy in accuracies],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [accuracy.high - accuracy.estimate for accuracy in accuracies],
            "arrayminus": [accuracy.estimate - accuracy.low for accuracy in accuracies],
            "color": f"{CURVE_COLOURS[index]}66",  # pale: the bars of three variants cross
            "thickness": 1,
            "width": 2,
        },
        text=[f"{accuracy.n} questions on {accuracy.clusters} images" for accuracy in accuracies],
        hovertemplate=f"{escape(variant)}: confidence %{{x:.3f}}, accuracy %{{y:.3f}}, %{{text}}<extra></extra>",
        name=escape(variant),
        legendgroup=variant,
        showlegend=showlegend,
        mode="lines+markers",
        line={"color": CURVE_COLOURS[index], "width": 1.5},
        marker={
            "symbol": SYMBOLS_OF_VARIANTS[index],
            "size": [max(5.0, 11 * math.sqrt(accuracy.n / most)) for accuracy in accuracies],
        },
    )


def _make_panels(titles: Sequence[str], rows_of_a_panel: int) -> go.Figure:
    """A figure with PANELS_A_ROW panels beside each other; the legend stands above the titles of the first row."""
    columns = min(PANELS_A_ROW, len(titles))
    rows = math.ceil(len(titles) / columns)
    figure = make_subplots(rows, columns, subplot_titles=titles, shared_yaxes=True, vertical_spacing=0.35 / rows)
    figure.update_layout(_layout(rows * rows_of_a_panel))
    figure.update_layout(margin_t=70, legend_y=1 + 30 / figure.layout.height)
    return figure


def draw_contrasts(contrasts: Sequence[GroupContrast]) -> go.Figure:
    """Forest plot: synthetic minus authentic per task and overall, within base models, and each pair of one base."""
    rows: list[tuple[str, Interval, str]] = []
    for contrast in contrasts:
        rows.append((f"<b>{_wrap(contrast.task)}</b>", contrast.difference, GROUPS))
        if contrast.matched is not None:
            rows.append(("same base, together", contrast.matched, MATCHED))
        rows += [(_wrap(f"{pair.first} \u2212 {pair.second}"), pair.difference, PAIRS) for pair in contrast.pairs]
    figure = _make_figure(len(rows), "VRS, synthetic \u2212 authentic")
    for kind, symbol, colour in (
        (GROUPS, "square", "#000000"),
        (MATCHED, "diamond", "#D55E00"),
        (PAIRS, "circle", "#0072B2"),
    ):
        places = [place for place, (_, _, of) in enumerate(rows) if of == kind]
        marker = {"symbol": symbol, "color": colour, "size": 10}
        _add_intervals(figure, [row[:2] for row in rows], places, name=kind, marker=marker)
    _name_rows(figure, [label for label, _, _ in rows])
    return figure


def _wrap(name: str) -> str:
    """The name, escaped, in at most two lines of LONGEST_LINE characters, broken at a space if there is one."""
    lines = textwrap.wrap(name, LONGEST_LINE)
    rest = [_cut(" ".join(lines[1:]))] if len(lines) > 1 else []
    return "<br>".join([escape(lines[0]), *rest]) if lines else escape(name)


def _cut(name: str) -> str:
    return escape(name if len(name) <= LONGEST_LINE else f"{name[: LONGEST_LINE - 1]}\u2026")


def escape(text: str) -> str:
    """The text with HTML's special characters escaped, since plotly reads some HTML in its texts."""
    return html.escape(text)


def _find_curves(standing: Standing, variants: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """By kind of perturbation the points (severity, accuracy); severity 0 is the real image."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for variant in variants:
        graded = find_graded(variant)
        if graded is None or len(graded[0].severities) == 1:  # rotated_2 turns the options, rotate_90 the image
            continue
        values = [sample.values.get(f"acc_{variant}") for sample in standing.run.samples]
        if known := [value for value in values if value is not None]:
            kind, _, severity = variant.rpartition("_")
            start = [(0, standing.metrics["acc"].estimate)]
            curves.setdefault(kind, start).append((int(severity), sum(known) / len(known)))
    return {kind: sorted(points) for kind, points in curves.items()}


def _add_intervals(
    figure: go.Figure,
    rows: Sequence[tuple[str, Interval]],
    places: Sequence[int],
    *,
    name: str,
    marker: dict[str, object],
) -> None:
    """Add points with error bars for the rows at `places`, if any; plotly leaves out the bar of a NaN interval."""
    if not places:
        return
    intervals = [rows[place][1] for place in places]
    figure.add_trace(
        go.Scatter(
            x=[interval.estimate for interval in intervals],
            y=list(places),
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [interval.high - interval.estimate for interval in intervals],
                "arrayminus": [interval.estimate - interval.low for interval in intervals],
            },
            mode="markers",
            name=name,
            marker=marker,
            text=[rows[place][0] for place in places],
            hovertemplate="%{text}: %{x:.3f}<extra></extra>",
        )
    )


def _name_rows(figure: go.Figure, labels: Sequence[str]) -> None:
    """Name the rows, the first on top, and mark 0. Rows are known by place: two models may share a name."""
    count = len(labels)
    figure.update_yaxes(tickvals=list(range(count)), ticktext=list(labels), range=[count - 0.5, -0.5])
    figure.add_vline(x=0, line_color="#333333", line_width=1)


def _layout(rows: int) -> go.Layout:
    return go.Layout(
        template="plotly_white",
        height=FIGURE_HEIGHT + (ROW_HEIGHT if rows <= MANY_ROWS else LOW_ROW_HEIGHT) * max(rows, 3),
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
