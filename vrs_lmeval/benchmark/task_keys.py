"""The keys of a task's YAML: whether they exist and hold what they may, and where its data are -> `DatasetSource`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, get_args

from vrs_lmeval.benchmark.bad_rows import OnError, choose_on_error
from vrs_lmeval.benchmark.question_types import BREAKDOWNS
from vrs_lmeval.benchmark.row_shapes import ROW_SHAPES
from vrs_lmeval.benchmark.sources import ClosedRule, Columns, DatasetSource, find_pinned_revision
from vrs_lmeval.reading.prompt_styles import STYLES

SOURCE_KEYS = ("revision", "data_files", "archive", "image_folder", "image_folder_from", "homepage")
"""What `dataset_kwargs` may say: fields of `DatasetSource`."""

OUR_KEYS = (
    "variants",
    "draws",
    "by",
    "question_only",
    "prompt_style",
    "columns",
    "row_shape",
    "closed_rule",
    "accept_golds_of_duplicates",
    "image_share",
    "regions",
    "on_error",
)
"""What a task's YAML may say beyond lm_eval's own keys; `VrsTask` tells what each is."""

READ_BY_LM_EVAL = ("class", "include", "tag", "group", "task_list")
"""Keys that lm_eval takes out of a YAML before it makes a task of the rest."""

CHOICES = {
    "prompt_style": tuple(STYLES),
    "closed_rule": get_args(ClosedRule),
    "row_shape": tuple(ROW_SHAPES),
    "on_error": get_args(OnError),
}


class TaskKeyError(ValueError):
    """A task's YAML has a key that nothing reads, or a value that it cannot have; the message names both."""


def check_keys(config: Mapping[str, Any]) -> None:
    """Raises TaskKeyError for a key that nothing would read, and for a value that is none of those it may have."""
    from lm_eval.config.task import TaskConfig

    lm_evals = [field.name for field in fields(TaskConfig)]
    listed = f"{', '.join(OUR_KEYS)}, and lm_eval's own keys"
    _refuse_unknown("", config, [*OUR_KEYS, *READ_BY_LM_EVAL, *lm_evals], listed)
    if "variants" not in config:
        raise TaskKeyError("variants: is missing; for example `variants: [real, blank, shuffled]`")
    for key, known in (("dataset_kwargs", SOURCE_KEYS), ("columns", [field.name for field in fields(Columns)])):
        held = config.get(key) or {}
        if not isinstance(held, Mapping):
            raise TaskKeyError(f"{key}: should be a mapping, it is {held!r}")
        _refuse_unknown(f"{key}: ", held, known)
    for key, values in CHOICES.items():
        if config.get(key) is not None:
            _refuse_unknown(f"{key}: ", [config[key]], values)
    broken_down_by = config.get("by") or []
    if not isinstance(broken_down_by, list | tuple):
        raise TaskKeyError(f"by: should be a list of {', '.join(BREAKDOWNS)}, it is {broken_down_by!r}")
    _refuse_unknown("by: ", broken_down_by, BREAKDOWNS)


def _refuse_unknown(where: str, given: Collection[Any], known: Collection[str], listed: str = "") -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            told = f"did you mean {near[0]}?" if near else f"there are {listed or ', '.join(known)}"
            raise TaskKeyError(f"{where}there is no {name!r}; {told}")


def take_source(config: dict[str, Any]) -> DatasetSource:
    """The source that `config` describes; takes the keys that lm_eval does not know out of it.

    Raises TaskKeyError for keys of `dataset_kwargs` and `columns` that do not exist.
    """
    files, columns = config.get("dataset_kwargs") or {}, config.pop("columns", None) or {}
    _refuse_unknown(f"{config['task']}: dataset_kwargs: ", files, SOURCE_KEYS)
    _refuse_unknown(f"{config['task']}: columns: ", columns, [field.name for field in fields(Columns)])
    if pinned := find_pinned_revision(config["dataset_path"]):
        files = {**files, "revision": pinned}
    return DatasetSource(
        path=config["dataset_path"],
        split=config["test_split"],
        name=config.get("dataset_name"),
        columns=Columns(**columns),
        shape=config.pop("row_shape", None),
        closed_rule=config.pop("closed_rule", "yes_no"),
        accept_golds_of_duplicates=config.pop("accept_golds_of_duplicates", False),
        image_share=config.pop("image_share", None),
        regions=config.pop("regions", None),
        on_error=choose_on_error(config.pop("on_error", "stop"), config["task"]),
        **files,
    )
