"""lora.yaml -> the settings of a study of adapters, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from studies.miniature.arms import ARMS
from studies.miniature.configuration import UnreadableSettingsError, check_numbers
from studies.miniature.pairs import SPLITS

PRECISIONS = ("bfloat16", "float16", "float32")


@dataclass(frozen=True, slots=True)
class Lora:
    """`targets` is a regular expression that the whole name of an adapted layer fits."""

    rank: int
    alpha: int
    dropout: float
    targets: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """How an adapter is trained. `steps`: stop after so many; None: after `epochs`."""

    epochs: int
    batch_size: int
    pairs_at_once: int
    learning_rate: float
    weight_decay: float
    warmup: float
    letters: float
    gradient_checkpointing: bool
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole study. `images`: train on so many images alone; None: on all."""

    base: str
    split: str
    arms: tuple[str, ...]
    seeds: int
    precision: str
    lora: Lora
    training: Schedule
    tasks: tuple[str, ...]
    arguments: Mapping[str, Any]
    images: int | None = None

    def describe_training(self) -> dict[str, Any]:
        """What an adapter depends on, beside its arm and seed."""
        return {
            name: value for name, value in asdict(self).items() if name not in ("arms", "seeds", "tasks", "arguments")
        }


def read_settings(path: Path) -> Settings:
    """Raises UnreadableSettingsError, which names the file and the key."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        parts = {"lora": Lora(**content["lora"]), "training": Schedule(**content["training"])}
        lists = {name: tuple(content[name]) for name in ("arms", "tasks")}
        if not all(isinstance(content[name], list) for name in lists):
            raise TypeError("arms and tasks should be lists")
        settings = Settings(**{**content, **parts, **lists})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        known = ", ".join(field.name for field in fields(Settings))
        raise UnreadableSettingsError(f"{path}: not a configuration of this study ({known}): {error!r}") from error
    for name, given, allowed in (
        ("split", {settings.split}, SPLITS),
        ("arms", set(settings.arms), ARMS),
        ("precision", {settings.precision}, PRECISIONS),
    ):
        if not given <= set(allowed):
            raise UnreadableSettingsError(f"{path}: {name} should be of {', '.join(allowed)}, not {', '.join(given)}")
    check_numbers(path, settings, settings.lora, settings.training)
    if settings.training.batch_size % settings.training.pairs_at_once:
        raise UnreadableSettingsError(f"{path}: batch_size should be a multiple of pairs_at_once")
    return settings
