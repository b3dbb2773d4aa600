"""A canary for chat servers: cards are sent, alone and together; does any answer tell of another one?

Servers have answered about another request's image: by a cache whose key was the text, by batches that were mixed up.
No metric of a benchmark would show it; a model that can read a letter shows it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vrs_lmeval.chat_servers.canary_cards import MEANT, Card, Said, read_said
from vrs_lmeval.chat_servers.chat_endpoint import EndpointError, Reply
from vrs_lmeval.chat_servers.chat_messages import encode_image
from vrs_lmeval.chat_servers.request_window import work_through

QUESTION = f"Which letter does this card show, and on which colour? {MEANT}"

READS_CARDS = 0.75
"""The share of cards that a model must read, one by one, for its other answers to tell anything."""

TOLD_BY_COLOUR = 0.25
"""Where only colours are read: the share of wrong ones that is too many for a slip. A model that reads letters too
names another card (letter and colour) by no slip, so there one is enough."""

SENT_BEFORE = 0.5
"""The share of answers about another card from which a server is at fault though its model was never seen to read: who
guesses letter and colour names another of 12 cards 1 time in 14."""

Status = Literal["sees", "mixes up", "blind", "cannot be told"]


class MixedUpError(RuntimeError):
    """The server answers about other images than it was sent."""


class Ask(Protocol):
    """Sends messages; `more` goes into the payload."""

    async def __call__(self, messages: Sequence[Mapping[str, Any]], max_tokens: int, **more: Any) -> Reply:
        """The server's reply. Raises EndpointError."""


@dataclass(frozen=True, slots=True)
class CardAnswers:
    """One text a card in each round: each with a question of its own; the same question; that at once, and again."""

    apart: Sequence[str]
    alone: Sequence[str]
    together: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person should know; only "mixes up" makes a run worthless, whatever the model."""

    status: Status
    sentence: str


async def ask_cards(ask: Ask, cards: Sequence[Card], width: int, max_tokens: int) -> CardAnswers:
    """Four rounds; the last two with `width` requests at a time. Raises EndpointError."""
    urls = [encode_image(card.draw()) for card in cards]

    async def ask_round(at_once: int, write: Callable[[int], str]) -> list[str]:
        texts: dict[int, str] = {}

        async def ask_one(place: int) -> None:
            reply = await ask([show(write(place), urls[place])], max_tokens)
            texts[place] = reply.text or ""

        await work_through(range(len(urls)), at_once, ask_one, lambda: None)
        return [texts[place] for place in range(len(urls))]

    apart = await ask_round(1, lambda place: f"Card {place + 1}. {QUESTION}")
    alone = await ask_round(1, lambda place: QUESTION)
    together = [await ask_round(width, lambda place: QUESTION) for _ in range(2)]
    return CardAnswers(apart, alone, together)


def show(text: str, *urls: str) -> dict[str, Any]:
    """A message with images before its text."""
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [*images, {"type": "text", "text": text}]}


def judge(cards: Sequence[Card], answers: CardAnswers) -> Verdict:
    """Whether answers are about the card that was sent."""
    rounds = [answers.apart, answers.alone, *answers.together]
    asked_at_once = [text for texts in answers.together for text in texts]
    told = len(rounds) * len(cards)
    base = [read_said(text) for text in answers.apart]
    if mixed := _find_earlier(cards, base):
        return _stop(f"asked one at a time, {len(mixed)} of {len(cards)} answers were about another card", mixed[0])
    if mixed := _find_mixed(cards, base, answers.alone):
        return _stop(
            f"asked the same question about one card after the other, {len(mixed)} of {len(cards)} answers were about "
            "another card: it seems to keep answers by their text, without the image",
            mixed[0],
        )
    if mixed := _find_mixed(list(cards) * len(answers.together), base * len(answers.together), asked_at_once):
        return _stop(
            f"it mixed up images that were asked at the same time: {len(mixed)} of {len(asked_at_once)} answers were "
            "about the card of another request",
            mixed[0],
        )
    right = sum(read_said(text).is_right(card) for texts in rounds for card, text in zip(cards, texts, strict=True))
    if _share_right(cards, base) >= READS_CARDS:
        return Verdict("sees", f"this server answers about the image it was sent: {right} of {told} cards")
    if len({_normalise(text) for texts in rounds for text in texts}) == 1:
        told_empty = (
            "an empty answer" if not answers.apart[0].strip() else f"the same answer ({answers.apart[0]!r:.60})"
        )
        return Verdict("blind", f"the server or its model does not look at the image: {told_empty} to all {told} cards")
    empty = sum(not text.strip() for texts in rounds for text in texts)
    known = sum(said.is_right(card) for said, card in zip(base, cards, strict=True))
    by_colour = _share_colour(cards, base) >= READS_CARDS
    return Verdict(
        "cannot be told",
        f"this model reads too few cards to tell: {known} of {len(cards)} asked one at a time"
        + (f"; {empty} of {told} answers were empty" if empty else "")
        + ("; by their colours, none was about another card" if by_colour else ""),
    )


def count_equal(answers: CardAnswers) -> int:
    """Cards that got the same text each time they were asked the same question."""
    return sum(len(set(texts)) == 1 for texts in zip(answers.alone, *answers.together, strict=True))


def _stop(what: str, mixed: tuple[Card, str]) -> Verdict:
    card, text = mixed
    return Verdict("mixes up", f"STOP: {what} (sent {card.colour} {card.letter}, answered {text.strip()!r:.60})")


def _find_earlier(cards: Sequence[Card], base: Sequence[Said]) -> list[tuple[Card, str]]:
    """Answers about a card sent earlier, if they are too many for any model; none if one names a card to come.

    Who names a card before it was sent says by chance what is on it, as a blind model does that always says the same.
    """
    others = {place: said.find_other(card, cards) for place, (card, said) in enumerate(zip(cards, base, strict=True))}
    named = {place: other for place, other in others.items() if other is not None}
    if any(cards.index(other) > place for place, other in named.items()) or len(named) < SENT_BEFORE * len(cards):
        return []
    return [(cards[place], f"{other.colour} {other.letter}") for place, other in named.items()]


def _find_mixed(cards: Sequence[Card], base: Sequence[Said], texts: Sequence[str]) -> list[tuple[Card, str]]:
    """Cards that were read right when asked apart, and were answered with another card's content."""
    by_letter = _share_right(cards, base) >= READS_CARDS
    if not by_letter and _share_colour(cards, base) < READS_CARDS:
        return []
    mixed = []
    for card, before, text in zip(cards, base, texts, strict=True):
        said = read_said(text)
        if by_letter:
            is_other = before.is_right(card) and said.find_other(card, cards) is not None
        else:
            is_other = before.colours == {card.colour} and len(said.colours) == 1 and card.colour not in said.colours
        if is_other:
            mixed.append((card, text))
    return mixed if by_letter or len(mixed) >= TOLD_BY_COLOUR * len(cards) else []


def _share_right(cards: Sequence[Card], said: Sequence[Said]) -> float:
    return sum(each.is_right(card) for each, card in zip(said, cards, strict=True)) / len(cards)


def _share_colour(cards: Sequence[Card], said: Sequence[Said]) -> float:
    return sum(each.colours == {card.colour} for each, card in zip(said, cards, strict=True)) / len(cards)


def _normalise(text: str) -> str:
    return " ".join(text.lower().split())


async def check_cards(ask: Ask, cards: Sequence[Card], width: int, max_tokens: int) -> Verdict:
    """The verdict on a server before a run. Raises MixedUpError, and EndpointError where it does not answer."""
    verdict = judge(cards, await ask_cards(ask, cards, width, max_tokens))
    if verdict.status == "mixes up":
        raise MixedUpError(
            f"{verdict.sentence}. Answers would be about wrong images, so no question is asked. Switch off the "
            "server's caches, or ask one at a time (num_concurrent=1); `vrs doctor --endpoint` tells more, and "
            "canary=False asks all the same"
        )
    return verdict


PairStatus = Literal["in order", "first only", "refused", "cannot be told"]


async def ask_pairs(ask: Ask, cards: Sequence[Card], max_tokens: int) -> tuple[PairStatus, str]:
    """Two cards in one message, asked about the second, then about the first: what becomes of several images."""
    pairs = list(zip(cards[::2], cards[1::2], strict=True))
    counts = {"own": 0, "first": 0}
    try:
        for first, second in pairs:
            for place, card in (("second", second), ("first", first)):
                text = f"There are two cards. Which letter does the {place} card show, and on which colour? {MEANT}"
                urls = (encode_image(first.draw()), encode_image(second.draw()))
                said = read_said((await ask([show(text, *urls)], max_tokens)).text or "")
                counts["own"] += said.is_right(card)
                counts["first"] += place == "second" and said.is_right(first)
    except EndpointError as error:
        return "refused", f"a message with two images is refused: {error}"
    if counts["own"] >= READS_CARDS * 2 * len(pairs):
        return "in order", f"several images are seen, in their order: {counts['own']} of {2 * len(pairs)} answers"
    if counts["first"] >= READS_CARDS * len(pairs):
        shown = f"{counts['first']} of {len(pairs)} answers about the second were about the first"
        return "first only", f"of two images it looks at the first only: {shown}"
    return "cannot be told", f"of two images the right one was told {counts['own']} of {2 * len(pairs)} times"
