"""Runs -> their comparison on the terminal, a table and a verdict a task, and the same in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vrs_lmeval.leaderboard.comparison import Comparison, compare_runs
from vrs_lmeval.leaderboard.report import make_caption, make_json, make_markdown, make_paragraph, make_table
from vrs_lmeval.leaderboard.runs import Run
from vrs_lmeval.leaderboard.shown_text import name_file


def show_comparison(runs: Sequence[Run], output: Path | None, console: Console) -> None:
    """What `vrs compare` prints; with `output`, also as Markdown and JSON there. Raises IncomparableRunsError."""
    comparisons = [
        compare_runs([run for run in runs if run.task == task]) for task in dict.fromkeys(run.task for run in runs)
    ]
    for comparison in comparisons:
        console.print()
        console.print(make_table(comparison))
        console.print(make_caption(comparison), highlight=False)
        console.print(f"\n{make_paragraph(comparison)}", highlight=False, markup=False)
    if output is not None:
        _write(comparisons, output, console)


def _write(comparisons: Sequence[Comparison], output: Path, console: Console) -> None:
    for comparison in comparisons:
        for suffix, make in ((".md", make_markdown), (".json", make_json)):
            write_file(output / f"{name_file(comparison.task)}{suffix}", make(comparison), console)


def write_file(path: Path, text: str, console: Console) -> None:
    """Write a text as UTF-8, with its folder, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    console.print(f"wrote {path}", highlight=False)
