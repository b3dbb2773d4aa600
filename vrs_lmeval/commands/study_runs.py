"""Runs of a study, one after another, each a process of lm_eval; what Ctrl-C and SIGTERM leave, in one line."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vrs_lmeval.commands.lm_eval_run import SECONDS_BETWEEN_LOOKS, find_progress
from vrs_lmeval.commands.stop_signals import StopSignals
from vrs_lmeval.commands.study import Study, StudyRun, StudyStoppedError
from vrs_lmeval.commands.watched_command import BY_SIGNAL, WatchedCommand


def run_one_by_one(study: Study, console: Console) -> int:
    """Run what is not done; how many runs failed. A failure is shown and costs the others nothing.

    Raises StudyStoppedError, when the run in progress has been ended.
    """
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with StopSignals(StudyStoppedError) as signals, Progress(*columns, console=console) as progress:
        bar = progress.add_task("runs", total=len(study.runs))

        def show(run: StudyRun) -> None:
            state = find_progress(run.log) if run.log.is_file() else ""
            progress.update(bar, description=escape(f"{run.label}: {state}" if state else run.label))

        for run in study.runs:
            signals.check()
            show(run)
            if not run.is_done:
                failed += not _run_once(run, console, signals, show)
            progress.advance(bar)
    return failed


def _run_once(run: StudyRun, console: Console, signals: StopSignals, show: Callable[[StudyRun], None]) -> bool:
    """Whether the run is done now."""
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        with run.log.open("w") as output:
            process = WatchedCommand(run.command, output)
            try:
                while (code := process.wait(SECONDS_BETWEEN_LOOKS)) is None:
                    signals.check()
                    show(run)
            except BaseException as error:
                process.stop()
                if isinstance(error, StudyStoppedError):
                    error.begun = [run]
                raise
        fault = explain_end(code, run.log) if code else run.find_fault()
        if fault is None:
            run.mark_done()
            return True
    except OSError as error:  # the disk is full, or the folder read-only
        fault = str(error)
    tell_failure(run, fault, console)
    return False


def tell_failure(run: StudyRun, fault: str, console: Console) -> None:
    """Why a run failed, and where all that it printed is."""
    text = f"{run.name} on {run.task} failed: {fault}\n  its whole output is in {run.log}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def explain_end(code: int, log: Path) -> str:
    """Why a run ended with this exit code: the last line that it printed, and the signal that killed it if one did."""
    last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
    if code - BY_SIGNAL not in set(signal.Signals):
        return last
    name = signal.Signals(code - BY_SIGNAL).name
    memory = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"killed by {name}{memory}; the last it said: {last}"


def tell_what_is_kept(study: Study, begun: Sequence[StudyRun], command: str) -> str:
    """One line: what is done, what of the runs that were `begun` is kept, and how to go on."""
    done = sum(run.is_done for run in study.runs)
    kept = [run.label for run in begun if any("cache_dir=" in part for part in run.command)]
    lost = [run.label for run in begun if run.label not in kept]
    parts = [f"stopped: {done} of {len(study.runs)} runs are done and kept in {study.output / 'runs'}"]
    if kept:
        parts.append(f"{'; '.join(kept)} will go on from the answers kept so far")
    if lost:
        parts.append(f"{'; '.join(lost)} will begin again")
    return f"{'; '.join(parts)}. To go on, call again: {command}"
