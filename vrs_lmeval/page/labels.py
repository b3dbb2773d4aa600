"""Points of a scatter plot -> where their names stand, so that none covers another name or a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vrs_lmeval.page.chart_parts import Label

SIDES: Mapping[str, tuple[int, int]] = {"above": (0, 1), "below": (0, -1), "right": (1, 0), "left": (-1, 0)}
"""Where a name may stand beside its point, as direction (right, up)."""

SCREENS = {"narrow": 300, "wide": 860}
"""Least width in pixels of a plot on a phone, and where `page.css` shows the names for wide screens."""

LETTER = (7.5, 16)
"""Width and height in pixels of one letter of a name."""

MARK = 7
"""Half the width of a mark in pixels."""

Box = tuple[float, float, float, float]  # left, bottom, right, top


def place_labels(points: Sequence[tuple[float, float]], names: Sequence[str], height: int) -> list[tuple[Label, ...]]:
    """For every point the labels of narrow and of wide screens that find room; `points` are shares of both axes."""
    found: list[list[Label]] = [[] for _ in points]
    for screen, width in SCREENS.items():
        for index, side in _place_all(points, names, width, height).items():
            found[index].append(Label(names[index], side, screen))
    return [tuple(labels) for labels in found]


def _place_all(points: Sequence[tuple[float, float]], names: Sequence[str], width: int, height: int) -> dict[int, str]:
    centres = [(x * width, y * height) for x, y in points]
    taken: list[Box] = [(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in centres]
    sides: dict[int, str] = {}
    for index, (name, (x, y)) in enumerate(zip(names, centres, strict=True)):
        half_width, half_height = len(name) * LETTER[0] / 2, LETTER[1] / 2
        for side, (right, up) in SIDES.items():
            middle_x, middle_y = x + right * (half_width + MARK + 2), y + up * (half_height + MARK + 2)
            box = (middle_x - half_width, middle_y - half_height, middle_x + half_width, middle_y + half_height)
            is_inside = box[0] >= 0 and box[2] <= width and box[1] >= 0 and box[3] <= height
            if is_inside and not any(overlap(box, other) for other in taken):
                sides[index] = side
                taken.append(box)
                break
    return sides


def overlap(first: Box, second: Box) -> bool:
    """Whether two boxes overlap."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
