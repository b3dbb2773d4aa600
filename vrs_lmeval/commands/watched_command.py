"""A command that ends with whoever started it: `kill -9` of a study or of a Ray worker leaves no lm_eval behind.

The command runs below this module as a program. That holds a pipe to whoever started it; when the pipe closes, for
whatever reason, it ends the command and itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

SECONDS_TO_END = 10
"""What a command may take after SIGTERM; lm_eval takes none, a launcher of several processes some."""

_SET_SIGNAL_OF_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG, in linux/prctl.h

BY_SIGNAL = 128
"""Exit codes above it: a signal ended the command (137: kill -9, as when memory runs out)."""


class WatchedCommand:
    """`command`, begun, with all that it prints in `output`, or its errors in `errors`.

    It runs in `folder`, with `variables` added to its environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        output: IO[str],
        folder: Path | None = None,
        *,
        errors: IO[str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(SECONDS_TO_END), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors or subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(variables or {})},
            start_new_session=True,  # Ctrl-C goes to whoever started it, who then stops it
        )

    def wait(self, seconds: float) -> int | None:
        """Its exit code, above BY_SIGNAL where a signal ended it; None if it has not ended after `seconds`."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._close()
        return code if code >= 0 else BY_SIGNAL - code

    def stop(self) -> None:
        """End it, and all that it started; when this returns, they have ended."""
        self._close()
        try:
            self._process.wait(2 * SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()


def _end_with_starter(child: subprocess.Popen[bytes], seconds: float) -> None:
    while os.read(0, 1):  # until the pipe closes
        pass
    _send(child, signal.SIGTERM)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    """To the command and all that it started in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _end_with_this_process() -> None:
    """In the child: Linux sends it SIGTERM when its parent dies, also by the `kill -9` of Ray's that ends a worker."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENTS_DEATH, signal.SIGTERM)


def _main() -> int:
    _, seconds, *command = sys.argv
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_end_with_this_process
    )  # no thread has begun yet
    threading.Thread(target=_end_with_starter, args=(child, float(seconds)), daemon=True).start()
    code = child.wait()
    _send(child, signal.SIGKILL)  # what it left: processes of a launcher hold a GPU
    return code if code >= 0 else BY_SIGNAL - code


if __name__ == "__main__":
    sys.exit(_main())
