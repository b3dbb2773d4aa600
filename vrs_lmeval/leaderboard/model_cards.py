"""models.yaml -> what is known of each model beyond its results: what it was tuned on, who says so, its base, its size.

models:
  org/model-a:                       # the model's name in the results, or its last part
    training: synthetic
    tuned_on: PubMedVision, questions that GPT-4V wrote
    trained_on: [vrs_slake]          # whose training split it has seen; vrs_slake_mc ... are the same data
    trained_on_test: [vrs_pmc_vqa]   # whose test questions it has seen
    sources:
      - {where: "https://... (Training dataset)", says: "word by word"}
      - {where: "https://... (table 2)", source_read: no}  # nobody could read it here; so it says nothing
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any, Literal

import yaml

TRAINING_KINDS = ("synthetic", "authentic", "mixed", "text-only")
"""The kinds of image-text pairs that a model was tuned on; "text-only": tuned on text without images."""

Split = Literal["training", "test"]

TEXTS = ("label", "base", "size", "tuned_on", "prompt", "note")
TASKS = ("trained_on", "trained_on_test")


class UnreadableCardsError(ValueError):
    """models.yaml is not as it should be; the message names the file and the model, and says what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the words of a card rest on: `where` they stand, and what they are; `says` is None if nobody read it here.

    `read_in` is where the words were read, if that was a copy.
    """

    where: str
    says: str | None = None
    read_in: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What models.yaml says of one model; None where it does not say."""

    label: str | None = None
    training: str | None = None
    base: str | None = None
    size: str | None = None
    trained_on: tuple[str, ...] = ()  # tasks whose data the model has seen, e.g. vrs_pmc_vqa
    trained_on_test: tuple[str, ...] = ()  # tasks whose very questions it has seen
    tuned_on: str | None = None  # in words
    billions: float | None = None  # of parameters
    prompt: str | None = None  # how it is asked
    note: str | None = None
    sources: tuple[Source, ...] = ()

    def find_seen_split(self, task: str) -> Split | None:
        """Which split of `task`'s data the model was trained on, the worse of two; None: of none, as far as it says."""
        for split, benchmarks in (("test", self.trained_on_test), ("training", self.trained_on)):
            if any(task == each or task.startswith(f"{each}_") for each in benchmarks):
                return split  # type: ignore[return-value] # mypy reads str from the tuple
        return None


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
    _check_keys(where, entry, [*(field.name for field in fields(ModelCard)), *sorted(others)])
    training = entry.get("training")
    if training is not None and training not in TRAINING_KINDS:
        raise UnreadableCardsError(f"{where}: training {training!r} is none of {', '.join(TRAINING_KINDS)}")
    billions = entry.get("billions")
    is_number = isinstance(billions, int | float) and not isinstance(billions, bool)
    if billions is not None and not (is_number and 0 < billions < math.inf):
        raise UnreadableCardsError(f"{where}: billions should be a number of 1e9 parameters, not {billions!r}")
    said: dict[str, Any] = {key: str(entry[key]).strip() for key in TEXTS if entry.get(key) is not None}
    said |= {key: _read_tasks(where, key, entry[key]) for key in TASKS if entry.get(key) is not None}
    sources = _read_sources(where, entry.get("sources") or [])
    return ModelCard(**said, training=training, billions=billions, sources=sources)


def _check_keys(where: str, entry: Any, known: list[str]) -> None:
    if not isinstance(entry, Mapping):
        raise UnreadableCardsError(f"{where}: should hold some of {', '.join(known)}, not {entry!r}")
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UnreadableCardsError(f"{where}: there is no {key!r}; {hint}")


def _read_tasks(where: str, key: str, written: Any) -> tuple[str, ...]:
    if not isinstance(written, list):
        raise UnreadableCardsError(f"{where}: {key} should be a list of tasks, not {written!r}")
    return tuple(str(task) for task in written)


def _read_sources(where: str, written: Any) -> tuple[Source, ...]:
    if not isinstance(written, list):
        raise UnreadableCardsError(f"{where}: sources should be a list, not {written!r}")
    return tuple(_read_source(f"{where}, source {number}", each) for number, each in enumerate(written, start=1))


def _read_source(where: str, written: Any) -> Source:
    """A source that was not read has no words, and one that was has some: no quotation from memory."""
    _check_keys(where, written, ["where", "says", "read_in", "source_read"])
    if not written.get("where"):
        raise UnreadableCardsError(f"{where}: needs `where`: an address, and the place on that page")
    says, was_read = written.get("says"), written.get("source_read", True)
    if not isinstance(was_read, bool) or bool(says) != was_read:
        raise UnreadableCardsError(f"{where}: needs either `says`, word by word, or `source_read: no`")
    texts = {key: str(written[key]).strip() for key in ("where", "says", "read_in") if written.get(key) is not None}
    return Source(**texts)
