"""One run of lm_eval in a process of its own: its log goes to a file, its progress is shown meanwhile."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from vrs_lmeval.commands.stop_signals import StopSignals
from vrs_lmeval.commands.stopped_run import SWITCH as SUMMARY_SWITCH
from vrs_lmeval.commands.watched_command import WatchedCommand

LOG = "lm_eval.log"

SECONDS_BETWEEN_LOOKS = 0.5
"""How often the log is looked at for progress: as often as a reader would notice."""

TAIL_BYTES = 4096
"""How much of the log's end is read for that: the last line of a progress bar is far shorter."""

_PROGRESS = re.compile(r"([^\r\n|]*?) *(\d+)%\|[^|\r\n]*\| *([^\r\n]*)")
"""What tqdm writes: what is done, how much of it in percent, a bar, and counts with times."""


class RunFailedError(RuntimeError):
    """lm_eval ended with an error; `code` is its exit code, the message the end of its log and where the rest is."""

    def __init__(self, log: Path, code: int) -> None:
        super().__init__(f"{log.read_text(errors='replace')[-2000:]}\nlm_eval failed; its whole output is in {log}")
        self.code = code


def run_lm_eval(arguments: Sequence[str], output: Path, model: str, console: Console) -> str:
    """`lm_eval run ARGUMENTS --log_samples --output_path OUTPUT`; give its tables.

    Raises RunFailedError, and StoppedError when lm_eval has been ended.
    """
    command = [sys.executable, "-m", "lm_eval", "run", *arguments, "--log_samples", "--output_path", str(output)]
    console.print(f"\n[bold]$ lm_eval {escape(shlex.join(command[3:]))}[/bold]", highlight=False, soft_wrap=True)
    output.mkdir(parents=True, exist_ok=True)
    log = output / LOG
    asking = f"asking {escape(model)} every question under every image variant ..."
    quiet = {SUMMARY_SWITCH: "0"}  # who calls this shows the results
    with log.open("w") as errors, tempfile.TemporaryFile("w+") as shown, console.status(asking) as status:
        with StopSignals() as signals:
            process = WatchedCommand(command, shown, errors=errors, variables=quiet)
            try:
                while (code := process.wait(SECONDS_BETWEEN_LOOKS)) is None:
                    signals.check()
                    progress = find_progress(log)
                    status.update(f"{escape(model)}: {escape(progress)}" if progress else asking)
            except BaseException:
                process.stop()
                raise
        shown.seek(0)
        text = shown.read()
    if code != 0:
        raise RunFailedError(log, code)
    return text.strip()


def find_progress(log: Path) -> str:
    """The last state of a progress bar at a log's end, "Running: 40 %, 12/30 [00:09<00:14]"; "" where there is none."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        bars = _PROGRESS.findall(file.read().decode("utf-8", errors="replace"))
    return "{} {} %, {}".format(*bars[-1]).strip() if bars else ""
