"""The keys of a task's YAML that say where its data are -> `DatasetSource`."""

from __future__ import annotations

from typing import Any

from vrs_lmeval.benchmark.bad_rows import choose_on_error
from vrs_lmeval.benchmark.sources import Columns, DatasetSource, find_pinned_revision

SOURCE_KEYS = ("revision", "data_files", "archive", "image_folder", "image_folder_from", "homepage")
"""What `dataset_kwargs` may say: fields of `DatasetSource`."""


def take_source(config: dict[str, Any]) -> DatasetSource:
    """The source that `config` describes; takes the keys that lm_eval does not know out of it.

    Raises ValueError for keys of `dataset_kwargs` that do not exist.
    """
    files = config.get("dataset_kwargs") or {}
    if unknown := sorted(set(files) - set(SOURCE_KEYS)):
        raise ValueError(
            f"{config['task']}: dataset_kwargs has no {', '.join(unknown)}; it has {', '.join(SOURCE_KEYS)}"
        )
    if pinned := find_pinned_revision(config["dataset_path"]):
        files = {**files, "revision": pinned}
    return DatasetSource(
        path=config["dataset_path"],
        split=config["test_split"],
        name=config.get("dataset_name"),
        columns=Columns(**config.pop("columns", {})),
        shape=config.pop("row_shape", None),
        closed_rule=config.pop("closed_rule", "yes_no"),
        accept_golds_of_duplicates=config.pop("accept_golds_of_duplicates", False),
        image_share=config.pop("image_share", None),
        regions=config.pop("regions", None),
        on_error=choose_on_error(config.pop("on_error", "stop"), config["task"]),
        **files,
    )
