"""Answer files of the parts of a run -> the results of the whole, without a model: which one answered, is all there?

Each part keeps its answers in a folder of its own and notes there which model gave them. `merge_parts` puts them into
one folder, if all say the same model; `KeptRun` then answers from it, and refuses what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vrs_lmeval.asking.answer_cache import FAULTS, FILE_NAME, AnswerCache
from vrs_lmeval.asking.image_order import ASKED_WITHOUT_IMAGES, NONE_WITHOUT_IMAGES
from vrs_lmeval.asking.seams import Request
from vrs_lmeval.records import NOT_ASKED

MODEL = "model"
"""The note that says by which identity the keys of the answers were made."""

INFO = "model_info"
"""The note that says what the results of that run say of its model."""

PARTS = "parts"
"""The note of a merged file: INFO of each part, in order, and how many answers two parts gave differently."""

SUMMED = ("vrs_work", "vrs_api")
"""Of INFO, what counts work: the whole is the sum of the parts."""

NOT_COUNTED = ("price_in", "price_out")
"""Numbers of those that are no counts."""

WITHOUT_IMAGES = "vrs_without_images"
"""Of INFO, what became of prompts without an image."""


class AnswersNotKeptError(RuntimeError):
    """A folder does not hold what a run needs to be told again without a model; the message says what to do."""


class DifferentModelsError(RuntimeError):
    """Parts of one run were answered by different models or releases; `odd` holds the numbers of those to ask again."""

    def __init__(self, parts: int, odd: Sequence[int]) -> None:
        names = ", ".join(str(number + 1) for number in odd)
        super().__init__(
            f"of {parts} shards, {names} were answered by other weights, settings or releases of packages than the "
            "newest, and are to be asked again; do all machines have the same environment?"
        )
        self.odd = tuple(odd)


def merge_parts(folders: Sequence[Path], target: Path) -> None:
    """Write the answers of all `folders` into `target`, which is begun anew.

    Raises DifferentModelsError, and AnswersNotKeptError where a part has no file.
    """
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob(f"{FILE_NAME}*"):
        old.unlink()
    notes = [_read_notes(folder) for folder in folders]
    models = [model for model, _ in notes]
    newest = models[max(range(len(folders)), key=lambda number: (folders[number] / FILE_NAME).stat().st_mtime)]
    if odd := [number for number, model in enumerate(models) if model != newest]:
        raise DifferentModelsError(len(folders), odd)
    merged = AnswerCache(target, "")
    try:
        otherwise = sum(merged.take_over(folder) for folder in folders)
    except FAULTS as error:
        raise AnswersNotKeptError(f"the answers of {len(folders)} shards cannot be put together: {error}") from error
    merged.note(MODEL, newest)
    merged.note(PARTS, {"infos": [info for _, info in notes], "answers_that_differ": otherwise})


def _read_notes(folder: Path) -> tuple[Any, Any]:
    """(which model, what its results say of it)."""
    if not (folder / FILE_NAME).is_file():
        raise AnswersNotKeptError(f"{folder} holds no answers: was it removed? Run the same command again")
    kept = AnswerCache(folder, "")
    return kept.read_note(MODEL), kept.read_note(INFO)


class NoWeights:
    """Stands where the harness holds the model."""

    def to(self, device: Any) -> NoWeights:
        """Nothing is moved."""
        return self


class KeptRun:
    """The merged answers of a run, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / FILE_NAME).is_file():
            raise AnswersNotKeptError(f"answers_from={folder}: holds no {FILE_NAME}, in which runs keep their answers")
        notes = AnswerCache(folder, "")
        self._model, parts = notes.read_note(MODEL), notes.read_note(PARTS)
        if parts is None:  # of one run, not merged
            parts = {"infos": [notes.read_note(INFO)], "answers_that_differ": 0}
        self._infos: list[Mapping[str, Any]] = [info or {} for info in parts["infos"]]
        self._otherwise = parts["answers_that_differ"]

    def open(self, identity: str | None = None) -> AnswerCache:
        """The answers; `identity` where it is known without the weights, else as noted. AnswersNotKeptError."""
        if identity is None and self._model is None:
            raise AnswersNotKeptError(f"answers_from={self.folder}: does not say which model answered; ask it again")
        return AnswerCache(self.folder, str(self._model) if identity is None else identity)

    def complete(
        self, requests: Sequence[Request], answers: Mapping[int, Any], not_asked: Any = NOT_ASKED
    ) -> list[Any]:
        """An answer a request; `not_asked` for prompts without an image that the model was found not to take.

        Raises AnswersNotKeptError where one is missing.
        """
        refused = {info.get(WITHOUT_IMAGES) for info in self._infos} - {None, NONE_WITHOUT_IMAGES}
        takes_none = bool(refused) and ASKED_WITHOUT_IMAGES not in refused
        shown = [request.args[2]["visual"] if request.args[2:] else None for request in requests]
        bare = {index for index, images in enumerate(shown) if images == []} if takes_none else set()
        missing = len(set(range(len(requests))) - answers.keys() - bare)
        if missing:
            raise AnswersNotKeptError(
                f"{missing} of {len(requests)} answers are not kept in {self.folder}; no model is loaded to ask for "
                "them. Ask again without answers_from, or run `vrs study` again"
            )
        return [answers.get(index, not_asked) for index in range(len(requests))]

    def describe(self) -> dict[str, Any]:
        """What the results say of the model: as its parts said it, with the work of all of them."""
        names = list(dict.fromkeys(name for info in self._infos for name in info))
        told = {name: _join(name, [info[name] for info in self._infos if name in info]) for name in names}
        return told | {"vrs_parts": {"count": len(self._infos), "answers_that_differ": self._otherwise}}


def _join(name: str, values: Sequence[Any]) -> Any:
    """One value for all parts; where they say different things, all that was said."""
    if name in SUMMED:
        return {key: _add(key, [value.get(key) for value in values]) for key in values[0]}
    if name == "vrs_prefix_check":  # the largest difference that was seen
        return max((value for value in values if value is not None), default=None)
    different = [value for place, value in enumerate(values) if value not in values[:place]]
    return different[0] if len(different) == 1 else different


def _add(key: str, values: Sequence[Any]) -> Any:
    is_count = key not in NOT_COUNTED and all(isinstance(value, int | float) for value in values)
    return sum(values) if is_count else values[0]
