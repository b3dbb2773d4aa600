"""A folder that `lm_eval --output_path --log_samples` wrote -> one Run per model and task: what each sample scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class UnreadableResultsError(ValueError):
    """A results folder does not hold what a comparison needs; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """What one sample scored: metric values by name, None where a metric does not apply."""

    sample_id: str
    image_id: str
    question: str
    golds: tuple[str, ...]
    answer_type: str
    options: tuple[str, ...]
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Run:
    """One model on one task."""

    model: str
    task: str
    samples: tuple[ScoredSample, ...]
    config: Mapping[str, Any]
    system_instruction: str | None


def read_runs(folder: Path) -> list[Run]:
    """All VRS runs below `folder`: of each model's folder and each task the newest. Raises UnreadableResultsError."""
    files = sorted(folder.rglob("results_*.json"), key=_timestamp)
    if not files:
        raise UnreadableResultsError(f"{folder}: no results_*.json below it; give lm_eval --output_path {folder}")
    newest: dict[tuple[Path, str], tuple[Path, Any]] = {}
    for path in files:
        results = _read_json(path)
        tasks = [task for task, config in results.get("configs", {}).items() if "vrs" in config]
        newest |= {(path.parent, task): (path, results) for task in tasks}
    if not newest:
        raise UnreadableResultsError(f"{folder}: its results hold no vrs_* task")
    return [_read_run(path, results, task) for (_, task), (path, results) in sorted(newest.items(), key=_by_folder)]


def _by_folder(item: tuple[tuple[Path, str], Any]) -> tuple[Path, str]:
    return item[0]


def _timestamp(path: Path) -> str:
    return path.stem.removeprefix("results_")


def _read_run(path: Path, results: Mapping[str, Any], task: str) -> Run:
    samples = path.with_name(f"samples_{task}_{_timestamp(path)}.jsonl")
    if not samples.is_file():
        raise UnreadableResultsError(f"{samples.name} is missing beside {path}; run lm_eval with --log_samples")
    return Run(
        model=str(results.get("model_name", "unknown")),
        task=task,
        samples=tuple(_read_samples(samples)),
        config=results["configs"][task],
        system_instruction=results.get("system_instruction"),
    )


def _read_samples(path: Path) -> list[ScoredSample]:
    samples = []
    # Not splitlines(): an answer may hold other line separators, which the harness writes as they are.
    for number, line in enumerate(path.read_text(encoding="utf-8").rstrip("\n").split("\n"), start=1):
        try:
            logged = json.loads(line)
            document = logged["doc"]
            samples.append(
                ScoredSample(
                    sample_id=document["sample_id"],
                    image_id=document["image_id"],
                    question=document["question"],
                    golds=tuple(document["golds"]),
                    answer_type=document["answer_type"],
                    options=tuple(document["options"]),
                    values={name: logged[name] for name in logged["metrics"] if not name.endswith("_stderr")},
                )
            )
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UnreadableResultsError(f"{path}, line {number}: not a logged VRS sample ({error!r})") from error
    return samples


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UnreadableResultsError(f"{path}: not valid JSON ({error}); was the run interrupted?") from error
