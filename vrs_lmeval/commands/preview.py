"""The name of a task, a group, or a YAML file -> our tasks that it stands for, loaded with their data, or why not."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrs_lmeval.benchmark.asked_tasks import check_files, find_tasks, find_unreadable, is_ours, read_yaml
from vrs_lmeval.benchmark.images import UnreadableImageError
from vrs_lmeval.benchmark.sources import MalformedDataError, MissingDataError
from vrs_lmeval.benchmark.task_keys import TaskKeyError
from vrs_lmeval.bridge import register, tasks_folder


class PreviewError(ValueError):
    """The task or the question does not exist, or its YAML is wrong; the message says what does, or what is."""


class MissingPreviewDataError(PreviewError):
    """The task's data are not here, or cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A task of ours that was found, with what is needed to load it."""

    name: str
    place: str | Path  # what lm_eval's loader takes: the name, or a YAML file
    manager: Any

    def load(self) -> Any:
        """The task, with its data. Raises PreviewError; MissingPreviewDataError where only data are missing."""
        try:
            return self.manager.load([str(self.place)])["tasks"][self.name]
        except (MissingDataError, MalformedDataError, UnreadableImageError) as error:
            raise MissingPreviewDataError(str(error)) from error
        except (ValueError, TypeError) as error:  # what VrsTask finds when it sees the data
            raise PreviewError(f"{_find_file(self.manager.task_index, self.name) or self.place}: {error}") from error


def load_task(name: str, folder: Path | None = None) -> Any:
    """The VRS task of this name, with its data; `folder`: where its YAML lies, if not in the package.

    Raises PreviewError: no task, or no data, and what to do.
    """
    (found, *_) = find_named(name, [folder] if folder else [])
    return found.load()


def find_named(name: str, folders: Sequence[Path] = ()) -> list[Unloaded]:
    """Our tasks that a name, a group's name or the path of a YAML file stands for; `folders` hold more YAMLs.

    Raises PreviewError for an unknown name, and for a YAML that nothing can run, with its file and the key.
    """
    from lm_eval.tasks import TaskManager

    register()
    places = [str(tasks_folder()), *(str(folder) for folder in folders)]
    manager = TaskManager(include_defaults=False, include_path=places)  # the defaults take 14 s to index
    index = manager.task_index
    try:
        check_files(index, [name])
        if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
            config = read_yaml(Path(name))
            if not is_ours(config):
                raise PreviewError(f"{name} is no task of ours; a group is shown by its name, with --include-path")
            return [Unloaded(str(config["task"]), Path(name), manager)]
    except TaskKeyError as error:
        raise PreviewError(str(error)) from error
    found = find_tasks([name], index)
    if not found:
        raise PreviewError(
            "\n".join([f"{name} is none of our tasks; {_suggest(name, index)}", *find_unreadable(folders)])
        )
    return [Unloaded(task, task, manager) for task in found]


def _suggest(name: str, index: Any) -> str:
    ours = sorted(task for task in index if find_tasks([task], index))
    close = difflib.get_close_matches(name, ours, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"they are {', '.join(ours)}"


def _find_file(index: Any, name: str) -> Path | None:
    entry = index.get(name)
    return entry.yaml_path if entry else None


def name_sheets(tasks: Sequence[str], output: Path) -> Iterator[Path]:
    """A file for each task: `output` for one alone, and with the task's name in it for several."""
    for task in tasks:
        yield output if len(tasks) == 1 else output.with_name(f"{output.stem}_{task}{output.suffix or '.png'}")
