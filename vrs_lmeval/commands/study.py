"""study.yaml -> a list of lm_eval runs, which of them are done already, and the cards of their models.

    models:
      - model_args: {pretrained: org/model-a}      # model: vrs-hf unless it says otherwise
        training: synthetic                        # label, training, base, size, trained_on ...: as in models.yaml
        gpus: 1                                    # gpus, cpus, shards, shard_above: for --ray, see docs/cluster.md
      - model_args: {pretrained: ./llava-med, peft: ./adapter}  # results call it by its adapter
        prepare: vrs convert-llava ...             # how ./llava-med is made; told where it is missing
      - model: local-chat-completions
        model_args: {model: model-b, base_url: http://localhost:8000/v1/chat/completions}
    tasks: [vrs_medvqa]
    arguments: {batch_size: 8}                     # further options of `lm_eval run`
    shard_above: 2000                              # for all models that do not say otherwise
    cards: models.yaml                             # the models' cards, in place of keys here; beside this file

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from vrs_lmeval.bridge import MODEL_NAME
from vrs_lmeval.commands.lm_eval_run import LOG
from vrs_lmeval.commands.stop_signals import StoppedError
from vrs_lmeval.leaderboard.logged_json import DAMAGE, parse_json, read_text
from vrs_lmeval.leaderboard.model_cards import ModelCard, UnreadableCardsError, find_card, read_card, read_model_cards
from vrs_lmeval.leaderboard.runs import name_samples_file, read_results, read_run

NOTE = "study_run.json"

_CUTS = {"shards": "shards, 1 or more", "shard_above": "questions, 1 or more"}
"""Into how many shards a run is cut, and above how many questions."""

_RESOURCES = ("gpus", "cpus")

_RUN_KEYS = {"model", "model_args", "prepare", *_CUTS, *_RESOURCES}

NAMED_BY = ("peft", "delta", "pretrained", "model", "path", "engine")
"""Arguments that name a model in lm_eval's results, the first that is there: an adapter is not its base."""

TOLD_FALSE = ("fewshot_as_multiturn",)
"""Options of lm_eval to which `false` is not the same as leaving them out."""


class UnreadableStudyError(ValueError):
    """study.yaml does not say what it should; the message names the file, the entry and what to do."""


class MissingRayError(ImportError):
    """Ray is not installed, or broken; the message says what to install."""


class StudyStoppedError(StoppedError):
    """Somebody stopped the study; `begun` is what had begun and not ended."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.tell("stopped before anything was started")
        self.begun: list[StudyRun] = []

    def tell(self, what_is_kept: str) -> None:
        """What it says to people."""
        self.args = (what_is_kept,)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the file. `where` names its place for messages, `written_class` the class of lm_eval if it is said.

    `gpus` and `cpus` are what one process of it takes in a cluster; None: not said. `prepare` is the command that makes
    its folder.
    """

    where: str
    name: str
    written_class: str | None
    model_args: Mapping[str, Any]
    shards: int | None = None
    shard_above: int | None = None
    gpus: float | None = None
    cpus: float | None = None
    prepare: str | None = None

    @property
    def model(self) -> str:
        """The class of lm_eval that loads or asks it."""
        return self.written_class or MODEL_NAME

    @property
    def folder(self) -> str:
        """A folder's name. It ends in a digest, because two entries may differ in the arguments of one model."""
        written = json.dumps([self.model_args, self.written_class], sort_keys=True)
        digest = hashlib.sha256(written.encode()).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', self.name)}-{digest[:8]}"


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One model on one task; `folder` is where lm_eval writes.

    A part of such a run is one, too: `part` names it, and `samples` holds the numbers of its questions by task.
    """

    entry: ModelEntry
    task: str
    folder: Path
    command: tuple[str, ...]
    part: str = ""
    samples: Mapping[str, Sequence[int]] | None = None

    @property
    def name(self) -> str:
        """What the results call the model."""
        return self.entry.name

    @property
    def label(self) -> str:
        """For people: the model's last name, the task, and which part of it."""
        return f"{PurePath(self.name).name} on {self.task}{self.part}"

    @property
    def log(self) -> Path:
        """What lm_eval prints."""
        return self.folder / LOG

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

    path: Path
    output: Path
    runs: tuple[StudyRun, ...]
    cards: Mapping[str, ModelCard]
    tasks: tuple[str, ...]
    arguments: Mapping[str, Any]


def read_study(path: Path, output: Path) -> Study:
    """The study of a YAML file, with results below `output`. Raises UnreadableStudyError, which names all faults."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableStudyError(f"{path}: cannot be read as YAML: {error}") from error
    known = {"models", "tasks", "arguments", "cards", *_CUTS}
    if not isinstance(content, Mapping) or not {"models", "tasks"} <= set(content) <= known:
        strange = [str(key) for key in content if key not in known] if isinstance(content, Mapping) else []
        raise UnreadableStudyError(
            f"{path}: should hold models, tasks and, if need be, arguments, cards, {' or '.join(_CUTS)}, nothing else"
            + (f"; there is no {', '.join(map(repr, strange))}" if strange else "")
        )
    models, tasks, arguments = content["models"], content["tasks"], content.get("arguments") or {}
    if not (isinstance(models, list) and isinstance(tasks, list) and isinstance(arguments, Mapping)):
        raise UnreadableStudyError(f"{path}: models and tasks should be lists, arguments a mapping")
    names = tuple(dict.fromkeys(map(str, tasks)))
    faults: list[str] = []
    runs: list[StudyRun] = []
    given, cards = _read_given_cards(path, content.get("cards"), faults), {}
    for number, written in enumerate(models, start=1):
        try:
            entry = _read_entry(f"{path}, model {number}", written, {name: content.get(name) for name in _CUTS})
            own = {key: value for key, value in written.items() if key not in _RUN_KEYS}
            if given is not None and own:
                raise UnreadableStudyError(
                    f"{entry.where}: {', '.join(map(str, own))}: belongs into the file that `cards` names"
                )
            card = read_card(entry.where, written, _RUN_KEYS) if given is None else find_card(given, entry.name)
            cards[entry.name] = card
        except (UnreadableStudyError, UnreadableCardsError) as error:
            faults.append(str(error))
        else:
            runs += [_make_run(entry, task, arguments, output) for task in names]
    for name in given or ():
        if not any(name in (model, PurePath(model).name) for model in cards):
            faults.append(f"{path.parent / content['cards']}, {name}: is no model of {path}")
    if faults:
        raise UnreadableStudyError("\n".join(faults))
    return Study(path, output, tuple(runs), cards, names, arguments)


def _read_given_cards(path: Path, written: Any, faults: list[str]) -> Mapping[str, ModelCard] | None:
    """The cards of the file that the study names, None where it names none; what is wrong with it goes to `faults`."""
    if written is None:
        return None
    try:
        return read_model_cards(path.parent / str(written))
    except UnreadableCardsError as error:
        faults.append(str(error))
        return {}


def _read_entry(where: str, written: Any, defaults: Mapping[str, Any]) -> ModelEntry:
    if not isinstance(written, Mapping) or not isinstance(written.get("model_args"), Mapping):
        raise UnreadableStudyError(f"{where}: needs model_args, e.g. {{pretrained: org/model}}")
    name = _find_name(written["model_args"], where)
    numbers = {**defaults} | {key: written[key] for key in (*_CUTS, *_RESOURCES) if key in written}
    for key, value in numbers.items():
        is_whole = isinstance(value, int) and not isinstance(value, bool) and value >= (0 if key in _RESOURCES else 1)
        is_share = key in _RESOURCES and isinstance(value, float) and value > 0
        if not (value is None or is_whole or is_share):
            raise UnreadableStudyError(f"{where}: {key} should be a number of {_CUTS.get(key, 'them')}, not {value!r}")
    if isinstance(gpus := numbers.get("gpus"), float) and gpus > 1 and not gpus.is_integer():
        raise UnreadableStudyError(f"{where}: gpus should be a share of one GPU or a number of whole ones, not {gpus}")
    texts = [str(written[key]) if written.get(key) else None for key in ("model", "prepare")]
    return ModelEntry(where, name, texts[0], written["model_args"], **numbers, prepare=texts[1])


def _find_name(model_args: Mapping[str, Any], where: str) -> str:
    """What lm_eval will call the model in its results."""
    for key in NAMED_BY:
        if key in model_args:
            return str(model_args[key])
    raise UnreadableStudyError(f"{where}: model_args should name the model by `pretrained` or `model`")


def _make_run(entry: ModelEntry, task: str, arguments: Mapping[str, Any], output: Path) -> StudyRun:
    folder = output / "runs" / entry.folder / make_folder_name(task)
    return StudyRun(entry, task, folder, write_command(entry, [task], folder, arguments))


def make_folder_name(name: str) -> str:
    """`name` without what parts a path: a task can be given by the path of its YAML."""
    return re.sub(r"[/\\]+", "_", name)


def write_command(
    entry: ModelEntry,
    tasks: Sequence[str],
    folder: Path,
    arguments: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """`lm_eval run ...`, by this interpreter; `more` are arguments of the model beside its entry's."""
    command = [sys.executable, "-m", "lm_eval", "run", "--model", entry.model]
    model_args = {**entry.model_args, **(more or {})}
    command += ["--model_args", ",".join(f"{key}={value}" for key, value in model_args.items())]
    command += ["--tasks", ",".join(tasks), "--log_samples", "--output_path", str(folder)]
    for key, value in arguments.items():
        command += write_option(key, value)
    return tuple(command)


def write_option(key: str, value: Any) -> list[str]:
    """An option of lm_eval: `true` is the bare option, `false` and nothing leave it out, a mapping is key=value ..."""
    if value is None or (value is False and key not in TOLD_FALSE):
        return []
    if isinstance(value, Mapping):
        return [f"--{key}", *(f"{name}={part}" for name, part in value.items())]
    return [f"--{key}", *([] if value is True else [str(value).lower() if value is False else str(value)])]
