"""A run of lm_eval that is stopped or fails: its last line says what is kept and how to go on."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from types import FrameType, TracebackType

from vrs_lmeval.benchmark.results_place import read_model_args
from vrs_lmeval.bridge import is_lm_eval_command
from vrs_lmeval.leaderboard.shown_text import make_visible

SWITCH = "VRS_LMEVAL_SUMMARY"
"""0 in the environment: the command that started lm_eval says more itself."""

FAILED = "ended by the error above"

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]

_ends: list[str] = []
"""How this process ends, if not by reaching its end."""


class TerminatedError(SystemExit):
    """SIGTERM, as an error: what is open is closed on the way out. The exit code is that of a shell for the signal."""


def ends_early() -> bool:
    """Whether this process was stopped, or ends with an error."""
    return bool(_ends)


@cache
def promise_last_line() -> None:
    """In lm_eval's command line, end at Ctrl-C and SIGTERM with one line in place of a traceback; below an error's
    traceback, where answers are kept.

    Of several processes the first speaks. A second SIGTERM ends the process at once.
    """
    if os.environ.get(SWITCH) == "0" or not is_lm_eval_command(sys.orig_argv):
        return
    sys.excepthook = _make_hook(sys.excepthook)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _make_handler(os.getpid()))
    if os.environ.get("RANK", "0") == "0":
        atexit.register(_tell, tuple(sys.argv[1:]))


def _make_hook(shown_by: Hook) -> Hook:
    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            _ends.append("stopped by Ctrl-C")
        else:
            _ends.append(FAILED)
            shown_by(kind, error, trace)

    return hook


def _make_handler(process: int) -> Callable[[int, FrameType | None], None]:
    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != process:  # a fork: it ends as it would have
            os.kill(os.getpid(), number)
            return
        _ends.append("stopped by SIGTERM")  # told at the end: a write may have been going on here
        raise TerminatedError(128 + number)

    return end


def _tell(arguments: Sequence[str]) -> None:
    # An error without a cache says what to do itself; perhaps nothing had been asked.
    if _ends and (_ends[0] != FAILED or "cache_dir" in read_model_args(arguments)):
        sys.stderr.write(f"\nvrs_lmeval: {_ends[0]}; {tell_what_is_kept(arguments)}\n")


def tell_what_is_kept(arguments: Sequence[str], option: str = "--model_args") -> str:
    """What of the run of `lm_eval ARGUMENTS` is kept, and how to go on; `option` gives the model its arguments."""
    if folder := read_model_args(arguments).get("cache_dir"):
        return make_visible(f"answers that came are kept in {folder}, and the next run goes on from there.")
    if any(argument.startswith(("--config", "-C", "--use_cache")) for argument in arguments):
        return "answers that came are kept if it named a cache, and then the next run goes on from there."
    return (
        f"nothing of it is kept. With cache_dir=FOLDER in {option} (models whose names begin with vrs-) "
        "the next run goes on where it ends."
    )
