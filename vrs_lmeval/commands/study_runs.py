"""Runs of a study, one after another, each a process of lm_eval; what Ctrl-C and SIGTERM leave, in one line."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vrs_lmeval.commands.lm_eval_run import SECONDS_BETWEEN_LOOKS, find_progress
from vrs_lmeval.commands.study import Study, StudyRun, StudyStoppedError
from vrs_lmeval.commands.watched_command import start_watched, stop_watched


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within it Ctrl-C and SIGTERM raise StudyStoppedError; further ones wait until what was started has ended."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise StudyStoppedError(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_one_by_one(study: Study, console: Console) -> int:
    """Run what is not done; how many runs failed. A failure is shown and costs the others nothing.

    Raises StudyStoppedError, when the run in progress has been ended.
    """
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with stopped_by_signals(), Progress(*columns, console=console) as progress:
        bar = progress.add_task("runs", total=len(study.runs))
        for run in study.runs:
            progress.update(bar, description=escape(run.label))
            if not run.is_done:
                failed += not _run_once(run, console, progress, bar)
            progress.advance(bar)
    return failed


def _run_once(run: StudyRun, console: Console, progress: Progress, bar: object) -> bool:
    """Whether the run is done now."""
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        with run.log.open("w") as output:
            process = start_watched(run.command, output)
            try:
                while (code := _wait(process)) is None:
                    state = find_progress(run.log)
                    progress.update(bar, description=escape(f"{run.label}: {state}" if state else run.label))  # type: ignore[arg-type]
            except BaseException as error:
                stop_watched(process)
                if isinstance(error, StudyStoppedError):
                    error.begun = [run]
                raise
        fault = read_last_line(run.log) if code else run.find_fault()
        if fault is None:
            run.mark_done()
            return True
    except OSError as error:  # the disk is full, or the folder read-only
        fault = str(error)
    tell_failure(run, fault, console)
    return False


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(SECONDS_BETWEEN_LOOKS)
    except subprocess.TimeoutExpired:
        return None


def tell_failure(run: StudyRun, fault: str, console: Console) -> None:
    """Why a run failed, and where all that it printed is."""
    text = f"{run.name} on {run.task} failed: {fault}\n  its whole output is in {run.log}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def read_last_line(log: Path) -> str:
    """The last line that says something: a bar of progress may stand behind an error."""
    return (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]


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
