"""The canary: it tells servers that answer about another image from weak models, and passes good ones."""

import asyncio
import random
import threading

import pytest
from support.chat_server import Refusal, name_cards, read_cards, reply, serve

from vrs_lmeval.chat_servers.canary_cards import CARDS, COLOURS, MEANT, Card, read_said
from vrs_lmeval.chat_servers.chat_endpoint import Address, ChatEndpoint
from vrs_lmeval.chat_servers.endpoint_canary import CardAnswers, ask_cards, ask_pairs, count_equal, judge
from vrs_lmeval.chat_servers.request_pace import Pace

pytestmark = pytest.mark.slow

SIX = CARDS[:6]


def name(card):
    return f"{card.colour} {card.letter}"


def talk(behave, work):
    """What `work(ask)` gives with a server that behaves so."""

    async def run(url):
        async with ChatEndpoint(Address(url, {}), Pace()) as endpoint:

            async def ask(messages, max_tokens, **more):
                return await endpoint.send({"model": "m", "messages": messages, "max_tokens": max_tokens, **more})

            return await work(ask)

    with serve(behave) as server:
        return asyncio.run(run(server.url))


def look_at(behave, cards=CARDS, width=12):
    return judge(cards, talk(behave, lambda ask: ask_cards(ask, cards, width, 16)))


@pytest.mark.parametrize("cards", [CARDS, SIX], ids=len)
def test_a_good_server_passes(cards):
    verdict = look_at(read_cards, cards)
    told = 4 * len(cards)
    assert verdict.status == "sees"
    assert verdict.sentence == f"this server answers about the image it was sent: {told} of {told} cards"


class SwapsTwo:
    """Of requests that are in flight together the first two get each other's answers."""

    def __init__(self):
        self.waiting, self.lock = [], threading.Lock()

    def __call__(self, asked):
        mine = [read_cards(asked), threading.Event()]
        with self.lock:
            other = self.waiting.pop() if self.waiting else None
            if other is None:
                self.waiting.append(mine)
            else:
                mine[0], other[0] = other[0], mine[0]
                other[1].set()
        if other is None and not mine[1].wait(0.3):
            with self.lock:
                if mine in self.waiting:
                    self.waiting.remove(mine)
        return mine[0]


@pytest.mark.slow
def test_a_server_that_swaps_concurrent_requests_is_stopped():
    verdict = look_at(SwapsTwo())
    assert verdict.status == "mixes up"
    assert verdict.sentence.startswith("STOP: it mixed up images that were asked at the same time: ")
    assert "(sent " in verdict.sentence


def test_one_swap_among_many_is_enough():
    texts = [name(card) for card in CARDS]
    swapped = [texts[1], texts[0], *texts[2:]]
    verdict = judge(CARDS, CardAnswers(texts, texts, [texts, swapped]))
    assert verdict.sentence == (
        "STOP: it mixed up images that were asked at the same time: 2 of 24 answers were about the card of another "
        "request (sent red K, answered 'green R')"
    )


def test_a_server_that_keeps_answers_by_text_is_stopped():
    kept = {}
    verdict = look_at(lambda asked: kept.setdefault(asked.text, read_cards(asked)))
    assert verdict.status == "mixes up"
    assert "11 of 12 answers were about another card: it seems to keep answers by their text" in verdict.sentence


def test_a_server_that_keeps_the_first_image_for_ever_is_stopped():
    first = []

    def behave(asked):
        first.append(read_cards(asked))
        return first[0]

    verdict = look_at(behave)
    assert verdict.sentence.startswith("STOP: asked one at a time, 11 of 12 answers were about another card")


@pytest.mark.parametrize("said", ["grey Q", "I cannot see any image.", None, "blue T"])
def test_a_server_that_ignores_images_is_told(said):
    """Also by "blue T", a card of ours: it is said before that card was sent."""
    verdict = look_at(lambda asked: reply(said))
    assert verdict.status == "blind"
    assert said != "grey Q" or "does not look at the image: the same answer ('grey Q') to all 48" in verdict.sentence


def guess(asked, draw):
    return reply(f"{draw.choice(list(COLOURS))} {draw.choice('BCDEFGHJKLMNOPQRSTUVWXYZ')}")


@pytest.mark.parametrize("seed", range(20))
def test_a_model_that_guesses_is_not_taken_for_a_bad_server(seed):
    """Drawn at each question, so that it is not even the same twice."""
    draw = random.Random(seed)
    texts = [[f"{draw.choice(list(COLOURS))} {draw.choice('BCDEFGHJKLMNOPQRSTUVWXYZ')}" for _ in SIX] for _ in range(4)]
    verdict = judge(SIX, CardAnswers(texts[0], texts[1], texts[2:]))
    assert verdict.status == "cannot be told"
    assert "reads too few cards to tell" in verdict.sentence


def test_a_model_that_misreads_letters_but_keeps_to_its_card_is_only_weak():
    wrong = dict(zip("KRTHXMFZLPWY", "XPIMKNEZITVV", strict=True))

    def behave(asked):
        (seen,) = name_cards(asked)
        return reply(f"{seen[:-1]}{wrong[seen[-1]]}")

    verdict = look_at(behave)
    assert verdict.status == "cannot be told"
    assert verdict.sentence == (
        "this model reads too few cards to tell: 1 of 12 asked one at a time; by their colours, none was about another "
        "card"
    )


@pytest.mark.slow
def test_a_model_that_reads_colours_alone_shows_a_mix_up_by_them():
    def misread(behave):
        def answer(asked):
            said = behave(asked)["choices"][0]["message"]["content"]
            return reply(said.split()[0])

        return answer

    assert look_at(misread(read_cards)).status == "cannot be told"
    assert look_at(misread(SwapsTwo())).status == "mixes up"


def test_empty_answers_are_counted():
    verdict = look_at(lambda asked: reply("" if asked.number % 2 else "no idea"))
    assert "24 of 48 answers were empty" in verdict.sentence


@pytest.mark.parametrize(
    ("behave", "status"),
    [
        (read_cards, "in order"),
        (lambda asked: reply(name_cards(asked)[0]), "first only"),
        (lambda asked: Refusal(400, "At most 1 image(s) may be provided") if len(asked.urls) > 1 else None, "refused"),
        (lambda asked: reply("two cards"), "cannot be told"),
    ],
)
def test_several_images(behave, status):
    found, sentence = talk(behave, lambda ask: ask_pairs(ask, SIX, 16))
    assert found == status
    assert status != "first only" or "3 of 3 answers about the second were about the first" in sentence
    assert status != "refused" or "At most 1 image" in sentence


def test_the_same_answer_again_is_counted_by_card():
    answers = CardAnswers(["x"] * 3, ["a", "b", "c"], [["a", "b", "c"], ["a", "B", "c"]])
    assert count_equal(answers) == 2


@pytest.mark.parametrize(
    ("text", "letters", "colours"),
    [
        ("Red K", "K", "red"),
        ("It's a letter K on a red background.", "K", "red"),
        ("The card shows the letter 'k', I think; violet.", "K", "purple"),
        ("<think>Is it a green T?</think>red K", "K", "red"),
        ("**K**, red", "K", "red"),
        ("reddish", "", ""),
        ("K or X, red or orange", "KX", "red orange"),
    ],
)
def test_what_answers_name(text, letters, colours):
    said = read_said(text)
    assert (said.letters, said.colours) == (set(letters), set(colours.split()))


def test_cards_differ_and_are_drawn_the_same_each_time():
    assert len({card.letter for card in CARDS}) == len({card.draw().tobytes() for card in CARDS}) == 12
    assert len({card.colour for card in SIX}) == 6
    assert Card("K", "red").draw().tobytes() == CARDS[0].draw().tobytes()
    assert read_said(MEANT.split(": ")[1]).find_other(CARDS[0], CARDS) is None
