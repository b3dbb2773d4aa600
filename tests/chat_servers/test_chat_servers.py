"""Models behind an API against servers of ours: what is asked, how often, what is kept, and what failures cost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import CachingLM
from lm_eval.models.api_models import JsonChatStr
from PIL import Image
from support.chat_server import Refusal, read_cards, reply, serve
from support.harness_models import QUESTIONS, show_images

from vrs_lmeval.api_model import VrsAPI, VrsOpenAI
from vrs_lmeval.chat_servers import chat_messages, encoded_images, request_pace
from vrs_lmeval.chat_servers.chat_endpoint import EndpointError
from vrs_lmeval.chat_servers.endpoint_canary import MixedUpError

KEY = "sk-planted-4711-secret"

pytestmark = pytest.mark.models


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(request_pace, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def chat(text, *images, task="vrs_made_up", **settings):
    content = "<image>\n" * len(images) + text
    prompt = JsonChatStr(json.dumps([{"role": "user", "content": content, "type": "text"}]))
    generation = {"until": ["\n\n"], "do_sample": False, "max_gen_toks": 8, **settings}
    beside = ({"visual": list(images)},)
    return Instance("generate_until", {}, (prompt, generation, *beside), 0, metadata=(task, 0, 1))


def make_chats(**settings):
    """Three questions, each on six images: those on one image are six apart."""
    return [chat(question, image, **settings) for question in QUESTIONS for image in show_images()]


def echo(asked):
    """An answer that tells what was asked and shown."""
    return reply(f"{asked.text} {len(asked.urls)} {hash(asked.urls)}")


def make(server, kind=VrsAPI, **arguments):
    settings = {"model": "seeing", "base_url": server.url, "canary": False, "num_concurrent": 8, **arguments}
    return kind(**settings)


def ask(server, requests, **arguments):
    """(answers, what the results say)."""
    lm = make(server, **arguments)
    return lm.generate_until(requests, disable_tqdm=True), lm.get_model_info()["vrs_api"]


def test_answers_are_those_of_one_at_a_time_each_at_its_request():
    with serve(echo) as server:
        requests = make_chats()
        assert ask(server, requests)[0] == ask(server, requests, num_concurrent=1)[0]
        assert len(server.asked) == 36


def test_requests_go_by_image_and_each_content_is_encoded_once(monkeypatch):
    encoded = []
    monkeypatch.setattr(
        encoded_images, "encode_image", lambda image: encoded.append(image) or chat_messages.encode_image(image)
    )
    with serve(echo) as server:
        _, told = ask(server, make_chats(), num_concurrent=1)
        shown = [asked.urls for asked in server.asked]
    assert shown == sorted(shown, key=shown.index)
    assert (len(encoded), told["image_encodings"], len(set(shown))) == (6, 6, 6)


def test_what_is_the_same_to_the_server_is_asked_once():
    with serve(echo) as server:
        answers, told = ask(server, make_chats() + make_chats())
        assert answers[:18] == answers[18:]
        assert (len(server.asked), told["requests"]) == (18, 18)


def test_eight_are_in_flight_and_a_slow_one_holds_no_other():
    slow = threading.Event()

    def behave(asked):
        if asked.number == 1:
            assert slow.wait(60)  # answers last: all the others must be done before
        elif asked.number == 18:
            slow.set()
        else:
            time.sleep(0.05)
        return echo(asked)

    with serve(behave) as server:
        answers, _ = ask(server, make_chats())
        assert server.most_in_flight == 8
    assert len(answers) == 18


def test_payloads_are_the_harness_classes_own():
    with serve(echo) as server:
        ask(server, [chat("why?", show_images()[0])], seed=7)
        ask(server, [chat("why?")], kind=VrsOpenAI, model="gpt-4o")
        first, second = (dict(asked.payload) for asked in server.asked)
        headers = server.asked[0].headers
    content = first.pop("messages")[0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert first == {"model": "seeing", "max_tokens": 8, "temperature": 0, "stop": ["\n\n"], "seed": 7}
    assert second["messages"] == [{"role": "user", "content": "why?"}]
    assert (second["max_completion_tokens"], "max_tokens" in second) == (8, False)
    assert headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "fault",
    [
        Refusal(500, "out of memory"),
        Refusal(503),
        Refusal(429, "slow down", {"Retry-After": "0"}),
        Refusal(429, "slow down", {"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}),
        Refusal(408),
        Refusal(0),
        Refusal(200, "<html>the proxy is starting</html>"),
        {"error": {"message": "upstream is overloaded"}},
    ],
    ids=str,
)
def test_a_fault_that_passes_costs_a_retry(fault):
    def behave(asked):
        return fault if asked.number <= 2 else echo(asked)

    with serve(behave) as server:
        answers, told = ask(server, make_chats()[:3], num_concurrent=1)
    assert (len(answers), told["retries"], told["requests"]) == (3, 2, 3)


def test_a_timeout_is_asked_again():
    def behave(asked):
        if asked.number == 1:
            time.sleep(1.5)
        return echo(asked)

    with serve(behave) as server:
        _, told = ask(server, make_chats()[:1], timeout=1)
    assert told["retries"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_cannot_get_better_is_told_at_once_in_the_servers_words(status):
    with serve(lambda asked: Refusal(status, f"no model of that name, {KEY}")) as server:
        with pytest.raises(EndpointError, match=rf"status {status}: no model of that name, \[key\]") as told:
            ask(server, make_chats(), num_concurrent=1)
        assert len(server.asked) == 1
    assert KEY not in str(told.value)
    assert "cache_dir=FOLDER" in str(told.value)


def test_an_empty_purse_is_not_waited_for():
    with serve(lambda asked: Refusal(429, '{"error": {"code": "insufficient_quota"}}')) as server:
        with pytest.raises(EndpointError, match="insufficient_quota"):
            ask(server, make_chats(), num_concurrent=1)
        assert len(server.asked) == 1


def test_a_filtered_question_is_an_empty_answer():
    def behave(asked):
        return Refusal(400, '{"error": {"code": "content_filter"}}') if asked.number == 1 else echo(asked)

    with serve(behave) as server:
        answers, told = ask(server, make_chats()[:2], num_concurrent=1)
    assert answers[0] == ""
    assert told["empty_answers"] == 1
    assert (told["tokens_in"], told["without_usage"]) == (100, 0)


def test_a_server_that_dies_for_good_costs_nothing_that_was_answered(tmp_path):
    requests, is_dead = make_chats(), threading.Event()

    def behave(asked):
        if len(server.asked) > 10:
            is_dead.set()
        return Refusal(503, "gone") if is_dead.is_set() else echo(asked)

    with serve(behave) as server:
        with pytest.raises(
            EndpointError, match=r"failed 2 times: status 503: gone\. (\d+) of 18 answers are kept in"
        ) as told:
            ask(server, requests, cache_dir=str(tmp_path), max_retries=2, num_concurrent=3)
        kept = int(str(told.value).split(" of 18")[0].split()[-1])
        answered = [asked.payload for asked in server.asked[:10]]
        assert 8 <= kept <= 10
        assert "run the same command again" in str(told.value)
        server.behave, server.asked = echo, []
        answers, numbers = ask(server, requests, cache_dir=str(tmp_path))
        assert (numbers["cache_hits"], len(server.asked)) == (kept, 18 - kept)
        assert sum(asked.payload in answered for asked in server.asked) == 10 - kept
        assert answers == ask(server, requests)[0]


def test_what_changes_an_answer_changes_its_key(tmp_path):
    real, blank, *_ = show_images()
    with serve(echo) as server, serve(echo) as other:
        ask(server, [chat("why?", real)], cache_dir=str(tmp_path))
        changed = [
            (server, chat("why?", blank), {}),
            (server, chat("Why?", real), {}),
            (server, chat("why?", real, max_gen_toks=9), {}),
            (server, chat("why?", real), {"model": "another"}),
            (server, chat("why?", real), {"seed": 1}),
            (other, chat("why?", real), {}),
        ]
        for where, request, arguments in changed:
            assert ask(where, [request], cache_dir=str(tmp_path), **arguments)[1]["cache_hits"] == 0
        assert ask(server, [chat("why?", real)], cache_dir=str(tmp_path))[1]["cache_hits"] == 1


@pytest.mark.parametrize("settings", [{"do_sample": True}, {"temperature": 0.7}])
def test_drawn_answers_are_neither_kept_nor_shared(tmp_path, settings):
    with serve(echo) as server:
        for _ in range(2):
            ask(server, [chat("why?", **settings), chat("why?", **settings)], cache_dir=str(tmp_path))
        assert len(server.asked) == 4


def test_empty_and_cut_answers_are_counted_apart_and_told_once(tmp_path, caplog):
    def behave(asked):
        if asked.number <= 2:
            return reply(None, "length", reasoning_content="The picture shows a liver.")
        return reply("", "stop") if asked.number == 3 else reply("a liver and", "length")

    with serve(behave) as server:
        for _ in range(2):  # asked, then kept
            answers, told = ask(server, make_chats()[:5], num_concurrent=1, cache_dir=str(tmp_path))
            assert sorted(answers) == ["", "", "", "a liver and", "a liver and"]
            assert (told["empty_answers"], told["cut_answers"]) == (3, 4)
    assert [record.message.split(" (")[0] for record in caplog.records if "the server " in record.message] == [
        "the server sent an empty answer",
        "the server cut an answer at its limit of tokens",
    ] * 2


def test_the_placeholder_of_the_harness_is_no_answer(monkeypatch):
    monkeypatch.setattr("lm_eval.models.api_models.LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER", "yes")
    with serve(lambda asked: reply(None)) as server:
        assert ask(server, [chat("why?")])[0] == [""]


def test_thoughts_are_cut_as_the_harness_cuts_them():
    with serve(lambda asked: reply("It may be a lung.</think> liver")) as server:
        assert ask(server, [chat("why?")], think_end_token="</think>")[0] == ["liver"]


def test_parts_are_joined_without_thoughts():
    parts = [
        {"type": "thinking", "thinking": "a lung?"},
        {"type": "text", "text": "li"},
        {"type": "text", "text": "ver"},
    ]
    with serve(lambda asked: reply(parts)) as server:
        assert ask(server, [chat("why?")])[0] == ["liver"]


def test_tokens_and_money_are_added_up():
    with serve(lambda asked: reply("x", tokens=(1000, 20))) as server:
        _, told = ask(server, make_chats(), price_in=2, price_out=50)
    assert (told["tokens_in"], told["tokens_out"]) == (18_000, 360)
    assert told["cost"] == pytest.approx(18_000 * 2e-6 + 360 * 50e-6)


def test_a_server_that_does_not_count_has_no_cost():
    with serve(lambda asked: reply("x", tokens=None)) as server:
        _, told = ask(server, make_chats()[:2], price_in=2)
    assert (told["cost"], told["without_usage"]) == (None, 2)


def test_a_small_budget_of_bytes_loses_no_answer():
    several = [chat(f"{n}?", *show_images()[n : n + 3]) for n in range(4)]
    with serve(echo) as server:
        tight, told = ask(server, several + make_chats(), image_budget_bytes=1)
        assert tight == ask(server, several + make_chats())[0]
    assert told["image_encodings"] >= 6


def test_the_canary_runs_once_and_is_counted():
    with serve(lambda asked: read_cards(asked) if "colour?" in asked.text else echo(asked)) as server:
        lm = make(server, canary=True)
        for _ in range(2):
            lm.generate_until(make_chats()[:2], disable_tqdm=True)
        assert (len(server.asked), len(server.questions)) == (28, 4)
    told = lm.get_model_info()["vrs_api"]
    assert (told["canary_requests"], told["requests"]) == (24, 28)
    assert told["canary"] == "this server answers about the image it was sent: 24 of 24 cards"


def test_a_server_that_keeps_answers_by_text_is_not_asked(tmp_path):
    kept = {}
    with serve(lambda asked: kept.setdefault(asked.text, read_cards(asked))) as server:
        with pytest.raises(MixedUpError, match=r"STOP: .* about another card.*no question is asked"):
            ask(server, make_chats(), canary=True, cache_dir=str(tmp_path))
        assert not server.questions


def test_a_weak_model_is_told_and_asked(caplog):
    with serve(lambda asked: reply("a picture")) as server:
        answers, told = ask(server, make_chats()[:2], canary=True)
    assert answers == ["a picture"] * 2
    assert "does not look at the image" in told["canary"]
    assert "does not look at the image" in caplog.text


def test_texts_alone_need_no_canary():
    with serve(echo) as server:
        assert ask(server, [chat("why?")], canary=True)[1]["canary"] == "not asked"
        assert len(server.asked) == 1


def test_a_prompt_that_is_no_chat_is_told_before_anything_is_sent():
    bare = Instance("generate_until", {}, ("why?", {"until": []}), 0, metadata=("vrs_vqa_rad", 0, 1))
    with serve(echo) as server:
        with pytest.raises(ValueError, match=r"vrs_vqa_rad: .*--apply_chat_template"):
            ask(server, [*make_chats(), bare], canary=True)
        assert not server.asked


def test_likelihoods_are_refused_by_the_name_of_their_task():
    request = Instance("loglikelihood", {}, ("why?", "yes"), 0, metadata=("vrs_medvqa_mc", 0, 1))
    with serve(echo) as server:
        for kind in (VrsAPI, VrsOpenAI):
            with pytest.raises(ValueError, match=r"vrs_medvqa_mc: .*likelihoods.*vrs-hf"):
                make(server, kind).loglikelihood([request])
        assert not server.asked


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"cahce_dir": "here"}, r"--model_args has no cahce_dir; it has .*cache_dir"),
        ({"header": {"api-key": KEY}}, r"header: .*api-key.*\$VARIABLE"),
        ({"header": {"api-key": "$NO_SUCH_NAME"}}, "environment has no NO_SUCH_NAME"),
        ({"auth_token": KEY}, "auth_token: .*OPENAI_API_KEY"),
        ({"base_url": f"http://me:{KEY}@host/v1"}, "base_url: a user or a password"),
        ({"base_url": f"http://{KEY}@host/v1"}, "base_url: a user or a password"),
        ({"base_url": f"http://host/v1?version=2&api_key={KEY}"}, "base_url: api_key in it would be written"),
        ({"base_url": "host/v1"}, "base_url: the URL of a chat server"),
        ({"model": None}, "model: the server's name"),
        ({"requests_per_minute": 0}, "requests_per_minute: a number above 0"),
    ],
)
def test_bad_arguments_are_told_without_their_secrets(arguments, told):
    with pytest.raises(ValueError, match=told) as error:
        VrsAPI(**{"model": "m", "base_url": "http://localhost/v1/chat/completions", **arguments})
    assert KEY not in str(error.value)


def test_a_header_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("HOSPITAL_KEY", KEY)
    with serve(lambda asked: Refusal(403, asked.headers["api-key"])) as server:
        with pytest.raises(EndpointError, match=r"status 403: \[key\]"):
            ask(server, [chat("why?")], header={"api-key": "$HOSPITAL_KEY", "X-Site": "north"})
        assert server.asked[0].headers["X-Site"] == "north"


def test_a_key_is_in_no_result_log_or_file(tmp_path, caplog):
    def behave(asked):
        return Refusal(500, f"bad luck, {KEY}") if asked.number == 1 else echo(asked)

    caplog.set_level("DEBUG")
    with serve(behave) as server:
        _, told = ask(server, make_chats(), cache_dir=str(tmp_path))
        assert Counter(KEY in asked.headers["Authorization"] for asked in server.asked) == {True: 19}
    assert "bad luck, [key]" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in json.dumps(told)
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_harness_cache_is_refused_with_the_reason(tmp_path):
    with serve(echo) as server, pytest.raises(ValueError, match=r"--use_cache keeps answers without.*cache_dir"):
        CachingLM(make(server), str(tmp_path / "harness"))


@pytest.fixture
def interruptible():
    """Ctrl-C counts, also where a shell started the tests behind `&`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_what_is_kept(tmp_path, caplog):
    def behave(asked):
        if asked.number == 6:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return echo(asked)

    with serve(behave) as server:
        with pytest.raises(KeyboardInterrupt):
            ask(server, make_chats(), cache_dir=str(tmp_path), num_concurrent=1)
        assert "stopped: 5 of 18 answers are kept in" in caplog.text
        assert ask(server, make_chats(), cache_dir=str(tmp_path))[1]["cache_hits"] == 5


def test_without_the_packages_of_an_api_the_error_says_what_to_install():
    hide = "import sys; sys.modules['aiohttp'] = None; import vrs_lmeval.chat_servers.chat_endpoint"
    finished = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, timeout=300)
    assert finished.stderr.strip().splitlines()[-1].endswith('models behind an API need: pip install "lm_eval[api]"')


def test_an_image_that_cannot_be_decoded_ends_the_run_with_what_is_kept(tmp_path, caplog):
    class Broken(Image.Image):
        source_id, perturbation, store = "broken", None, None

        def save(self, *arguments, **settings):
            raise ValueError("row 7: the image cannot be decoded")

    requests = [*make_chats()[:2], chat("why?", Broken())]
    with serve(echo) as server, pytest.raises(ValueError, match="row 7"):
        ask(server, requests, cache_dir=str(tmp_path), num_concurrent=1)
    assert "stopped: 2 of 3 answers are kept in" in caplog.text


def test_nothing_to_ask_asks_nothing():
    with serve(echo) as server:
        assert ask(server, [])[0] == []
        assert not server.asked
