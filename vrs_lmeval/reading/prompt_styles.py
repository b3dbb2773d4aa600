"""Prompt styles: what a task asks of a model, and how it reads what comes back. A new style is an entry in STYLES.

A YAML names its `prompt_style`, which its prompt must fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vrs_lmeval.reading.answers import parse_answer, parse_tagged_answer
from vrs_lmeval.reading.option_likelihoods import (
    LETTERS,
    LogProbabilities,
    offer_options,
    read_most_probable,
    share_out,
)
from vrs_lmeval.records import NOT_ASKED, Answer, Sample


@dataclass(frozen=True, slots=True)
class Response:
    """What was understood under one variant, and from what: a text, or the options' likelihoods."""

    answer: Answer
    text: str | None = None
    likelihoods: LogProbabilities | None = None


class PromptStyle(Protocol):
    """What a task asks for, and how it reads what comes back."""

    @property
    def request_type(self) -> Literal["generate_until", "loglikelihood"]:
        """The harness's name of it."""

    @property
    def asks_for_text(self) -> bool:
        """Whether the model writes, so that it can make claims."""

    def offer(self, sample: Sample) -> Sample | None:
        """The question as it is asked; None for one that cannot be asked so."""

    def ask(self, sample: Sample, generation: Mapping[str, Any], delimiter: str) -> list[Any]:
        """What stands beside the prompt in the requests of one variant: settings of generation, or continuations."""

    def read(self, given: Sequence[Any], sample: Sample) -> Response:
        """The harness's results of these requests, in their order."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Asks for a text, and reads it by `parse`."""

    parse: Callable[[str, Sample], Answer]
    request_type: Literal["generate_until"] = "generate_until"
    asks_for_text: bool = True

    def offer(self, sample: Sample) -> Sample | None:
        """Any question."""
        return sample

    def ask(self, sample: Sample, generation: Mapping[str, Any], delimiter: str) -> list[Any]:
        """One request."""
        return [generation]

    def read(self, given: Sequence[Any], sample: Sample) -> Response:
        """Its text."""
        (text,) = given
        return Response(self.parse(text, sample), text)


@dataclass(frozen=True, slots=True)
class LikelihoodStyle:
    """Asks how probable each option's letter is; the most probable one is the answer."""

    request_type: Literal["loglikelihood"] = "loglikelihood"
    asks_for_text: bool = False

    def offer(self, sample: Sample) -> Sample | None:
        """One with options, or with "yes" and "no" for answers, which then are its options."""
        return offer_options(sample)

    def ask(self, sample: Sample, generation: Mapping[str, Any], delimiter: str) -> list[Any]:
        """A letter an option."""
        return [delimiter + letter for letter in LETTERS[: len(sample.options)]]

    def read(self, given: Sequence[Any], sample: Sample) -> Response:
        """(Log-likelihood, is greedy) of each, as numbers or as the texts that the harness logs."""
        shared = share_out([float(value) for value, _ in given])
        return Response(read_most_probable(shared, sample), likelihoods=shared)


def was_asked(result: Any) -> bool:
    """Whether one of the harness's results is a model's, not what our model classes give for what they cannot ask.

    Those give NOT_ASKED for a text, or in place of an option's likelihood.
    """
    said: Any = result if isinstance(result, str) else result[0]
    return bool(said != NOT_ASKED)


STYLES: Mapping[str, PromptStyle] = {
    "short": TextStyle(parse_answer),
    "cot": TextStyle(parse_tagged_answer),  # reasoning before an <answer> block
    "mc": LikelihoodStyle(),
}
