"""Training text: takes a task's source, gives question and answer of every training row, for the question-only
baseline. Images are not read, and a training split that cannot be had costs the baseline, never the run."""

from __future__ import annotations

import logging
from typing import Any

import datasets

from vrs_lmeval.sources import DatasetSource, locate_folder

logger = logging.getLogger(__name__)

Texts = list[tuple[str, str]]


def load_training_text(source: DatasetSource, data_files: str) -> tuple[Texts, dict[str, Any]]:
    """(question, answer) of the Parquet or JSON-lines files `data_files` of the data set, and what the results say.

    Where they cannot be read: no text, the reason in the evidence, and a warning.
    """
    columns = [source.columns.question, source.columns.answer]
    folder = locate_folder(source.path)
    try:
        rows = datasets.load_dataset(
            str(folder) if folder is not None else source.path,
            data_files={"train": data_files},
            split="train",
            revision=None if folder is not None else source.revision,
        ).select_columns(columns)
        texts = [(row[columns[0]], row[columns[1]]) for row in rows]
    except (OSError, ValueError, RuntimeError) as error:  # `datasets` has no common base for "cannot get it"
        logger.warning("%s: no question-only baseline, %s cannot be read: %s", source.path, data_files, error)
        return [], {"data_files": data_files, "not_computed": str(error)}
    texts = [(question, answer) for question, answer in texts if question and answer]
    return texts, {"data_files": data_files, "training_questions": len(texts)}
