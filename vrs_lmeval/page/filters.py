"""A summary of models -> what the page filters them by: size, training data and base model, as models.yaml says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vrs_lmeval.leaderboard.summary import BoardSummary

FIELDS = {"training": "training data", "size": "size", "base": "base model"}
"""Keys of models.yaml, and how the page calls them."""

NOT_GIVEN = "not given"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to filter by: its values with the number of models of each, "not given" last."""

    name: str
    title: str
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """`models`: each model's label and the values of its fields; a model's number is its place. `numbers`: by label.

    `fields` holds those in which models differ.
    """

    models: tuple[Mapping[str, str], ...]
    fields: tuple[Field, ...]

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each model, by its label."""
        return {model["label"]: number for number, model in enumerate(self.models)}


def find_filters(summary: BoardSummary) -> Filters:
    """The filters of all models of the summary, numbered in its order."""
    cards = [(model.label, next(iter(model.standings.values())).card) for model in summary.models]
    models = [{"label": label} | {name: getattr(card, name) or NOT_GIVEN for name in FIELDS} for label, card in cards]
    counted = {name: Counter(model[name] for model in models) for name in FIELDS}
    fields = [
        Field(name, title, tuple(sorted(counted[name].items(), key=lambda each: _order(each[0]))))
        for name, title in FIELDS.items()
        if len(counted[name]) > 1
    ]
    return Filters(tuple(models), tuple(fields))


def _order(value: str) -> tuple[bool, list[float | str]]:
    """7B before 13B, "not given" last."""
    parts = re.split(r"(\d+(?:\.\d+)?)", value.casefold())  # numbers stand at the odd places
    return value == NOT_GIVEN, [float(part) if place % 2 else part for place, part in enumerate(parts)]
