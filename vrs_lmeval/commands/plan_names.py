"""Names as `lm_eval --tasks` takes them -> which of them stand for tasks of ours, and which for others."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrs_lmeval.benchmark.asked_tasks import find_tasks, find_unreadable, read_yaml
from vrs_lmeval.bridge import register, tasks_folder


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A task that was named by its YAML's path, as lm_eval's index holds those it finds itself."""

    cfg: dict[str, Any]
    yaml_path: Path
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Named:
    """`index` knows all tasks and groups of ours; `ours` are names in it, `foreign` are tasks of others."""

    index: Mapping[str, Any]
    ours: tuple[str, ...]
    foreign: tuple[str, ...]
    manager: Any

    def load(self, task: str) -> Any:
        """The task with its data. Raises what the task raises."""
        entry = self.index[task]
        place = str(entry.yaml_path) if isinstance(entry, NamedFile) else task
        return self.manager.load([place])["tasks"][task]


def read_names(names: Sequence[str], folders: Sequence[Path]) -> Named:
    """Names may be paths of YAMLs, too; `folders` hold the YAMLs of more tasks.

    Raises ValueError for a name that lm_eval does not know either, with what may be meant.
    """
    from lm_eval.tasks import TaskManager

    register()
    places = [str(each) for each in (tasks_folder(), *folders)]
    manager = TaskManager(include_defaults=False, include_path=places)  # lm_eval's own take 6 s
    files = _read_files([name for name in names if _is_path(name)])
    index = {**manager.task_index, **files}
    asked = [*(name for name in names if not _is_path(name)), *files]
    foreign = [name for name in asked if not find_tasks([name], index)]
    unknown = [name for name in foreign if name not in files]
    if unknown:
        everything = TaskManager(include_path=[str(folder) for folder in folders])
        for name in unknown:
            if not everything.match_tasks([name]):
                raise ValueError(
                    "\n".join([f"lm_eval knows no task {name}{_suggest(name, index)}", *find_unreadable(folders)])
                )
    return Named(index, tuple(name for name in asked if name not in foreign), tuple(foreign), manager)


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _read_files(names: Sequence[str]) -> dict[str, NamedFile]:
    """By the name that each gives itself, what paths, or patterns of paths, stand for."""
    found = {}
    for name in names:
        paths = sorted(Path(name).parent.glob(Path(name).name))
        if not paths:
            raise ValueError(f"there is no file {name}")
        for path in paths:
            config = read_yaml(path)
            found[str(config.get("task", path))] = NamedFile(config, path)
    return found


def _suggest(name: str, index: Mapping[str, Any]) -> str:
    ours = sorted(task for task in index if find_tasks([task], index))
    close = difflib.get_close_matches(name, index, n=3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; ours are {', '.join(ours)}"
