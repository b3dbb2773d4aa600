"""Training text: takes a task's source, gives question and answer of every training row, for the question-only
baseline. Images are not read. If the training split cannot be read, only the baseline is missing; the run goes on."""

from __future__ import annotations

import logging
from typing import Any

import datasets
from datasets.packaged_modules.parquet.parquet import ParquetConfig

from vrs_lmeval.benchmark.sources import DatasetSource, locate_folder

logger = logging.getLogger(__name__)

Texts = list[tuple[str, str]]


def load_training_text(source: DatasetSource, data_files: str) -> tuple[Texts, dict[str, Any]]:
    """(question, answer) of the Parquet or JSON-lines files `data_files` of the data set, and what the results say.

    The files are streamed: from Parquet files on a hub only the two columns are read, a few MB of hundreds. If the
    files cannot be read, there is no text, the evidence holds the reason, and a warning is logged.
    """
    columns = [source.columns.question, source.columns.answer]
    folder = locate_folder(source.path)
    try:
        builder = datasets.load_dataset_builder(
            str(folder) if folder is not None else source.path,
            data_files={"train": data_files},
            revision=None if folder is not None else source.revision,
        )
        if isinstance(builder.config, ParquetConfig):
            builder.config.columns = columns
        rows = builder.as_streaming_dataset(split="train").select_columns(columns)
        texts = [(row[columns[0]], row[columns[1]]) for row in rows]
    except Exception as error:  # hubs, networks and readers raise a dozen kinds; none is worth the run
        logger.warning("%s: no question-only baseline, %s cannot be read: %s", source.path, data_files, error)
        return [], {"data_files": data_files, "not_computed": str(error)}
    texts = [(question, answer) for question, answer in texts if question and answer]
    return texts, {"data_files": data_files, "training_questions": len(texts)}
