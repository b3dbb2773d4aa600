"""models.yaml -> what is known of each model beyond its results: training data, base model, size."""

from __future__ import annotations

from collections.abc import Mapping
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


def read_card(where: str, entry: Any) -> ModelCard:
    """One model's entry -> its card. Raises UnreadableCardsError, which begins with `where`."""
    known = [field.name for field in fields(ModelCard)]
    if not isinstance(entry, Mapping) or not set(entry) <= set(known):
        raise UnreadableCardsError(f"{where}: should hold some of {', '.join(known)}, not {entry!r}")
    training = entry.get("training")
    if training is not None and training not in TRAINING_KINDS:
        raise UnreadableCardsError(f"{where}: training {training!r} is none of {', '.join(TRAINING_KINDS)}")
    trained_on = entry.get("trained_on", [])
    if not isinstance(trained_on, list):
        raise UnreadableCardsError(f"{where}: trained_on should be a list of tasks, not {trained_on!r}")
    texts = {key: str(entry[key]) for key in ("label", "base", "size") if entry.get(key) is not None}
    return ModelCard(**texts, training=training, trained_on=tuple(str(task) for task in trained_on))
