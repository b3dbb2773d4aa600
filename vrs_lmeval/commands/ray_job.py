"""What a worker of Ray does: one command, begun again if a signal ends it. Imports little: each worker loads it."""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from vrs_lmeval.commands.watched_command import BY_SIGNAL, WatchedCommand

ATTEMPTS = 4
"""How often a run is begun whose process, worker or machine dies: it goes on from its kept answers."""

SECONDS_BETWEEN_LOOKS = 0.5
"""Ray's way to stop a task does not interrupt a call of the system, so none is long."""


def run_job(command: Sequence[str], log: str, folder: str) -> int:
    """On a worker: run `command` in `folder`, and again if a signal ends it; its exit code."""
    if not Path(log).parent.is_dir():
        raise FileNotFoundError(f"{platform.node()} does not see {Path(log).parent}: all machines need that folder")
    # Ray stops a task by Ctrl-C, which is ignored where a shell started the study behind `&`.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for attempt in range(1, ATTEMPTS + 1):
        code = _run_once(command, log, folder, attempt)
        if code <= BY_SIGNAL:
            break
    return code


def _run_once(command: Sequence[str], log: str, folder: str, attempt: int) -> int:
    with open(log, "a") as output:
        print(f"vrs study: attempt {attempt} on {platform.node()}, worker {os.getpid()}", file=output, flush=True)
        process = WatchedCommand([sys.executable, *command[1:]], output, Path(folder))
        try:
            while (code := process.wait(SECONDS_BETWEEN_LOOKS)) is None:
                pass
        except BaseException:  # the study was stopped
            process.stop()
            raise
    return code
