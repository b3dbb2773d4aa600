"""The runs of a study -> its numbers: each arm's metrics with intervals, and its difference from the authentic arm."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from studies.miniature.configuration import Settings
from studies.miniature.grid import NOTE, find_folder, is_trained, list_jobs
from vrs_lmeval.leaderboard.comparison import align_vrs
from vrs_lmeval.leaderboard.report import without_nan
from vrs_lmeval.leaderboard.runs import Run, read_folders
from vrs_lmeval.uncertainty.model_groups import find_matched_difference

NUMBERS = "numbers.json"

SHOWN = ("acc", "acc_blank", "acc_shuffled", "acc_absent")
REFERENCE = "authentic"
MARGIN = 0.02
"""What VRS of a negative control must surely stay below; half of what the quick trial found for sighted models."""


def write_numbers(settings: Settings, output: Path) -> dict[str, Any]:
    """Everything that the page says, in `output`/numbers.json."""
    numbers = {
        "settings": asdict(settings),
        "models": [_read_note(output, job) for job in list_jobs(settings) if is_trained(output, job, settings)],
        "splits": {split: describe_split(output / split) for split in settings.splits},
    }
    text = json.dumps(without_nan(numbers), indent=1) + "\n"
    (output / NUMBERS).write_text(text, encoding="utf-8")
    return dict(json.loads(text))


def _read_note(output: Path, job: Any) -> dict[str, Any]:
    return dict(json.loads((find_folder(output, job) / NOTE).read_text(encoding="utf-8")))


def describe_split(folder: Path) -> dict[str, Any]:
    """By task: every arm's numbers, its difference from the reference by seed, and the leaderboard's contrast."""
    runs, _ = read_folders([folder / "runs"])
    labels = _read_labels(folder / "models.yaml")
    board = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
    contrasts = {contrast["task"]: contrast for contrast in board["training_data"]}
    tasks = {}
    for task in dict.fromkeys(run.task for run in runs):
        by_name = {labels[run.model]: run for run in runs if run.task == task and run.model in labels}
        if by_name:
            tasks[task] = {**describe_task(by_name), "contrast": contrasts.get(task)}
    return {"tasks": tasks, "overall": contrasts.get("all benchmarks")}


def _read_labels(models: Path) -> dict[str, str]:
    return {
        name: entry["label"] for name, entry in yaml.safe_load(models.read_text(encoding="utf-8"))["models"].items()
    }


def describe_task(runs: Mapping[str, Run]) -> dict[str, Any]:
    """`runs` by "arm-seed". Intervals hold for other models like these on other images like these."""
    ordered = dict(sorted(runs.items()))
    columns, images, _ = align_vrs(list(ordered.values()))
    of_arm: dict[str, list[int]] = {}
    for place, name in enumerate(ordered):
        of_arm.setdefault(name.rpartition("-")[0], []).append(place)
    names = list(ordered)
    arms = {}
    for arm, places in of_arm.items():
        chosen = [ordered[names[place]] for place in places]
        arms[arm] = {
            "models": len(places),
            **{metric: mean_metric(chosen, metric) for metric in SHOWN},
            "vrs": asdict(find_matched_difference(columns[:, places], images)),
            "sd_over_seeds": float(np.nanmean(columns[:, places], axis=0).std(ddof=1)) if len(places) > 1 else math.nan,
            "below_margin": None,
            "minus_reference": None,
        }
        interval = arms[arm]["vrs"]
        arms[arm]["below_margin"] = bool(abs(interval["low"]) < MARGIN and abs(interval["high"]) < MARGIN)
        pairs = pair_by_seed(names, arm)
        if arm != REFERENCE and pairs:
            differences = np.stack([columns[:, first] - columns[:, second] for first, second in pairs], axis=1)
            arms[arm]["minus_reference"] = asdict(find_matched_difference(differences, images))
    return {"questions": len(images), "images": len(set(images)), "arms": arms}


def pair_by_seed(names: Sequence[str], arm: str) -> list[tuple[int, int]]:
    """Places of (the arm's model, the reference's) of each seed that has both."""
    places = {name: place for place, name in enumerate(names)}
    seeds = [name.rpartition("-")[2] for name in names if name.rpartition("-")[0] == arm]
    return [
        (places[f"{arm}-{seed}"], places[f"{REFERENCE}-{seed}"]) for seed in seeds if f"{REFERENCE}-{seed}" in places
    ]


def mean_metric(runs: Sequence[Run], metric: str) -> float:
    """Mean over models of the mean over questions; NaN where the task does not have the metric."""
    values = [[sample.values.get(metric) for sample in run.samples] for run in runs]
    means = [
        np.mean([value for value in of_run if value is not None])
        for of_run in values
        if any(v is not None for v in of_run)
    ]
    return float(np.mean(means)) if means else math.nan
