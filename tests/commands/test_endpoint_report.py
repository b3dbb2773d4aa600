"""`vrs doctor --endpoint`: a person reads whether a chat server can be measured with."""

import pytest
from support.chat_server import Refusal, is_canary, read_cards, reply, serve
from typer.testing import CliRunner

from vrs_lmeval.cli import app

pytestmark = pytest.mark.slow


def good(asked):
    """It reads cards, keeps `max_tokens`, and gives logprobs where they are asked for."""
    if is_canary(asked):
        return read_cards(asked)
    answer = reply("one two three four five six seven eight", "length", (20, asked.payload["max_tokens"]))
    if asked.payload.get("logprobs"):
        answer["choices"][0]["logprobs"] = {"content": []}
        answer["choices"][0]["logprobs"]["content"].append({"token": "yes", "logprob": 0.0})
    return answer


def look(behave, *more):
    """(exit status, what is printed on one line)."""
    with serve(behave) as server:
        finished = CliRunner().invoke(app, ["doctor", "--endpoint", server.url, "--model", "seeing", *more])
    return finished.exit_code, " ".join(finished.output.split()), server


def test_a_good_server_is_fine():
    status, printed, server = look(good)
    assert (status, "problem" in printed) == (0, False)
    assert "images this server answers about the image it was sent: 48 of 48 cards" in printed
    assert "the same answer each time for 12 of 12 cards" in printed
    assert "several images are seen, in their order: 6 of 6" in printed
    assert "asked for at most 8, 8 tokens came, finish_reason length" in printed
    assert "logprobs given" in printed
    assert {asked.payload["model"] for asked in server.asked} == {"seeing"}
    assert len(server.asked) == 48 + 6 + 2


def test_a_server_that_keeps_answers_by_text_is_a_problem():
    kept = {}
    status, printed, _ = look(lambda asked: kept.setdefault(asked.text, good(asked)))
    assert status == 1
    assert "problem images STOP:" in printed
    assert "what to do: do not measure with this server" in printed


def test_a_server_that_obeys_nothing_is_told_so():
    def behave(asked):
        if is_canary(asked):
            card = read_cards(asked)["choices"][0]["message"]["content"]
            return reply(card + "." * (asked.number % 3)) if len(asked.urls) == 1 else Refusal(400, "At most 1 image")
        return Refusal(400, "no logprobs") if "logprobs" in asked.payload else reply("one " * 100, tokens=None)

    status, printed, _ = look(behave)
    assert status == 1
    assert "problem several images a message with two images is refused" in printed
    assert "problem max_tokens asked for at most 8, 100 words came" in printed
    assert "fine logprobs refused" in printed
    assert "what to do: answers change by themselves" in printed


def test_the_other_name_of_max_tokens_is_learnt():
    def behave(asked):
        if "max_tokens" in asked.payload:
            return Refusal(400, "Unsupported parameter: use 'max_completion_tokens' instead.")
        return read_cards(asked) if is_canary(asked) else reply("one")

    status, printed, server = look(behave)
    assert (status, "48 of 48 cards" in printed) == (0, True)
    assert sum("max_tokens" in asked.payload for asked in server.asked) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--endpoint", "http://127.0.0.1:9/v1"], "--endpoint needs --model"),
        (["--model", "m"], "--model needs --endpoint"),
        (["--endpoint", "here", "--model", "m"], "the URL of a chat server is needed"),
    ],
)
def test_what_cannot_be_looked_at_is_told(arguments, told):
    finished = CliRunner().invoke(app, ["doctor", *arguments])
    assert finished.exit_code == 2
    assert told in " ".join(finished.output.split())


def test_a_server_that_refuses_is_told_in_its_words(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-1174-secret")
    status, printed, _ = look(lambda asked: Refusal(401, f"bad key {asked.headers['Authorization']}"))
    assert (status, "status 401: bad key Bearer [key]" in printed) == (2, True)
