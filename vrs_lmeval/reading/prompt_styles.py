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
    """The answer that was read under one variant, and its source: a text, or the options' likelihoods."""

    answer: Answer
    text: str | None = None
    likelihoods: LogProbabilities | None = None


class PromptStyle(Protocol):
    """What a task asks for, and how it reads what comes back."""

    @property
    def request_type(self) -> Literal["generate_until", "loglikelihood"]:
        """The harness's name for this type of request."""

    @property
    def asks_for_text(self) -> bool:
        """Whether the model writes, so that it can make claims."""

    def offer(self, sample: Sample) -> Sample | None:
        """The question as it is asked; None if it cannot be asked in this style."""

    def ask(self, sample: Sample, generation: Mapping[str, Any], delimiter: str) -> list[Any]:
        """What the requests of one variant hold besides the prompt: settings of generation, or continuations."""

    def read(self, given: Sequence[Any], sample: Sample) -> Response:
        """The response from the harness's results of these requests, in their order."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Asks for a text, and reads it by `parse`."""

    parse: Callable[[str, Sample], Answer]
    request_type: Literal["generate_until"] = "generate_until"
    asks_for_text: bool = True

    def offer(self, sample: Sample) -> Sample | None:
        """The question as it is: any question can be asked."""
        return sample

    def ask(self, sample: Sample, generation: Mapping[str, Any], delimiter: str) -> list[Any]:
        """The settings of one request."""
        return [generation]

    def read(self, given: Sequence[Any], sample: Sample) -> Response:
        """The response from the text of that request."""
        (text,) = given
        return Response(self.parse(text, sample), text)


@dataclass(frozen=True, slots=True)
class LikelihoodStyle:
    """Asks how probable each option's letter is; the most probable one is the answer."""

    request_type: Literal["loglikelihood"] = "loglikelihood"
    asks_for_text: bool = False

    def offer(self, sample: Sample) -> Sample | None:
        """The question with its options, or with "yes" and "no" as options if these are its answers; else None."""
        return offer_options(sample)

    def ask(self, sample: Sample, generation: Mapping[str, Any], delimiter: str) -> list[Any]:
        """One continuation for each option: its letter."""
        return [delimiter + letter for letter in LETTERS[: len(sample.options)]]

    def read(self, given: Sequence[Any], sample: Sample) -> Response:
        """The response from (log-likelihood, is greedy) of each option, as numbers or as the harness's logged texts."""
        shared = share_out([float(value) for value, _ in given])
        return Response(read_most_probable(shared, sample), likelihoods=shared)


def was_asked(result: Any) -> bool:
    """Whether a result of the harness comes from the model: our model classes give NOT_ASKED for what they cannot ask.

    NOT_ASKED stands in place of a text, or in place of an option's likelihood.
    """
    said: Any = result if isinstance(result, str) else result[0]
    return bool(said != NOT_ASKED)


STYLES: Mapping[str, PromptStyle] = {
    "short": TextStyle(parse_answer),
    "cot": TextStyle(parse_tagged_answer),  # reasoning before an <answer> block
    "mc": LikelihoodStyle(),
}
