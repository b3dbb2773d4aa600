"""study.yaml -> a list of lm_eval runs, which of them are done already, and the cards of their models.

    models:
      - model_args: {pretrained: org/model-a}      # model: vrs-hf unless it says otherwise
        training: synthetic                        # label, training, base, size, trained_on: as in models.yaml
      - model: local-chat-completions
        model_args: {model: model-b, base_url: http://localhost:8000/v1/chat/completions}
    tasks: [vrs_medvqa]
    arguments: {batch_size: 8}                     # further options of `lm_eval run`

A run is one model on one task. It is done when its folder holds the note of the very same command, which is written
last, and its newest results are whole; so a study that was interrupted goes on where it stopped, a changed one runs
again what it must, and so does one whose files were damaged since.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vrs_lmeval.bridge import MODEL_NAME
from vrs_lmeval.leaderboard.logged_json import DAMAGE, parse_json, read_text
from vrs_lmeval.leaderboard.model_cards import ModelCard, UnreadableCardsError, read_card
from vrs_lmeval.leaderboard.runs import name_samples_file, read_results, read_run

NOTE = "study_run.json"

_RUN_KEYS = {"model", "model_args"}


class UnreadableStudyError(ValueError):
    """study.yaml does not say what it should; the message names the file, the entry and what to do."""


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One model on one task; `folder` is where lm_eval writes."""

    name: str
    task: str
    folder: Path
    command: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether this very command has finished before, and its results are whole."""
        note = self.folder / NOTE
        try:
            is_same = note.is_file() and json.loads(note.read_text(encoding="utf-8")) == list(self.command[1:])
        except (OSError, ValueError, RecursionError):  # a damaged note is none
            return False
        return is_same and self.find_fault() is None

    def find_fault(self) -> str | None:
        """What of its newest results is not whole; None where every question asked has its line."""
        files = sorted(self.folder.rglob("results_*.json"), key=_name_of)
        if not files:
            return f"{self.folder}: lm_eval wrote no results there"
        try:
            results, ours = read_results(files[-1])
            for task in ours:
                read_run(files[-1], results, task)
            for task, counts in (results.get("n-samples") or {}).items():
                if task not in ours:
                    _check_lines(name_samples_file(files[-1], task), counts["effective"])
        except DAMAGE as error:  # an UnreadableResultsError among them, which names the file
            return str(error)
        return None

    def mark_done(self) -> None:
        """To be called when lm_eval has finished well. The note is there whole or not at all."""
        part = self.folder / f"{NOTE}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(list(self.command[1:]), file)  # without the interpreter's path, which does not count
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / NOTE)


def _name_of(path: Path) -> str:
    return path.name


def _check_lines(samples: Path, asked: int) -> None:
    """Of a task that is not ours: a line a question and filter, each of them JSON. Raises what is in DAMAGE."""
    lines = read_text(samples).rstrip("\n").split("\n")
    for line in lines:
        parse_json(line)
    if len(lines) % asked:
        raise ValueError(f"{samples}: holds {len(lines)} lines for {asked} questions; was it cut?")


@dataclass(frozen=True, slots=True)
class Study:
    """All runs, in the order of the file, and the cards by the model's name in the results."""

    runs: tuple[StudyRun, ...]
    cards: Mapping[str, ModelCard]


def read_study(path: Path, output: Path) -> Study:
    """The study of a YAML file, with results below `output`. Raises UnreadableStudyError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableStudyError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, Mapping) or not {"models", "tasks"} <= set(content) <= {"models", "tasks", "arguments"}:
        raise UnreadableStudyError(f"{path}: should hold models, tasks and, if need be, arguments, nothing else")
    models, tasks, arguments = content["models"], content["tasks"], content.get("arguments") or {}
    if not (isinstance(models, list) and isinstance(tasks, list) and isinstance(arguments, Mapping)):
        raise UnreadableStudyError(f"{path}: models and tasks should be lists, arguments a mapping")
    runs: list[StudyRun] = []
    cards: dict[str, ModelCard] = {}
    for number, entry in enumerate(models, start=1):
        where = f"{path}, model {number}"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("model_args"), Mapping):
            raise UnreadableStudyError(f"{where}: needs model_args, e.g. {{pretrained: org/model}}")
        name = _find_name(entry["model_args"], where)
        try:
            cards[name] = read_card(where, {key: value for key, value in entry.items() if key not in _RUN_KEYS})
        except UnreadableCardsError as error:
            raise UnreadableStudyError(str(error)) from error
        runs += [_make_run(entry, name, str(task), arguments, output) for task in tasks]
    return Study(tuple(runs), cards)


def _find_name(model_args: Mapping[str, Any], where: str) -> str:
    """What lm_eval will call the model in its results."""
    for key in ("pretrained", "model", "peft", "path"):
        if key in model_args:
            return str(model_args[key])
    raise UnreadableStudyError(f"{where}: model_args should name the model by `pretrained` or `model`")


def _make_run(entry: Mapping[str, Any], name: str, task: str, arguments: Mapping[str, Any], output: Path) -> StudyRun:
    # A digest, because two entries may differ in the arguments of one model.
    digest = hashlib.sha256(json.dumps([entry["model_args"], entry.get("model")], sort_keys=True).encode()).hexdigest()
    folder = output / "runs" / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}-{digest[:8]}" / task
    command = [sys.executable, "-m", "lm_eval", "run", "--model", str(entry.get("model", MODEL_NAME))]
    command += ["--model_args", ",".join(f"{key}={value}" for key, value in entry["model_args"].items())]
    command += ["--tasks", task, "--log_samples", "--output_path", str(folder)]
    for key, value in arguments.items():
        command += [f"--{key}", *([] if value is True else [str(value)])]
    return StudyRun(name, task, folder, tuple(command))
