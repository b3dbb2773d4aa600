"""Row checks: takes what a row holds, and whole samples; refuses or counts before inference what could only go wrong.

A gold that is no text and a question that no model could be asked are errors that name data set, split and row; a
question that nothing can answer is counted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vrs_lmeval.benchmark.sources import MalformedDataError
from vrs_lmeval.reading.answers import parse_answer
from vrs_lmeval.reading.choices import find_choices, read_gold
from vrs_lmeval.reading.scoring import score_answer
from vrs_lmeval.records import Sample

logger = logging.getLogger(__name__)

LONGEST_QUESTION = 100_000
"""Characters: what is longer fills the context of most models, and is a wrong column rather than a question."""

IMAGE_MARKS: Mapping[str, str] = {
    "<image>": "lm-eval, LLaVA, Idefics, PaliGemma, SmolVLM",
    "<|image|>": "Llama 3.2 and 4, GLM-4.1V, Gemma 4, Molmo2",
    "<|image>": "Gemma 4",
    "<image|>": "Gemma 4",
    "<|image_pad|>": "Qwen2-VL and later",
    "<|video_pad|>": "Qwen2-VL and later",
    "<|vision_start|>": "Qwen2-VL and later",
    "<|vision_end|>": "Qwen2-VL and later",
    "<|image_start|>": "Llama 4",
    "<|image_end|>": "Llama 4",
    "<|patch|>": "Llama 4",
    "<|begin_of_image|>": "GLM-4.1V",
    "<|end_of_image|>": "GLM-4.1V",
    "<start_of_image>": "Gemma 3",
    "<end_of_image>": "Gemma 3",
    "<image_soft_token>": "Gemma 3",
    "<begin_of_image>": "Janus",
    "<image_placeholder>": "Janus, DeepSeek-VL",
    "<IMG_CONTEXT>": "InternVL",
    "<img>": "InternVL, Qwen-VL",
    "</img>": "InternVL, Qwen-VL",
    "[IMG]": "Pixtral, Mistral 3",
    "[IMG_BREAK]": "Pixtral, Mistral 3",
    "[IMG_END]": "Pixtral, Mistral 3",
    "<fake_token_around_image>": "Idefics",
    "<global-img>": "Idefics3, SmolVLM",
    "<im_patch>": "Molmo",
    "<|media_pad|>": "Kimi-VL",
    "<|image_1|>": "Phi-3.5-vision",
}
"""Texts that stand for an image in a prompt, and models that read them so. Each is one more image than there is."""

ROWS_NAMED = 5
"""How many rows a warning names: enough to look at the data, and one line."""


def name_row(value: Any) -> str:
    """What messages and results call a row: its number, or what its owner's column holds, as one line."""
    text = str(value) if isinstance(value, int | str) else repr(value)
    return text if text.isprintable() else repr(text)


def read_gold_text(value: Any, column: str, where: str) -> str:
    """A gold as text; numbers are. Raises MalformedDataError for anything else: NaN, a truth value, a struct, bytes."""
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    is_number = is_number and not isinstance(value, bool)
    if not isinstance(value, str) and not is_number:
        raise MalformedDataError(
            f"{where}: column {column!r} should hold an answer as text, it holds {_shorten(repr(value))} "
            f"({type(value).__name__}); name the column that holds the text, or give the task a row_shape"
        )
    return str(value)


def check_encodable(texts: Iterable[str | None], where: str) -> None:
    """Raises MalformedDataError for text that no UTF-8 file holds: half of a surrogate pair, which JSON can write."""
    for text in filter(None, texts):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedDataError(
                f"{where}: {_shorten(ascii(text))} holds half of a surrogate pair, which UTF-8 cannot write"
            ) from error


def check_question(question: str, options: Sequence[str], where: str) -> None:
    """Raises MalformedDataError for a question that ends the run at inference: too long, or with an image's mark in it.

    The prompt of the task says where the image stands; a mark in the row itself (the question or an option) would ask
    for one more.
    """
    if len(question) > LONGEST_QUESTION:
        raise MalformedDataError(
            f"{where}: the question has {len(question):,} characters, more than {LONGEST_QUESTION:,}: "
            f"{_shorten(repr(question))}; name the column that holds the question, or leave the row out"
        )
    found = next((mark for mark in IMAGE_MARKS for text in (question, *options) if mark in text), None)
    if found is not None:
        raise MalformedDataError(
            f"{where}: the question or an option holds {found!r}, which stands for an image in the prompts of "
            f"{IMAGE_MARKS[found]}; take it out of the data, or give the task a row_shape that does: "
            "doc_to_text says where the image stands"
        )


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


def count_unanswerable(samples: Sequence[Sample], rows: Mapping[str, str], path: str) -> int:
    """How many questions nothing can answer, and a warning that names their rows (`rows`: by sample id)."""
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


def _list_rows(rows: Sequence[str]) -> str:
    """ "row 3", or "rows 0, 3, 4, 7, 9 and 2 more"."""
    named = ", ".join(rows[:ROWS_NAMED])
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    return f"row{'s' if len(rows) > 1 else ''} {named}{more}"


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
