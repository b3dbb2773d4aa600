"""Log-likelihoods of a question's options, from the kept question: options of one token need no pass of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from vrs_lmeval.shared_prefill import KeptPrefix, extend, forward

Scored = tuple[float, bool]
"""Sum of the log-probabilities of an option's tokens, and whether greedy decoding would have written them."""


def score_options(
    model: Any,
    last_logits: torch.Tensor,
    questions: Sequence[KeptPrefix],
    options: Sequence[Sequence[Sequence[int]]],
    pad_token_id: int,
    batch_size: int,
) -> list[list[Scored]]:
    """`last_logits`: after each question's last token, (n, vocabulary); `options`: token ids, some per question.

    All options of all questions run at most `batch_size` at once.
    """
    rows = [(number, list(option)) for number, own in enumerate(options) for option in own]
    logits = [last_logits[number : number + 1] for number, _ in rows]
    longer = [index for index, (_, option) in enumerate(rows) if len(option) > 1]
    for start in range(0, len(longer), batch_size):
        chosen = longer[start : start + batch_size]
        continued, _ = extend(
            model, [questions[rows[i][0]] for i in chosen], [rows[i][1][:-1] for i in chosen], pad_token_id, keep=False
        )
        for index, row in zip(chosen, continued, strict=True):
            logits[index] = torch.cat([logits[index], row[1 - len(rows[index][1]) :]])
    scored = [_score(logits[index], option) for index, (_, option) in enumerate(rows)]
    own = iter(scored)
    return [[next(own) for _ in of_question] for of_question in options]


def score_whole(model: Any, inputs: Mapping[str, Any], option: Sequence[int]) -> Scored:
    """The same by one pass over prompt and option together, for models whose questions cannot be kept."""
    logits = forward(model, keep=len(option) + 1, **inputs)
    return _score(logits[0, :-1], option)


def split_option(context: str, option: str) -> tuple[str, str]:
    """Prompt and option as lm_eval scores them: spaces at the prompt's end go to the option."""
    stripped = context.rstrip()
    if not stripped:
        raise ValueError("log-likelihood with images: the prompt is empty (acc_mutual_info asks so); drop that metric")
    return stripped, context[len(stripped) :] + option


def _score(logits: torch.Tensor, option: Sequence[int]) -> Scored:
    """`logits`: one row per token of the option, the one that predicts it."""
    tokens = torch.tensor(option, device=logits.device)
    log_probabilities = logits.float().log_softmax(-1)
    total = log_probabilities.gather(1, tokens[:, None]).sum()
    return float(total), bool((logits.argmax(-1) == tokens).all())
