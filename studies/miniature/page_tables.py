"""numbers.json of a study -> the marked part of docs/study.md: a table and a forest plot of every task."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.miniature.report import NUMBERS, SHOWN

BEGIN, END = "<!-- written by studies.miniature.run: begin -->", "<!-- end -->"

REACH, WIDTH = 0.3, 61
"""Of a forest plot: VRS from -REACH to REACH on so many characters; what lies outside is drawn at the edge."""

HEADINGS = ("arm", "models", "accuracy", "blank", "another image", "no image", "VRS", "sd over seeds")


def write_page(output: Path, page: Path) -> None:
    """Replace the marked part of `page` by the tables of `output`/numbers.json."""
    numbers = json.loads((output / NUMBERS).read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)
    if not marked.search(text):
        raise ValueError(f"{page}: has no part between {BEGIN} and {END}")
    page.write_text(marked.sub(lambda _: f"{BEGIN}\n{make_tables(numbers)}{END}", text), encoding="utf-8")


def make_tables(numbers: Mapping[str, Any]) -> str:
    """Markdown: what was trained, then a table and a forest plot of each task."""
    parts = [_tell_models(numbers)]
    for split, content in numbers["splits"].items():
        for task, found in content["tasks"].items():
            parts.append(f"### {split}: `{task}`, {found['questions']} questions on {found['images']} images\n")
            order = order_arms(numbers["settings"]["arms"], found["arms"])
            parts.append(_make_table(order, found["arms"]))
            parts.append(draw_forest(order, found["arms"]))
            if (contrast := found["contrast"]) is not None:
                sentences = [contrast["conclusion"], contrast["matched_conclusion"]]
                parts.append("\n".join(f"- {sentence}" for sentence in sentences if sentence) + "\n")
        if content["overall"] is not None:
            parts.append(f"{split}, overall: {content['overall']['conclusion']}\n")
    return "\n".join(parts)


def order_arms(arms: Sequence[str], found: Iterable[str]) -> list[str]:
    """Each arm, and behind it the same on fewer pairs ("mixed 50 %", "mixed 25 %"), the most first."""

    parts = [(name, *name.removesuffix(" %").rsplit(" ", 1)) for name in found if name.endswith(" %")]
    parts.sort(key=lambda part: -int(part[2]))
    return [name for arm in arms for name in (arm, *(part for part, of_arm, _ in parts if of_arm == arm))]


def _tell_models(numbers: Mapping[str, Any]) -> str:
    settings, models = numbers["settings"], numbers["models"]
    planned = len(settings["splits"]) * len(settings["arms"]) * settings["seeds"] * len(settings["shares"])
    asked = sum(_count_models(split["tasks"]) for split in numbers["splits"].values())
    told = [f"{asked} of the {planned} models of the configuration have been trained and asked"]
    for split in settings["splits"]:
        trained = [model for model in models if model["split"] == split and model["share"] == 1]
        if trained:
            pairs, images = _span(model["pairs"] for model in trained), _span(model["images"] for model in trained)
            told.append(f"{split}: {pairs} pairs on {images} images each")
    return "; ".join(told) + ".\n"


def _count_models(tasks: Mapping[str, Any]) -> int:
    return max((sum(arm["models"] for arm in task["arms"].values()) for task in tasks.values()), default=0)


def _span(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _make_table(order: Sequence[str], arms: Mapping[str, Any]) -> str:
    headings = (*HEADINGS, "minus authentic, by seed")
    rows = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    for arm in (arm for arm in order if arm in arms):
        row = arms[arm]
        cells = [arm, str(row["models"]), *(_number(row[metric]) for metric in SHOWN)]
        cells += [_interval(row["vrs"]), _number(row["sd_over_seeds"]), _interval(row["minus_reference"])]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(value: Mapping[str, Any] | None) -> str:
    if value is None or value["estimate"] is None:
        return ""
    if value["low"] is None:
        return f"{value['estimate']:+.3f} ({value['reason']})"
    return f"{value['estimate']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]"


def draw_forest(order: Sequence[str], arms: Mapping[str, Any]) -> str:
    """VRS with its interval as text; the bar is 0. Empty where no arm has an interval."""
    name_width = max(11, *map(len, order))
    lines = [f"{'VRS':>{name_width}}  {-REACH:+.2f}{'0':^{WIDTH - 10}}{REACH:+.2f}"]
    for arm in (arm for arm in order if arm in arms and arms[arm]["vrs"]["low"] is not None):
        low, middle, high = (_place(arms[arm]["vrs"][key]) for key in ("low", "estimate", "high"))
        line = [" "] * WIDTH
        line[low : high + 1] = "-" * (high + 1 - low)
        line[WIDTH // 2] = "|"
        line[middle] = "o"
        lines.append(f"{arm:>{name_width}}  {''.join(line).rstrip()}")
    return "".join(f"    {line}\n" for line in lines) if len(lines) > 1 else ""


def _place(value: float) -> int:
    return max(0, min(WIDTH - 1, round((value / REACH + 1) / 2 * (WIDTH - 1))))
