"""A task's columns over hand-made questions: what the harness would ask of each, and what it would print."""

from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.metric import LOWER_LIMIT, STANDARD_ERROR, UPPER_LIMIT
from vrs_lmeval.metrics.question import Question
from vrs_lmeval.metrics.selection import columns_of, measure, metrics_of_variants
from vrs_lmeval.uncertainty.intervals import find_error

ALL_COLUMNS = columns_of(METRICS)
ENDINGS = (STANDARD_ERROR, LOWER_LIMIT, UPPER_LIMIT)


def list_columns(variants, known=()):
    """The columns of a task with these variants."""
    return columns_of(metrics_of_variants(variants, known))


def ask(sample, answers, scores, known=None, variants=None, likelihoods=None):
    """One question's value of every column of a task that has `variants`, by default those of the answers."""
    question = Question(sample, answers, scores, known or {}, likelihoods or {})
    names = [*(known or {}), *(["likelihoods"] if likelihoods else [])]
    return measure(list_columns(answers if variants is None else variants, names), question)


def aggregate(columns, documents):
    """What the harness prints of every column."""
    return {name: column.aggregate([document[name] for document in documents]) for name, column in columns.items()}


def find_form_error(form, values, images):
    """The error of values and their images, which the harness is given in pairs."""
    return find_error(form, list(zip(values, images, strict=True)))
