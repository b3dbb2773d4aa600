"""The options of a question as a tree of tokens: what an engine must be asked so that every option can be scored.

Options that begin alike (a template's line feed, then a letter) share the nodes of what they share. A node is asked by
one token: the prompt and the tokens of the path so far go in; the log-probabilities of the tokens that options go on
with come back, over the whole vocabulary. So options of one token cost one request together, longer options one for
each of their tokens, and nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vrs_lmeval.asking.option_scores import Scored

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What came back of one node: log-probabilities (natural) by token, and the most probable token of all."""

    log_probabilities: Mapping[int, float]
    most_probable: int


def grow_tree(options: Sequence[Sequence[int]]) -> dict[Path, tuple[int, ...]]:
    """Path -> the tokens that some option has after it, the root first."""
    tree: dict[Path, dict[int, None]] = {}
    for tokens in options:
        for place, token in enumerate(tokens):
            tree.setdefault(tuple(tokens[:place]), {})[token] = None
    return {path: tuple(children) for path, children in sorted(tree.items(), key=lambda node: len(node[0]))}


def score_options(options: Sequence[Sequence[int]], steps: Mapping[Path, Step]) -> list[Scored]:
    """From what came back of every node: each option's log-likelihood, and whether greedy decoding would write it."""
    scored = []
    for tokens in options:
        along = [(steps[tuple(tokens[:place])], token) for place, token in enumerate(tokens)]
        total = sum(step.log_probabilities[token] for step, token in along)
        scored.append((total, all(step.most_probable == token for step, token in along)))
    return scored
