"""Task folders: takes a table and its images, writes the YAML and the rows that `lm_eval --include_path` asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrs_lmeval.bridge import tasks_folder
from vrs_lmeval.own_data.columns import ChosenColumns, choose_columns
from vrs_lmeval.own_data.image_folder import ImageFolder
from vrs_lmeval.own_data.problems import OwnDataError, name_near
from vrs_lmeval.own_data.questions import OwnQuestions, read_questions
from vrs_lmeval.own_data.tables import OwnTable, read_table

MARK = "# Written by `vrs task`; it writes this file again without asking."
"""First line of our YAML: what tells a folder of ours from one that holds something else."""

QUESTIONS = "questions.json"
SHARED = ("_vrs_task_yaml", "_mirage_yaml")
"""Files of the package's tasks that ours include; copied, so that the folder also runs beside another installation."""

MIRAGE = "_mirage"
"""Ends the name of the task that asks without an image as well."""

FIELDS = ("row", "image", "question", "answer", "options", "answer_type", "question_type", "modality")

LETTER = "Answer with the option's letter from the given choices directly."
SHORT = "Answer the question using a single word or phrase."
"""The prompts of the package's own tasks, one for each form of question."""

_TASK = """{mark}
# {count} questions of {table}.
include: _vrs_task_yaml
task: {name}
dataset_path: {folder}
dataset_kwargs:
  data_files: questions.json
  image_folder: {images}
test_split: test
columns: {{{columns}}}
doc_to_text: |-
  {{% for id in image_ids %}}<image>{{% endfor %}}
  {{{{question}}}}
  {{% for option in options %}}{{{{ "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[loop.index0] }}}}. {{{{ option }}}}
  {{% endfor %}}{{% if options %}}{letter}{{% else %}}{short}{{% endif %}}
{by}metadata:
  version: 1.0
"""

_MIRAGE_TASK = """{mark}
# The same questions, and without an image as well.
include: [{name}.yaml, _mirage_yaml]
task: {name}{mirage}
"""


@dataclass(frozen=True, slots=True)
class OwnTask:
    """What was read and written; `folder` is what `--include_path` takes."""

    name: str
    folder: Path
    table: OwnTable
    columns: ChosenColumns
    images: ImageFolder
    questions: OwnQuestions

    @property
    def mirage_name(self) -> str:
        """The task that asks without an image as well."""
        return f"{self.name}{MIRAGE}"


def read_task(path: Path, images: Path | None, name: str, folder: Path, named: Mapping[str, Sequence[str]]) -> OwnTask:
    """Read and check everything, and write nothing. Raises OwnDataError or MissingDicomPackageError."""
    check_name(name)
    if images is not None and not images.is_dir():
        raise OwnDataError(f"--images {images}: there is no such folder{name_near(images)}")
    table = read_table(path)
    image_folder = ImageFolder(images, path)
    columns = choose_columns(table, named, image_folder.has)
    _check_free(folder, name, path)
    return OwnTask(name, folder, table, columns, image_folder, read_questions(table, columns, image_folder))


def write_task(task: OwnTask) -> list[Path]:
    """Write the task's folder; give the files. Raises OwnDataError where it cannot be written."""
    contents = _write_contents(task)
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        for file, text in contents.items():
            (task.folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OwnDataError(f"{task.folder}: cannot be written: {error}") from error
    return [task.folder / file for file in contents]


def check_name(name: str) -> None:
    """Raises OwnDataError for a task's name that lm_eval or a file system would trip over, or that is one of ours."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise OwnDataError(f"--name {name!r}: a task's name has letters, digits, _ and - only, e.g. my_task")
    if any(tasks_folder().rglob(f"{name}.yaml")):
        raise OwnDataError(f"--name {name}: a task of vrs_lmeval is called so; take another name")


def _check_free(folder: Path, name: str, table: Path) -> None:
    """A folder of ours is written again; nothing else is overwritten."""
    yaml = folder / f"{name}.yaml"
    is_ours = yaml.is_file() and yaml.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    for file in (QUESTIONS, yaml.name, f"{name}{MIRAGE}.yaml", *SHARED):
        path = folder / file
        if path.exists() and (not is_ours or path.resolve() == table.resolve()):
            raise OwnDataError(f"{path} is there already, and not by `vrs task`; give another --output")


def _write_contents(task: OwnTask) -> dict[str, str]:
    rows = task.questions.rows
    present = {field for row in rows for field in row}
    by = [field for field in ("question_type", "modality") if field in present]
    write: Callable[[Any], str] = lambda value: json.dumps(value, ensure_ascii=False)  # noqa: E731
    text = _TASK.format(
        mark=MARK,
        count=len(rows),
        table=task.table.path.name,
        name=task.name,
        folder=write(str(task.folder.resolve())),  # a text of JSON is one of YAML
        images=write(str(task.images.folder)),
        columns=", ".join(f"{field}: {field}" for field in FIELDS if field in present),
        letter=LETTER,
        short=SHORT,
        by=f"by: [{', '.join(by)}]\n" if by else "",
    )
    shared = {file: (tasks_folder() / file).read_text(encoding="utf-8") for file in SHARED}
    return {
        f"{task.name}.yaml": text,
        f"{task.mirage_name}.yaml": _MIRAGE_TASK.format(mark=MARK, name=task.name, mirage=MIRAGE),
        QUESTIONS: "[\n" + ",\n".join(map(write, rows)) + "\n]\n",
        **shared,
    }
