"""Question types: takes a question, gives what kind of question it is, by the data set's word or by its own form."""

from __future__ import annotations

from vrs_lmeval.reading.choices import read_gold
from vrs_lmeval.reading.normalisation import normalise, word_set
from vrs_lmeval.reading.option_names import fold_text, name_options
from vrs_lmeval.records import Sample

QUESTION_FORM = "question_form"
BREAKDOWNS = ("question_type", "modality", QUESTION_FORM)
"""What `by` of a task may name: the first two are the data set's own; the last is told from the question
(`find_question_form`)."""

QUESTION_WORDS = word_set("what which where how when who whose why")


def find_question_type(sample: Sample) -> str:
    """The data set's own type if it has one, with the form of the question; otherwise open questions go by first word.

    Then "where is the mass?" and "where is the fracture?" have one type, and "yes" is an answer to neither.
    """
    form = find_closed_form(sample)
    if sample.question_type:
        return f"type {sample.question_type}, {form or 'open'}"
    return form or f"open {next(iter(normalise(sample.question).split()), '')}"


def find_question_form(sample: Sample) -> str:
    """The form by which PathVQA's paper (arXiv 2003.10286) groups questions: yes/no, or the first question word.

    Questions with options or alternatives ("a or b?") are forms of their own; "other" has no question word.
    """
    words = normalise(sample.question).split()
    return find_closed_form(sample) or next((word for word in words if word in QUESTION_WORDS), "other")


def find_closed_form(sample: Sample) -> str | None:
    """ "options", "yes/no" or "alternatives"; None for an open question."""
    if sample.options:
        return "options"
    if sample.answer_type == "closed":
        return "yes/no" if read_golds(sample) <= {"yes", "no"} else "alternatives"
    return None


def read_golds(sample: Sample) -> frozenset[str]:
    """The golds in the form in which answers to this question are compared with them."""
    return frozenset(read_gold(gold, sample) for gold in sample.golds)


def list_answer_keys(sample: Sample) -> frozenset[str]:
    """Keys by which golds of different questions are compared: questions that share a key have the same answer.

    Names of options hold only within their own question, since a star depends on the place (`option_names.py`). So an
    option is known by its text, and also by its words if no other option of its question has the same words: "ER+/PR-"
    by its text only.
    """
    golds = read_golds(sample)
    if not sample.options:
        return golds
    keys = set(golds - set(name_options(sample.options)))
    words = [normalise(option) for option in sample.options]
    texts = [fold_text(option) for option in sample.options]
    for name, said, text in zip(name_options(sample.options), words, texts, strict=True):
        if name in golds:
            alike = {other for other, others_words in zip(texts, words, strict=True) if others_words == said}
            keys |= {text, said} if said and len(alike) == 1 else {text}
    return frozenset(keys)
