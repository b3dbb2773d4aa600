"""Where a run will write its results: tried before anything is asked, since the harness only warns when it cannot write
and then ends, hours later, with exit code 0 and without them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PROBE_BYTES = 2**20
"""Written and removed: a full disk or a quota is not seen in a folder's permissions."""

DATE = "0001-01-01T00-00-00.000000"
"""As long as what the harness puts into the names of its files, and in none of them."""

_NAMES_OF_A_MODEL = ("peft", "delta", "pretrained", "model", "path", "engine")
"""Arguments of a model by which the harness names its folder, the first that is given."""


class ResultsPlaceError(RuntimeError):
    """The results could not be written; the message names the path, the reason and what to do."""


def check_results_place(arguments: Sequence[str], tasks: Iterable[str]) -> None:
    """Write a file where `lm_eval ARGUMENTS` will put the results of `tasks`, and remove it again.

    Does nothing without `--output_path`. Raises ResultsPlaceError.
    """
    output = next(iter(_read_values(arguments, "--output_path", "-o")), None)
    if output is None:
        return
    folder = find_folder(Path(output), read_model_args(arguments))
    longest = max((f"samples_{task}_{DATE}.jsonl" for task in tasks), key=len, default=f"results_{DATE}.json")
    made: list[Path] = []
    try:
        made = _make(folder)
        _probe(folder / longest)
    except OSError as error:
        raise ResultsPlaceError(
            f"results could not be written to {folder}: {error.strerror or error}; nothing was asked. {_advise(folder)}"
        ) from error
    finally:
        for each in reversed(made):
            with suppress(OSError):
                each.rmdir()


def find_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """The folder of a run's files, as the harness makes it of `--output_path` and a model's arguments."""
    if output.suffix == ".json":
        return output.parent
    name = next((str(given[key]) for key in _NAMES_OF_A_MODEL if key in given), "model")
    return output / re.sub(r"[\"<>:/|\\?*\[\]]+", "__", name)


def read_model_args(arguments: Sequence[str]) -> dict[str, Any]:
    """What `lm_eval ARGUMENTS` gives the model: pairs parted by commas or spaces, or JSON."""
    from lm_eval.utils import simple_parse_args_string

    model_args = _read_values(arguments, "--model_args", "-a")
    if len(model_args) == 1 and model_args[0].lstrip().startswith("{"):
        with suppress(ValueError):
            parsed = json.loads(model_args[0])
            return parsed if isinstance(parsed, dict) else {}
    given: dict[str, Any] = {}
    for text in model_args:
        given |= simple_parse_args_string(text)
    return given


def _read_values(arguments: Sequence[str], *options: str) -> list[str]:
    """What stands behind an option, up to the next one."""
    values: list[str] = []
    is_value = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in options:
            is_value = not equals
            values += [value] if equals else []
        elif argument.startswith("-"):
            is_value = False
        elif is_value:
            values.append(argument)
    return values


def _make(folder: Path) -> list[Path]:
    """Make a folder and those above it; give the ones that were not there, the uppermost first."""
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _probe(path: Path) -> None:
    """The file must not be there: what a run wrote is never touched."""
    file = path.open("xb")
    try:
        with file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)


def _advise(folder: Path) -> str:
    if len(os.fsencode(folder.name)) > 255:
        return "Its name is made of the model's path: give a shorter one in --model_args, for example a link to it."
    return "Give another --output_path."
