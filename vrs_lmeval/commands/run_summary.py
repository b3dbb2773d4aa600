"""The end of a run of lm_eval: a short table and what may be concluded, below the harness's table of 26 to 90 rows.

The harness prints its tables last and calls nobody afterwards, so this is printed when the process ends.
"""

from __future__ import annotations

import atexit
import os
import shlex
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vrs_lmeval.bridge import is_lm_eval_command
from vrs_lmeval.commands.plain_console import make_console
from vrs_lmeval.commands.stopped_run import SWITCH, ends_early
from vrs_lmeval.leaderboard.comparison import Comparison, compare_runs
from vrs_lmeval.leaderboard.report import HEADINGS, format_interval, make_paragraph
from vrs_lmeval.leaderboard.runs import Run, read_results, read_run

KEPT = "Answers are kept where cache_dir= was given: the same command with another --output_path asks nothing twice."

SHOWN = ("acc", "acc_shuffled", "vrs", "image_sensitivity", "parse_failure_rate")


@cache
def promise_summary() -> None:
    """Print it when this process ends; once, on the first of several processes, in lm_eval's command line alone."""
    if os.environ.get(SWITCH) == "0" or os.environ.get("RANK", "0") != "0" or not is_lm_eval_command(sys.orig_argv):
        return
    atexit.register(_show_end, time.time(), tuple(sys.argv[1:]))


def _show_end(started: float, arguments: Sequence[str]) -> None:
    try:
        show_end(started, arguments, make_console())
    except Exception as error:  # the results are written: a summary that fails must not look like a run that failed
        sys.stderr.write(f"vrs_lmeval: no summary ({type(error).__name__}: {error}); vrs compare makes one\n")


def show_end(started: float, arguments: Sequence[str], console: Console) -> None:
    """What the runs say that were written since `started` (seconds since 1970); how to get more."""
    output = _find_value(arguments, "--output_path", "-o")
    if any(argument.startswith(("--config", "-C")) for argument in arguments):
        return  # the folder stands in a file
    if output is None or not {"--log_samples", "-s"} & set(arguments):
        _say(console, "\nVRS with its interval and what may be concluded: run with --log_samples --output_path FOLDER")
        return
    folder = Path(output)
    if folder.suffix == ".json":
        return  # lm_eval writes beside it, under names that no command of ours reads
    # lm_eval makes a folder for each model there; what lies deeper, or beside a file that was named, is not looked at.
    files = [path for pattern in ("results_*.json", "*/results_*.json") for path in folder.glob(pattern)]
    new = [path for path in files if path.stat().st_mtime >= started]
    if not new and not ends_early():
        _say(console, f"\nno results were written to {folder}: see above for 'Could not save results'. {KEPT}")
        return
    runs = [run for path in sorted(new) for run in _read(path)]
    if not runs:
        return
    show_runs(runs, console)
    shown = shlex.quote(str(folder))
    _say(console, f"more: vrs compare {shown}, beside other models: vrs leaderboard {shown} ... --html board.html")


def _read(path: Path) -> list[Run]:
    """The runs of a results file; tasks without both images have no VRS and no place in the table."""
    results, tasks = read_results(path)
    runs = [read_run(path, results, task) for task in tasks]
    return [run for run in runs if "vrs" in run.metrics]


def show_runs(runs: Sequence[Run], console: Console) -> None:
    """A row a task, and a sentence each."""
    compared = [compare_runs([run]) for run in runs]
    names = [name for name in SHOWN if any(name in each.rows[0].metrics for each in compared)]
    table = Table("model", "task", "questions", *(HEADINGS[name] for name in names))
    for each in compared:
        table.add_row(*map(escape, [each.rows[0].model, each.task, f"{each.questions:,}", *_fill(each, names)]))
    console.print()
    console.print(table)
    for each in compared:
        if said := make_paragraph(each):
            _say(console, f"{each.task}: {said}" if len(compared) > 1 else said)


def _fill(comparison: Comparison, names: Sequence[str]) -> list[str]:
    metrics = comparison.rows[0].metrics
    return [
        ""
        if name not in metrics
        else format_interval(metrics[name], signed=True)
        if name == "vrs"
        else f"{metrics[name].estimate:.3f}"
        for name in names
    ]


def _find_value(arguments: Sequence[str], *options: str) -> str | None:
    """What stands behind an option: "--output_path FOLDER" or "--output_path=FOLDER"; None without it."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in options:
            return value if equals else next(iter(arguments[place + 1 : place + 2]), None)
    return None


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
