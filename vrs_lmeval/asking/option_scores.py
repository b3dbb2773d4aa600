"""Scores a question's options from the kept question: an option of one token needs no pass of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.kept_prefixes import CannotShare, KeptPrefix, extend, forward, token_window
from vrs_lmeval.asking.prefix_check import Agreement, choose_checked, name_traits, relative_difference
from vrs_lmeval.asking.prompt_encoding import Prompt, PromptEncoder, Question
from vrs_lmeval.asking.seams import HarnessModel

if TYPE_CHECKING:
    from vrs_lmeval.asking.asker import Asker, Continued

logger = logging.getLogger(__name__)

Scored = tuple[float, bool]
"""The sum of the log-probabilities (natural) of an option's tokens; whether greedy decoding would write them."""

SHARED = "options share their question"

LONGER_OPTIONS = "options of several tokens"
"""The trait of a batch in which an option needs a pass of its own after the kept question."""


class OptionScorer:
    """Scores the options of prompts by the model of `lm` (a `HFMultimodalLM`), whose prompts `asker` asks.

    `path` says how options were scored, `continued` what the checks of questions after shared prefixes found.
    """

    def __init__(self, lm: HarnessModel, asker: Asker) -> None:
        self._lm = lm
        self._asker = asker
        self.continued, self._kept = Agreement(lm.model.dtype), Agreement(lm.model.dtype)
        self._keeps_questions = True
        self.path = "none scored"

    def score_continued(self, batch: Sequence[Continued]) -> list[list[Scored]]:
        """Scores of each prompt's options. Raises CannotShare if they are not the scores of whole prompts."""
        prefixes, continuations = [one.prefix for one in batch], [one.continuation for one in batch]
        common = [one.question.common for one in batch]
        positions = 1 + max(common)
        logits, kept = extend(self._lm.model, prefixes, continuations, self._lm.tokenizer.pad_token_id, positions)
        heads = [row[-1 - count :] for row, count in zip(logits, common, strict=True)]
        questions = [one.question for one in batch]
        scored = self._continue_options(heads, kept, questions)
        images = [one.images for one in batch]
        self._check(self.continued, [one.prompt for one in batch], questions, images, scored)
        self.path = SHARED
        return _score_all(scored, questions)

    def encode_plainly(self, encoder: PromptEncoder, batch: Sequence[Prompt]) -> list[Question]:
        """For `score_plainly`. Raises ValueError for a prompt that is longer than the model allows."""
        questions = []
        for prompt in batch:
            with encoder.images.recalling(object()):
                questions.append(encoder.encode_question(prompt))
        longest = max(len(question.token_ids) + max(map(len, question.options)) for question in questions)
        if longest > self._lm.max_length:
            raise ValueError(f"a prompt takes {longest} tokens with its option, the model {self._lm.max_length}")
        return questions

    def score_plainly(self, batch: Sequence[Prompt], questions: Sequence[Question]) -> list[list[Scored]]:
        """Scores of each prompt's options: from the question kept whole, or by one pass an option."""
        longest = max(len(question.token_ids) + max(map(len, question.options)) for question in questions)
        if self._keeps_questions:
            try:
                window = token_window(self._lm.model)
                if window is None or longest < window:
                    return self._asker.in_model(lambda: self._score_kept(batch, questions))
            except CannotShare as reason:
                self._keeps_questions = False
                self.path = f"one pass an option: {reason}"
                name = type(self._lm.model).__name__
                logger.warning("vrs-hf scores every option of %s by a pass of its own: %s", name, reason)
        return _score_all([self._compute_whole(prompt) for prompt in batch], questions)

    def _score_kept(self, batch: Sequence[Prompt], questions: Sequence[Question]) -> list[list[Scored]]:
        positions = 1 + max(question.common for question in questions)
        logits, kept = self._asker.joined.run(batch, [question.inputs for question in questions], positions)
        heads = [row[-1 - question.common :] for row, question in zip(logits, questions, strict=True)]
        scored = self._continue_options(heads, kept, questions)
        images = [tuple(map(identify_image, prompt.images)) for prompt in batch]
        self._check(self._kept, batch, questions, images, scored)
        self.path = SHARED
        return _score_all(scored, questions)

    def _continue_options(
        self, heads: Sequence[torch.Tensor], kept: Sequence[KeptPrefix], questions: Sequence[Question]
    ) -> list[list[torch.Tensor]]:
        """Logits that predict each option's tokens, the common ones first: (tokens, vocabulary).

        `heads`: the logits that predict the common tokens and the first token after them. The options of all questions
        run together, at most a batch at once.
        """
        model, pad = self._lm.model, self._lm.tokenizer.pad_token_id
        rows = [(number, option) for number, question in enumerate(questions) for option in question.options]
        logits = [heads[number] for number, _ in rows]
        longer = [index for index, (_, option) in enumerate(rows) if len(option) > 1]
        for start in range(0, len(longer), self._lm.batch_size):
            chosen = longer[start : start + self._lm.batch_size]
            prefixes, continuations = [kept[rows[i][0]] for i in chosen], [rows[i][1][:-1] for i in chosen]
            positions = max(map(len, continuations))
            continued, _ = extend(model, prefixes, continuations, pad, positions, keep=False)
            for index, row in zip(chosen, continued, strict=True):
                logits[index] = torch.cat([logits[index], row[1 - len(rows[index][1]) :]])
        own = iter(logits)
        return [[next(own) for _ in question.options] for question in questions]

    def _compute_whole(self, prompt: Prompt) -> list[torch.Tensor]:
        """The same logits, by one pass over prompt and option together."""
        encoder = self._asker.encoder
        logits = []
        with encoder.images.recalling(object()):
            for option in prompt.options:
                inputs, tokens = encoder.encode_with_option(prompt, option)
                logits.append(forward(self._lm.model, len(tokens) + 1, **inputs)[0, :-1])
        return logits

    def _check(
        self,
        agreement: Agreement,
        prompts: Sequence[Prompt],
        questions: Sequence[Question],
        images: Sequence[Any],
        logits: Sequence[Sequence[torch.Tensor]],
    ) -> None:
        traits = name_traits(images)
        if any(len(option) > 1 for question in questions for option in question.options):
            traits.add(LONGER_OPTIONS)
        if agreement.covers(traits):
            return
        sizes = [(max(map(len, question.options)), len(question.token_ids)) for question in questions]
        differences = [
            relative_difference(ours, theirs)
            for index in choose_checked(sizes, images)
            for ours, theirs in zip(logits[index], self._compute_whole(prompts[index]), strict=True)
        ]
        agreement.settle(traits, differences)


def split_option(context: str, option: str) -> tuple[str, str]:
    """Prompt and option as lm_eval scores them: spaces at the end of the prompt move to the option."""
    stripped = context.rstrip()
    if not stripped:
        raise ValueError("log-likelihood with images: the prompt is empty (acc_mutual_info asks so); drop that metric")
    return stripped, context[len(stripped) :] + option


def _score_all(logits: Sequence[Sequence[torch.Tensor]], questions: Sequence[Question]) -> list[list[Scored]]:
    return [
        [
            _score(row, [*question.token_ids[len(question.token_ids) - question.common :], *option])
            for row, option in zip(rows, question.options, strict=True)
        ]
        for rows, question in zip(logits, questions, strict=True)
    ]


def _score(logits: torch.Tensor, tokens: Sequence[int]) -> Scored:
    """`logits` (tokens, vocabulary): for each token of the option the row that predicts it."""
    ids = torch.tensor(tokens, device=logits.device)
    log_probabilities = logits.float().log_softmax(-1)
    total = log_probabilities.gather(1, ids[:, None]).sum()
    return float(total), bool((logits.argmax(-1) == ids).all())
