"""The `vrs` command line: `demo` runs both controls on the embedded benchmark, `compare` puts runs side by side."""

from __future__ import annotations

import importlib.resources
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vrs_lmeval.leaderboard.comparison import Comparison, IncomparableRunsError, compare_runs
from vrs_lmeval.leaderboard.report import make_caption, make_conclusions, make_json, make_markdown, make_table
from vrs_lmeval.leaderboard.results import Run, UnreadableResultsError, read_runs

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Does a vision-language model look at the image?")
console = Console(width=None if sys.stdout.isatty() else 160)

CONTROLS = ("sighted", "blind")
DEMO_TASK = "vrs_sample"


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the results and the comparison.")] = Path("vrs-demo"),
) -> None:
    """Run the two shipped controls, one trained with images and one without, through lm_eval, and compare them."""
    runs = []
    for control in CONTROLS:
        model = Path(str(importlib.resources.files("vrs_lmeval") / "controls" / control))
        _run_lm_eval(model, DEMO_TASK, output / control)
        runs += read_runs(output / control)
    _show(runs, output)


@app.command()
def compare(
    results: Annotated[list[Path], typer.Argument(help="Folders written by lm_eval --output_path --log_samples.")],
    output: Annotated[Path | None, typer.Option(help="Folder for comparison.md and comparison.json.")] = None,
) -> None:
    """Put runs of several models on the same tasks side by side; the first is the reference."""
    try:
        _show([run for folder in results for run in read_runs(folder)], output)
    except (UnreadableResultsError, IncomparableRunsError) as error:
        console.print(f"[red]vrs compare:[/red] {error}", highlight=False)
        raise typer.Exit(2) from error


def _run_lm_eval(model: Path, task: str, output: Path) -> None:
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "vrs-hf", "--model_args", f"pretrained={model}"]
    command += ["--tasks", task, "--batch_size", "16", "--log_samples", "--output_path", str(output)]
    console.print(f"\n[bold]$ lm_eval {shlex.join(command[3:])}[/bold]", highlight=False, soft_wrap=True)
    output.mkdir(parents=True, exist_ok=True)
    log = output / "lm_eval.log"
    with log.open("w") as stderr, console.status(f"asking {model.name} every question under every image variant ..."):
        finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    if finished.returncode != 0:
        console.print(log.read_text()[-2000:], highlight=False, markup=False)
        console.print(f"[red]vrs demo:[/red] lm_eval failed; its whole output is in {log}", highlight=False)
        raise typer.Exit(finished.returncode)
    console.print(finished.stdout.strip(), highlight=False, markup=False, soft_wrap=True)


def _show(runs: list[Run], output: Path | None) -> None:
    comparisons = [
        compare_runs([run for run in runs if run.task == task]) for task in dict.fromkeys(run.task for run in runs)
    ]
    for comparison in comparisons:
        console.print()
        console.print(make_table(comparison))
        console.print(make_caption(comparison), highlight=False)
        for sentence in make_conclusions(comparison):
            console.print(f"  {sentence}", highlight=False)
    if output is not None:
        _write(comparisons, output)


def _write(comparisons: list[Comparison], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for comparison in comparisons:
        for suffix, text in ((".md", make_markdown(comparison)), (".json", make_json(comparison))):
            path = output / f"{comparison.task}{suffix}"
            path.write_text(text, encoding="utf-8")
            console.print(f"wrote {path}", highlight=False)
