"""A folder that `lm_eval --output_path --log_samples` wrote -> one Run per task: what each question scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class UnreadableResultsError(ValueError):
    """A results folder does not hold what a comparison needs; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one question scored: metric values by name, None where a metric does not apply."""

    sample_id: str
    image_id: str
    question: str
    golds: tuple[str, ...]
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Run:
    """One model on one task."""

    model: str
    task: str
    questions: tuple[Question, ...]
    config: Mapping[str, Any]


def read_runs(folder: Path) -> list[Run]:
    """All VRS tasks of the newest run below `folder`. Raises UnreadableResultsError."""
    files = sorted(folder.rglob("results_*.json"), key=_timestamp)
    if not files:
        raise UnreadableResultsError(f"{folder}: no results_*.json below it; give lm_eval --output_path {folder}")
    results = _read_json(files[-1])
    runs = [
        _read_run(files[-1], results, task)
        for task, config in sorted(results.get("configs", {}).items())
        if "vrs" in config
    ]
    if not runs:
        raise UnreadableResultsError(f"{files[-1]}: holds no vrs_* task")
    return runs


def _timestamp(path: Path) -> str:
    return path.stem.removeprefix("results_")


def _read_run(path: Path, results: Mapping[str, Any], task: str) -> Run:
    samples = path.with_name(f"samples_{task}_{_timestamp(path)}.jsonl")
    if not samples.is_file():
        raise UnreadableResultsError(f"{samples.name} is missing beside {path}; run lm_eval with --log_samples")
    config = results["configs"][task]
    model = Path(str(results.get("model_name", "unknown"))).name
    return Run(model, task, tuple(_read_questions(samples)), config)


def _read_questions(path: Path) -> list[Question]:
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            logged = json.loads(line)
            document = logged["doc"]
            questions.append(
                Question(
                    sample_id=document["sample_id"],
                    image_id=document["image_id"],
                    question=document["question"],
                    golds=tuple(document["golds"]),
                    values={name: logged[name] for name in logged["metrics"] if not name.endswith("_stderr")},
                )
            )
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UnreadableResultsError(f"{path}, line {number}: not a logged VRS question ({error!r})") from error
    return questions


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UnreadableResultsError(f"{path}: not valid JSON ({error}); was the run interrupted?") from error
