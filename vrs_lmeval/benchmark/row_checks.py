"""Row checks: takes what a row holds, and whole samples; refuses or counts before inference what could only go wrong.

A value that is no text is an error that names data set, split and row. A question that nothing can answer is counted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from vrs_lmeval.benchmark.sources import MalformedDataError
from vrs_lmeval.reading.answers import parse_answer
from vrs_lmeval.reading.choices import find_choices, read_gold
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.records import Sample

logger = logging.getLogger(__name__)

ROWS_NAMED = 5
"""How many rows a warning names: enough to look at the data, and one line."""


def read_gold_text(value: Any, column: str, where: str) -> str:
    """A gold as text; numbers are. Raises MalformedDataError for anything else: NaN, a truth value, a struct, bytes."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not isinstance(value, str) and not is_number:
        raise MalformedDataError(
            f"{where}: column {column!r} should hold an answer as text, it holds {_shorten(repr(value))} "
            f"({type(value).__name__}); name the column that holds the text, or give the task a row_shape"
        )
    return str(value)


def is_outside_options(sample: Sample) -> bool:
    """True where no gold is one of the options as answers are read, so that no answer can be right."""
    choices = find_choices(sample) if sample.options else ()
    return bool(choices) and not any(read_gold(gold, sample) in choices for gold in sample.golds)


def is_unanswerable(sample: Sample) -> bool:
    """True where a model that says a gold word by word would be wrong, whichever gold: it has no word, or is cut.

    A question with options can be answered by its letter, so there a gold only has to be one of them.
    """
    if sample.options and sample.answer_type == "closed":
        return is_outside_options(sample)
    return not any(score_answer(parse_answer(gold, sample), sample).correct for gold in sample.golds)


def count_unanswerable(samples: Sequence[Sample], rows: Mapping[str, int], path: str) -> int:
    """How many questions nothing can answer, and a warning that names their rows (`rows`: of each sample id)."""
    unanswerable = [sample for sample in samples if is_unanswerable(sample)]
    outside = [rows[sample.sample_id] for sample in unanswerable if is_outside_options(sample)]
    wordless = [rows[sample.sample_id] for sample in unanswerable if not is_outside_options(sample)]
    if outside:
        logger.warning(
            "%s: %d questions have a gold that is none of their options: always wrong (%s)",
            path,
            len(outside),
            _list_rows(outside),
        )
    if wordless:
        logger.warning(
            "%s: %d questions have a gold that is wrong even said word by word, since it has no word or cannot be read "
            "back: always wrong (%s)",
            path,
            len(wordless),
            _list_rows(wordless),
        )
    return len(unanswerable)


def _list_rows(rows: Sequence[int]) -> str:
    """ "row 3", or "rows 0, 3, 4, 7, 9 and 2 more"."""
    named = ", ".join(map(str, rows[:ROWS_NAMED]))
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    return f"row{'s' if len(rows) > 1 else ''} {named}{more}"


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
