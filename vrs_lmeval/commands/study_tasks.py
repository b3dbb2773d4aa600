"""The tasks of a study as lm_eval finds them: is the name known, is the data here, which image has each question?"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets

from vrs_lmeval.benchmark.asked_tasks import explain, find_tasks, locate
from vrs_lmeval.benchmark.data_places import Hub
from vrs_lmeval.bridge import register, tasks_folder

PATTERN = "*?["
"""What makes a name a pattern for several."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Of one task: the image of each question, in order; whether the model is shown it; whether answers are drawn."""

    images: tuple[str, ...]
    shows_images: bool
    are_drawn: bool


class UnloadableTaskError(RuntimeError):
    """A task of ours cannot be loaded, most often for want of its data; the message says what to do."""


class KnownTasks:
    """Ours and those in `include_path` at once; those of lm_eval, which take it a quarter of a minute, when needed."""

    def __init__(self, include_path: str | None = None) -> None:
        from lm_eval.tasks import TaskManager  # imports torch

        register()
        self._include_path = include_path
        self._make = TaskManager
        folders = [str(tasks_folder()), *([include_path] if include_path else [])]
        self._ours = TaskManager(include_defaults=False, include_path=folders)
        self._hub = Hub()

    @cached_property
    def _all(self) -> Any:
        return self._make(include_path=self._include_path)

    def find_fault(self, written: str) -> str | None:
        """Why lm_eval would not run `written`, with what may be meant; None where it knows every part of it."""
        for name in written.split(","):
            if name.endswith((".yaml", ".yml")):
                pattern = Path(name)
                if not any(pattern.parent.glob(pattern.name)):
                    return f"there is no file {name}"
            elif not self._is_known(name):
                kind = "fits the pattern" if set(name) & set(PATTERN) else "is called"
                return f"no task {kind} {name!r}{suggest(name, self._all.all_tasks)}"
        return None

    def _is_known(self, name: str) -> bool:
        has_own = bool(self._ours.match_tasks([name]))
        return has_own or Path(name).is_dir() or bool(self._all.match_tasks([name]))

    def load(self, name: str, gen_kwargs: Any = None) -> dict[str, Questions] | None:
        """By task, the questions of a task or group of ours, with their data; None where it is not (only) ours.

        `gen_kwargs` as in lm_eval's option. Raises UnloadableTaskError.
        """
        if name not in self._ours.all_tasks:
            return None
        if lacking := self._find_missing_data(name):
            raise UnloadableTaskError(lacking)
        try:
            with _quietly():
                tasks: Mapping[str, Any] = self._ours.load([name])["tasks"]
        except Exception as error:  # whatever a task raises: its data, a row, a variant, a file of someone else
            if self._include_path and name in self._all.all_tasks and not self._is_of_package(name):
                return None  # a group may name tasks of lm_eval, which are not looked at
            raise UnloadableTaskError(f"{type(error).__name__}: {error}") from error
        if not all(hasattr(task, "list_images") for task in tasks.values()):
            return None
        return {
            each: Questions(tuple(task.list_images()), task.MULTIMODAL, _draws(task, gen_kwargs))
            for each, task in tasks.items()
        }

    def _find_missing_data(self, name: str) -> str:
        """Every data set that a task or group lacks, with what to do; "" where none is missing."""
        index = self._ours.task_index
        asked = locate(find_tasks([name], index), index, self._hub)
        missing = [each for each in asked if each.place.state == "missing"]
        told = [f"{each.name} lacks {each.source.path}: {each.place.detail}" for each in missing]
        return "\n".join([*told, explain(missing)]) if missing else ""

    def _is_of_package(self, name: str) -> bool:
        path = self._ours.task_index[name].yaml_path
        return path is not None and tasks_folder() in Path(path).parents


def suggest(name: str, names: Any) -> str:
    """ "; did you mean A or B?", or nothing."""
    near = difflib.get_close_matches(name, list(names), n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _draws(task: Any, gen_kwargs: Any) -> bool:
    from lm_eval.utils import simple_parse_args_string

    asked = gen_kwargs if isinstance(gen_kwargs, Mapping) else simple_parse_args_string(str(gen_kwargs or ""))
    settings = {**(task.config.generation_kwargs or {}), **asked}
    return bool(settings.get("do_sample")) or float(settings.get("temperature") or 0) > 0


@contextmanager
def _quietly() -> Iterator[None]:
    """What lm_eval logs when a task is loaded is told again by each run."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "vrs_lmeval")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    hides_bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not hides_bars:
            datasets.enable_progress_bars()
