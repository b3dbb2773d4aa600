"""The study: `python -m studies.miniature.run --output FOLDER` trains the grid, evaluates it, and writes its numbers.

It goes on where it was stopped: a trained model is kept, and so is a finished run of lm_eval (`vrs study`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from studies.miniature.configuration import Settings, read_settings
from studies.miniature.grid import NOTE as TRAINED
from studies.miniature.grid import find_folder, is_trained, list_jobs, train_all
from studies.miniature.page_tables import write_page
from studies.miniature.report import write_numbers
from vrs_lmeval.commands.study import NOTE

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "study.md"
VRS = (sys.executable, "-c", "from vrs_lmeval.cli import app; app()")

TRAINING = {"authentic": "authentic", "synthetic": "synthetic", "mixed": "mixed", "text-only": "text-only"}
"""What models.yaml calls an arm; it has no word for `mispaired`, which is compared with none."""


def write_plan(settings: Settings, output: Path, split: str) -> Path:
    """study.yaml of a split: its trained models, of one base where they share a seed."""
    models: list[dict[str, Any]] = []
    for job in list_jobs(settings):
        if job.split == split and is_trained(output, job, settings):
            entry: dict[str, Any] = {
                "model_args": {"pretrained": str(find_folder(output, job).resolve())},
                "label": job.name,
            }
            if job.share == 1 and job.arm in TRAINING:
                entry |= {"training": TRAINING[job.arm], "base": f"seed {job.seed}"}
            models.append(entry)
    content = {
        "models": models,
        "tasks": [",".join(settings.tasks[split])],  # one process of lm_eval a model: loading costs as much as asking
        "arguments": {**settings.arguments, "include_path": str((HERE / "tasks").resolve())},
    }
    path = output / split / "study.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def write_models_yaml(plan: Path) -> Path:
    """models.yaml for `vrs leaderboard`: what the plan says of each model, by its name in results."""
    entries = yaml.safe_load(plan.read_text(encoding="utf-8"))["models"]
    cards = {entry["model_args"]["pretrained"]: {k: entry[k] for k in entry if k != "model_args"} for entry in entries}
    path = plan.with_name("models.yaml")
    path.write_text(yaml.safe_dump({"models": cards}, sort_keys=False), encoding="utf-8")
    return path


def evaluate(settings: Settings, output: Path, split: str) -> int:
    """`vrs study`, then `vrs leaderboard`, on the models of a split; the first exit status that is not 0."""
    plan = write_plan(settings, output, split)
    forget_stale_runs(plan.parent)
    status = call_vrs(["study", str(plan), "--output", str(plan.parent)], plan.with_name("study.log"))
    return status or show_board(plan)


def forget_stale_runs(folder: Path) -> None:
    """Let `vrs study` ask again what asked a model that was trained anew since: the command alone does not show it."""
    for note in sorted((folder / "runs").rglob(NOTE)):
        command = json.loads(note.read_text(encoding="utf-8"))
        arguments = command[command.index("--model_args") + 1]
        model = re.search(r"peft=([^,]+)", arguments) or re.search(r"pretrained=([^,]+)", arguments)
        trained = Path(model[1]) / TRAINED if model else None
        if trained is not None and trained.is_file() and trained.stat().st_mtime > note.stat().st_mtime:
            note.unlink()


def show_board(plan: Path) -> int:
    """`vrs leaderboard` on the runs beside a plan: leaderboard.json and .md; its exit status."""
    folder = plan.parent
    board = ["leaderboard", str(folder / "runs"), "--models", str(write_models_yaml(plan))]
    board += ["--json", str(folder / "leaderboard.json"), "--md", str(folder / "leaderboard.md")]
    return call_vrs(board, folder / "leaderboard.log")


def call_vrs(arguments: Sequence[str], log: Path) -> int:
    """A command of `vrs` in a process of its own, its output in `log`; its exit status."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with log.open("w", encoding="utf-8") as output:
        return subprocess.run([*VRS, *arguments], stdout=output, stderr=subprocess.STDOUT, env=environment).returncode


def conduct(settings: Settings, output: Path) -> int:
    """The whole study; 0, or the status of the first evaluation that failed."""
    output.mkdir(parents=True, exist_ok=True)
    train_all(settings, output, lambda line: print(line, flush=True))
    for split in settings.splits:
        print(f"{split}: evaluating; progress is in {output / split / 'study.log'}", flush=True)
    with ThreadPoolExecutor(settings.workers) as pool:
        statuses = list(pool.map(lambda split: evaluate(settings, output, split), settings.splits))
    write_numbers(settings, output)
    return next((status for status in statuses if status), 0)


def report(settings: Settings, output: Path) -> int:
    """The numbers of the runs that are there."""
    there = [split for split in settings.splits if (output / split / "runs").is_dir()]
    statuses = [show_board(write_plan(settings, output, split)) for split in there]
    write_numbers(settings, output)
    return next((status for status in statuses if status), 0)


def main() -> None:
    """Read the arguments; run; fill docs/study.md where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="models, results and numbers; some GB")
    parser.add_argument("--config", type=Path, default=HERE / "miniature.yaml")
    parser.add_argument("--seeds", type=int, help="models an arm, instead of the configuration's")
    parser.add_argument(
        "--shares", type=float, nargs="+", help="the learning curve: parts of the pairs, e.g. 0.25 0.5 1; not only all"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="what --write fills")
    parser.add_argument("--steps", type=int, help="the small form: stop each training after so many steps")
    parser.add_argument("--report", action="store_true", help="run nothing: write the numbers of what is there already")
    parser.add_argument("--write", action="store_true", help="fill the marked part of docs/study.md")
    chosen = parser.parse_args()
    settings = read_settings(chosen.config)
    if chosen.steps is not None:
        settings = settings.scale_down(chosen.steps)
    if chosen.seeds is not None:
        settings = settings.with_seeds(chosen.seeds)
    if chosen.shares is not None:
        settings = settings.with_shares(chosen.shares)
    status = report(settings, chosen.output) if chosen.report else conduct(settings, chosen.output)
    if chosen.write:
        write_page(chosen.output, chosen.page)
    sys.exit(status)


if __name__ == "__main__":
    main()
