"""models.yaml -> what is known of each model beyond its results: training data, base model, size."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any

import yaml

TRAINING_KINDS = ("synthetic", "authentic", "mixed", "text-only")
"""The kinds of image-text pairs that a model was tuned on; "text-only": tuned on text without images."""


class UnreadableCardsError(ValueError):
    """models.yaml is not as it should be; the message names the file and the model, and says what to do."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What models.yaml says of one model; None where it does not say."""

    label: str | None = None
    training: str | None = None
    base: str | None = None
    size: str | None = None
    trained_on: tuple[str, ...] = ()  # tasks whose data the model has seen, e.g. vrs_pmc_vqa


def read_model_cards(path: Path) -> dict[str, ModelCard]:
    """Cards by the model's name in the results (`model_name`), or its last part. Raises UnreadableCardsError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableCardsError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("models"), Mapping):
        raise UnreadableCardsError(f"{path}: should hold `models:`, and below it one entry per model name")
    return {str(name): read_card(f"{path}, {name}", entry) for name, entry in content["models"].items()}


def find_card(cards: Mapping[str, ModelCard], model: str) -> ModelCard:
    """The card of `model`; an empty one if there is none."""
    return cards.get(model) or cards.get(PurePath(model).name) or ModelCard()


def find_unused(cards: Mapping[str, ModelCard], models: Iterable[str]) -> list[str]:
    """Names of cards that are no model's, each with the model that may be meant."""
    known = list(dict.fromkeys(models))
    used = {name for model in known for name in (model, PurePath(model).name)}
    shown = list(dict.fromkeys([*known, *(PurePath(model).name for model in known)]))
    told = []
    for name in cards:
        if name not in used:
            near = difflib.get_close_matches(name, shown, n=1)
            told.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return told


def read_card(where: str, entry: Any, others: Collection[str] = ()) -> ModelCard:
    """One model's entry -> its card. Raises UnreadableCardsError, which begins with `where`.

    `others` are keys that the entry may hold, too, and that no card reads.
    """
    known = [*(field.name for field in fields(ModelCard)), *sorted(others)]
    if not isinstance(entry, Mapping):
        raise UnreadableCardsError(f"{where}: should hold some of {', '.join(known)}, not {entry!r}")
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UnreadableCardsError(f"{where}: there is no {key!r}; {hint}")
    training = entry.get("training")
    if training is not None and training not in TRAINING_KINDS:
        raise UnreadableCardsError(f"{where}: training {training!r} is none of {', '.join(TRAINING_KINDS)}")
    trained_on = entry.get("trained_on", [])
    if not isinstance(trained_on, list):
        raise UnreadableCardsError(f"{where}: trained_on should be a list of tasks, not {trained_on!r}")
    texts = {key: str(entry[key]) for key in ("label", "base", "size") if entry.get(key) is not None}
    return ModelCard(**texts, training=training, trained_on=tuple(str(task) for task in trained_on))
