"""The runs of a study -> its numbers: each arm's metrics with intervals, and its difference from the authentic arm."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from studies.miniature.configuration import Settings
from studies.miniature.grid import NOTE, find_folder, is_trained, list_jobs
from vrs_lmeval.leaderboard.metric_intervals import find_partners
from vrs_lmeval.leaderboard.report import without_nan
from vrs_lmeval.leaderboard.runs import Run, ScoredSample, read_folders
from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Floats
from vrs_lmeval.uncertainty.forms import MEAN
from vrs_lmeval.uncertainty.intervals import find_interval
from vrs_lmeval.uncertainty.model_groups import find_matched_difference

NUMBERS = "numbers.json"

SHOWN = ("acc", "acc_blank", "acc_shuffled", "acc_absent")
REFERENCE = "authentic"
BOUNDS = (-2.0, 2.0)  # of a difference of two VRS values

Name = tuple[str, int]
"""An arm and a seed."""

_LABEL = re.compile(r"(.+?)-(\d+)(?:-(\d+)percent)?")


def write_numbers(settings: Settings, output: Path) -> dict[str, Any]:
    """Everything that the page says, in `output`/numbers.json."""
    there = [split for split in settings.splits if (output / split / "leaderboard.json").is_file()]
    numbers = {
        "settings": asdict(settings),
        "models": [_read_note(output, job) for job in list_jobs(settings) if is_trained(output, job, settings)],
        "splits": {split: describe_split(output / split, settings.tasks[split]) for split in there},
    }
    text = json.dumps(without_nan(numbers), indent=1) + "\n"
    (output / NUMBERS).write_text(text, encoding="utf-8")
    return dict(json.loads(text))


def _read_note(output: Path, job: Any) -> dict[str, Any]:
    return dict(json.loads((find_folder(output, job) / NOTE).read_text(encoding="utf-8")))


def describe_split(folder: Path, order: Sequence[str]) -> dict[str, Any]:
    """By task, in `order`: the arms' numbers, their differences from the reference, and the leaderboard's contrast."""
    runs, _ = read_folders([folder / "runs"])
    labels = _read_labels(folder / "models.yaml")
    board = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
    contrasts = {contrast["task"]: contrast for contrast in board["training_data"]}
    tasks = {}
    for task in order:
        of_task = {read_name(labels[run.model]): run for run in runs if run.task == task and run.model in labels}
        if of_task:
            tasks[task] = {**describe_task(of_task), "contrast": contrasts.get(task)}
    return {"tasks": tasks, "overall": contrasts.get("all benchmarks")}


def _read_labels(models: Path) -> dict[str, str]:
    entries = yaml.safe_load(models.read_text(encoding="utf-8"))["models"]
    return {name: entry["label"] for name, entry in entries.items()}


def read_name(label: str) -> Name:
    """ "mixed-3" -> ("mixed", 3); "mixed-3-25percent" -> ("mixed 25 %", 3): part of the learning curve, no arm."""
    arm, seed, percent = _LABEL.fullmatch(label).groups()  # type: ignore[union-attr] # `Job.name` writes them
    return (arm if percent is None else f"{arm} {percent} %"), int(seed)


def describe_task(runs: Mapping[Name, Run]) -> dict[str, Any]:
    """An entry an arm. Intervals hold for other models like these on other images like these."""
    samples = {name: sorted(run.samples, key=lambda sample: sample.sample_id) for name, run in runs.items()}
    first = next(iter(samples.values()))
    images = [sample.image_id for sample in first]
    partners = find_partners(first)
    values = {name: np.array([_find_vrs(sample) for sample in of_run]) for name, of_run in samples.items()}
    arms = {}
    for arm in dict.fromkeys(arm for arm, _ in sorted(runs)):
        seeds = [seed for name, seed in sorted(runs) if name == arm]
        own = [values[arm, seed] for seed in seeds]
        paired = [values[arm, seed] - values[REFERENCE, seed] for seed in seeds if (REFERENCE, seed) in values]
        arms[arm] = {
            "models": len(seeds),
            **{metric: mean_metric([runs[arm, seed] for seed in seeds], metric) for metric in SHOWN},
            "vrs": asdict(find_mean(own, images, partners)),
            "sd_over_seeds": float(np.std([np.nanmean(one) for one in own], ddof=1)) if len(seeds) > 1 else math.nan,
            "minus_reference": asdict(find_mean(paired, images, partners)) if paired and arm != REFERENCE else None,
        }
    return {"questions": len(images), "images": len(set(images)), "arms": arms}


def _find_vrs(sample: ScoredSample) -> float:
    value = sample.values.get("vrs")
    return math.nan if value is None else value


def find_mean(of_models: Sequence[Floats], images: Sequence[str], partners: Sequence[str | None]) -> Interval:
    """Mean over models; models and images both random, or images alone where there is one model."""
    if len(of_models) > 1:
        return find_matched_difference(np.stack(of_models, axis=1), images)
    places = [
        (value, image, partner)
        for value, image, partner in zip(of_models[0].tolist(), images, partners, strict=True)
        if not math.isnan(value)
    ]
    return find_interval(MEAN, places, BOUNDS)


def mean_metric(runs: Sequence[Run], metric: str) -> float:
    """Mean over models of the mean over questions; NaN where the task does not have the metric."""
    values = [[sample.values.get(metric) for sample in run.samples] for run in runs]
    means = [np.mean(told) for of_run in values if (told := [value for value in of_run if value is not None])]
    return float(np.mean(means)) if means else math.nan
