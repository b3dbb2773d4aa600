"""miniature.yaml -> the study's settings, checked; `Settings.scale_down` makes the small form that tests run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from studies.miniature.arms import ARMS
from studies.miniature.pairs import SPLITS

SMALL_IMAGES, SMALL_LIMIT = 12, 8


class UnreadableSettingsError(ValueError):
    """The configuration does not say what it should; the message names the file and the key."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of the decoder: hidden units, layers, attention heads."""

    width: int
    layers: int
    heads: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a model is trained. A step takes all pairs of `images_a_step` images, so all arms take equally many."""

    epochs: int
    images_a_step: int
    learning_rate: float
    weight_decay: float
    letters: float  # how often a yes/no pair is asked as the `_mc` tasks do
    steps: int | None = None  # stop after so many; None: after `epochs`


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole study. `shares` are the parts of the pairs that the learning curve trains on; 1.0 is all of them."""

    splits: tuple[str, ...]
    arms: tuple[str, ...]
    seeds: int
    shares: tuple[float, ...]
    workers: int
    decoder: Sizes
    training: Schedule
    tasks: Mapping[str, tuple[str, ...]]  # by split
    arguments: Mapping[str, Any]  # of lm_eval
    images: int | None = None  # train on so many images; None: on all

    def scale_down(self, steps: int) -> Settings:
        """The same study, small: so many steps a model, on few images, and few questions a task."""
        return replace(
            self,
            training=replace(self.training, steps=steps),
            arguments={**self.arguments, "limit": SMALL_LIMIT},
            images=SMALL_IMAGES,
        )

    def with_seeds(self, seeds: int) -> Settings:
        """The same study with so many models an arm."""
        return replace(self, seeds=seeds)

    def with_shares(self, shares: Sequence[float]) -> Settings:
        """The same study with models that are trained on such parts of the pairs. Raises UnreadableSettingsError."""
        if not all(0 < share <= 1 for share in shares):
            raise UnreadableSettingsError(f"shares should be above 0 and at most 1, not {', '.join(map(str, shares))}")
        return replace(self, shares=tuple(dict.fromkeys(shares)))

    def describe_training(self) -> dict[str, Any]:
        """What a trained model depends on, beside its split, arm, seed and share."""
        return {"decoder": asdict(self.decoder), "training": asdict(self.training)}


def check_numbers(path: Path, *parts: Any) -> None:
    """Raises UnreadableSettingsError for a field of these dataclasses that is no number, or a count below 1."""
    for part in parts:
        for field in fields(part):
            value, kind = getattr(part, field.name), str(field.type)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if kind.startswith("float") and not is_number:
                raise UnreadableSettingsError(
                    f"{path}: {field.name} should be a number, it is {value!r} (YAML reads 2e-4 as text: write 2.0e-4)"
                )
            is_count = isinstance(value, int) and is_number and value >= 1
            if kind.startswith("int") and not is_count and not (value is None and kind.endswith("None")):
                raise UnreadableSettingsError(
                    f"{path}: {field.name} should be a whole number from 1 on, it is {value!r}"
                )


def read_settings(path: Path) -> Settings:
    """Raises UnreadableSettingsError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        settings = Settings(
            splits=tuple(content["splits"]),
            arms=tuple(content["arms"]),
            seeds=int(content["seeds"]),
            shares=tuple(float(share) for share in content["shares"]),
            workers=int(content["workers"]),
            decoder=Sizes(**content["decoder"]),
            training=Schedule(**content["training"]),
            tasks={split: tuple(tasks) for split, tasks in content["tasks"].items()},
            arguments=dict(content["arguments"]),
        )
        unknown = set(content) - {field.name for field in fields(Settings)}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableSettingsError(f"{path}: not a configuration of this study: {error!r}") from error
    if unknown:
        raise UnreadableSettingsError(f"{path}: does not know {', '.join(sorted(unknown))}")
    for name, given, known in (("splits", settings.splits, SPLITS), ("arms", settings.arms, ARMS)):
        if not set(given) <= set(known):
            raise UnreadableSettingsError(f"{path}: {name} should be some of {', '.join(known)}, not {given}")
    check_numbers(path, settings, settings.decoder, settings.training)
    return settings
