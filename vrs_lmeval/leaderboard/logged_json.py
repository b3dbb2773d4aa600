"""A file that lm_eval wrote -> its text and JSON; raises what is in DAMAGE for anything that it would not write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DAMAGE = (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError, RecursionError, OSError)
"""What reading a file may raise that is not what a run writes: one damaged run costs itself alone."""

DEEPEST = 64
"""Levels of lists and mappings: a run writes under 10. To compare or copy much deeper ones exceeds Python's stack."""

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


def read_text(path: Path) -> str:
    """The text of a regular file. A pipe would never end, nor would a device."""
    if not path.is_file():
        raise ValueError("it is no file: a folder, a pipe, a device or a link to nowhere")
    return path.read_text(encoding="utf-8")


def parse_json(text: str) -> Any:
    """JSON as a run writes it, not too deep; half of a surrogate pair, which UTF-8 cannot hold, becomes a "?"."""
    value = json.loads(text)
    if text.count("[") + text.count("{") > DEEPEST:
        _check_depth(value)
    if _HALF_PAIR.search(text):
        value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            item
            for each in level
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
