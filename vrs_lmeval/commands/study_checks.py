"""A study -> everything in it that would fail once models load, told at once: names, options, places, data."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from vrs_lmeval.asking.written_secrets import find_written_secret
from vrs_lmeval.bridge import register
from vrs_lmeval.commands.study import ModelEntry, Study, UnreadableStudyError, write_option
from vrs_lmeval.commands.study_shards import KEEP_ANSWERS
from vrs_lmeval.commands.study_tasks import KnownTasks, Questions, UnloadableTaskError, suggest

SET_BY_STUDY = ("model", "model_args", "tasks", "log_samples", "output_path")

TOLD_BEFORE = re.compile(r".*error: ")
"""What argparse writes before the reason."""


def check_study(study: Study, done: Collection[Path]) -> dict[str, dict[str, Questions]]:
    """The questions of the tasks of ours that are still to be run, by the task as it is written.

    `done` holds the folders of runs that are done, whose data need not be here.
    Raises UnreadableStudyError, which names every fault, before any model is loaded.
    """
    entries = list({run.entry.where: run.entry for run in study.runs}.values())
    faults = [f"{study.path}, arguments: {fault}" for fault in _check_arguments(study.arguments)]
    faults += [f"{entry.where}: {fault}" for entry in entries for fault in _check_entry(entry, study.arguments)]
    known = KnownTasks(_find_include_path(study.arguments))
    questions: dict[str, dict[str, Questions]] = {}
    for task in study.tasks:
        where = f"{study.path}, task {task}"
        fault = known.find_fault(task)
        if fault is None and any(run.folder not in done for run in study.runs if run.task == task):
            try:
                loaded = known.load(task, study.arguments.get("gen_kwargs"))
            except UnloadableTaskError as error:
                fault = str(error)
            else:
                questions |= {task: loaded} if loaded is not None else {}
        faults += [] if fault is None else [f"{where}: {fault}"]
    if questions and study.arguments.get("num_fewshot"):
        faults.append(f"{study.path}, arguments: num_fewshot: tasks of vrs_lmeval take no examples; leave it out")
    if faults:
        raise UnreadableStudyError("\n".join([f"nothing was started; {len(faults)} to mend:", *faults]))
    return questions


def _find_include_path(arguments: Mapping[str, Any]) -> str | None:
    path = arguments.get("include_path")
    return str(path) if path and Path(str(path)).is_dir() else None


def _check_arguments(arguments: Mapping[str, Any]) -> Iterator[str]:
    parser = make_parser()
    names = set(re.findall(r"--([a-z][a-z_]+)", parser.format_help()))
    for key, value in arguments.items():
        if key in SET_BY_STUDY:
            yield f"{key}: the study sets it itself; leave it out"
        elif key not in names:
            yield f"{key}: `lm_eval run` has no such option{suggest(str(key), names)}"
        elif (fault := _try_option(parser, key, value)) is not None:
            yield f"{key}: {fault}"
    if arguments.get("samples") is not None and arguments.get("limit") is not None:
        yield "samples and limit: lm_eval takes only one of them"
    path = arguments.get("include_path")
    if path is not None and not Path(str(path)).is_dir():
        yield f"include_path: {path} is no folder"


def make_parser() -> argparse.ArgumentParser:
    """lm_eval's own of `lm_eval run`."""
    from lm_eval._cli.run import Run

    commands = argparse.ArgumentParser().add_subparsers()
    Run.create(commands)
    parser: argparse.ArgumentParser = commands.choices["run"]
    parser.allow_abbrev = False
    return parser


def _try_option(parser: argparse.ArgumentParser, key: str, value: Any) -> str | None:
    """Why lm_eval would refuse the option with this value."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            _, left = parser.parse_known_args(write_option(key, value))
    except (SystemExit, ValueError) as error:
        said = errors.getvalue().strip().splitlines() or [str(error)]
        return TOLD_BEFORE.sub("", said[-1])
    return f"takes no value; write `{key}: true`, not {value!r}" if left else None


def _check_entry(entry: ModelEntry, arguments: Mapping[str, Any]) -> Iterator[str]:
    fault = find_class_fault(entry.model)
    if fault is not None:
        yield f"{fault}; `model:` is a class, as vrs-hf"
    for key in ("pretrained", "peft"):
        fault = find_missing_folder(entry.model_args.get(key))
        if fault is not None:
            is_made = entry.prepare and key == "pretrained"
            yield f"{key}: {fault}" + (f"; make it by: {entry.prepare}" if is_made else "")
    if (secret := find_written_secret(entry.model_args)) is not None:
        yield secret
    if arguments.get("use_cache") and entry.model in KEEP_ANSWERS:
        yield f"{entry.model} refuses use_cache, whose keys leave out the image; write cache_dir among its model_args"


def find_class_fault(name: str) -> str | None:
    """Why lm_eval would not know a model class of this name, with what may be meant; None where it does."""
    import lm_eval.models  # noqa: F401 - fills the registry with the harness's own
    from lm_eval.api.registry import model_registry

    register()
    names = list(model_registry)
    return None if name in names else f"lm_eval knows no model {name!r}{suggest(name, names)}"


def find_missing_folder(written: Any) -> str | None:
    """What is wrong with a path; None for a hub's `owner/name`, and for a folder that holds a model."""
    if not isinstance(written, str):
        return None
    if written.startswith("~"):
        return f"{written}: nobody writes out ~ here; give the whole path"
    path = Path(written)
    if path.is_dir():
        holds = any((path / name).is_file() for name in ("config.json", "adapter_config.json", "params.json"))
        return None if holds or any(path.glob("*.gguf")) else f"the folder {written} holds no config.json"
    is_local = path.is_absolute() or written.startswith(".") or written.count("/") > 1
    if not is_local or path.exists():
        return None
    beside = [str(other) for other in path.parent.iterdir() if other.is_dir()] if path.parent.is_dir() else []
    return f"there is no folder {written}{suggest(written, beside)}"
