"""A command that ends with whoever started it: `kill -9` of a study or of a Ray worker leaves no lm_eval behind.

The command runs below this module as a program. That holds a pipe to whoever started it; when the pipe closes, for
whatever reason, it ends the command and itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

SECONDS_TO_END = 10
"""What a command may take after SIGTERM; lm_eval takes none, a launcher of several processes some."""

BY_SIGNAL = 128
"""Exit codes above it: a signal ended the command (137: kill -9, as when memory runs out)."""


def start_watched(command: Sequence[str], output: IO[str], folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, all that it prints in `output`; see `stop_watched`."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,  # Ctrl-C goes to whoever started it, who then stops it
    )


def stop_watched(process: subprocess.Popen[bytes]) -> None:
    """End a command of `start_watched`, and all that it started; when this returns, it has ended."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(2 * SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_starter(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):  # until the pipe closes
        pass
    child.terminate()
    try:
        child.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        child.kill()
    os.killpg(os.getpgrp(), signal.SIGKILL)  # with what the command started and left


def _main() -> int:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_starter, args=(child,), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else BY_SIGNAL - code


if __name__ == "__main__":
    sys.exit(_main())
