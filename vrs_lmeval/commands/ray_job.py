"""What a worker of Ray does: one command, begun again if a signal ends it. Imports little: each worker loads it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vrs_lmeval.commands.watched_command import BY_SIGNAL, start_watched, stop_watched

ATTEMPTS = 4
"""How often a run is begun whose process, worker or machine dies: it goes on from its kept answers."""

SECONDS_BETWEEN_LOOKS = 0.5
"""Ray's way to stop a task does not interrupt a call of the system, so none is long."""


def run_job(command: Sequence[str], log: str, folder: str) -> int:
    """On a worker: run `command` in `folder`, and again if a signal ends it; its exit code."""
    if not Path(log).parent.is_dir():
        raise FileNotFoundError(f"{platform.node()} does not see {Path(log).parent}: all machines need that folder")
    code = 0
    for attempt in range(1, ATTEMPTS + 1):
        with open(log, "a") as output:
            print(f"vrs study: attempt {attempt} on {platform.node()}, worker {os.getpid()}", file=output, flush=True)
            process = start_watched([sys.executable, *command[1:]], output, Path(folder))
            try:
                code = _wait(process)
            except BaseException:  # the study was stopped
                stop_watched(process)
                raise
        if code <= BY_SIGNAL:
            break
    return code


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Looks again and again, because Ray's way to stop a task does not interrupt a call of the system."""
    while True:
        try:
            return process.wait(SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            continue
