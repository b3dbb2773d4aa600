"""How prompts are written: one BOS, arguments that reach the template, thoughts with room, and bare prompts named."""

import copy
import logging

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.hf_vlms import HFMultimodalLM
from support.architectures import ARCHITECTURES
from support.harness_models import generation, show_images, wrap

from vrs_lmeval.model import VrsHF
from vrs_lmeval.reading.answers import UNFINISHED, parse_answer
from vrs_lmeval.records import Sample

pytestmark = pytest.mark.models


def make(name, kind=VrsHF, **options):
    if reason := ARCHITECTURES[name].reason_to_skip():
        pytest.skip(reason)
    return wrap(kind, *ARCHITECTURES[name].make(), batch_size=4, **options)


def render(lm, question="is it a liver?"):
    return lm.apply_chat_template([{"role": "user", "content": f"<image>\n{question}"}])


def seen_tokens(lm, monkeypatch, prompt):
    """The token ids that the model is given for a prompt, by `generate_until`."""
    given = []
    generate = lm.model.generate

    def look(**inputs):
        given.append(inputs["input_ids"][0].tolist())
        return generate(**inputs)

    monkeypatch.setattr(lm.model, "generate", look)
    lm.generate_until([generation(prompt, show_images()[0])], disable_tqdm=True)
    return given[-1]


@pytest.mark.parametrize("name", ["gemma3", "mllama", "pixtral"])
def test_a_template_that_writes_bos_gets_no_second_one(name, monkeypatch):
    one, two, stock = make(name), make(name, double_bos=True), make(name, HFMultimodalLM)
    bos = one.tokenizer.bos_token_id
    prompt = render(one)
    assert prompt == render(two) == render(stock)
    assert prompt.startswith(one.tokenizer.bos_token)
    counts = [seen_tokens(lm, monkeypatch, prompt).count(bos) for lm in (one, two, stock)]
    assert counts == [1, 2, 2]
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "\nis it a liver?"}]}]
    own = one.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert prompt == own, "as transformers renders it, which then tokenizes without special tokens"
    assert one.get_model_info()["vrs_bos"] == "one, the template's"
    assert "two (double_bos)" in two.get_model_info()["vrs_bos"]


def test_a_bare_prompt_keeps_the_bos_of_its_tokenizer(monkeypatch):
    lm = make("gemma3")
    assert seen_tokens(lm, monkeypatch, "<image>\nis it a liver?").count(lm.tokenizer.bos_token_id) == 1
    assert lm.get_model_info()["vrs_bos"] == "as hf-multimodal writes it"


@pytest.mark.parametrize("arguments", [{"enable_thinking": False}, {"chat_template_args": {"enable_thinking": False}}])
def test_arguments_reach_the_chat_template(arguments):
    assert render(make("qwen3_5")).endswith("<think>\n")
    assert render(make("qwen3_5", enable_thinking=True)).endswith("<think>\n")
    assert render(make("qwen3_5", **arguments)).endswith("</think>\n\n")


def test_an_argument_that_the_template_does_not_know_is_named(caplog):
    lm = make("qwen2_5_vl", enable_thinking=False)
    with caplog.at_level(logging.WARNING, logger="vrs_lmeval"):
        assert [render(lm), render(lm)] == [render(make("qwen2_5_vl"))] * 2
    assert caplog.text.count("does not know enable_thinking") == 1


def test_an_open_thought_is_refused_for_options_and_named_for_texts(caplog):
    lm = make("qwen3_5")
    prompt, image = render(lm), show_images()[0]
    option = Instance("loglikelihood", {}, (prompt, "A", {"visual": [image]}), 0)
    with pytest.raises(ValueError, match=r"<think> ends the rendered prompt.*enable_thinking=False"):
        lm.loglikelihood([option], disable_tqdm=True)
    with caplog.at_level(logging.WARNING, logger="vrs_lmeval"):
        lm.generate_until([generation(prompt, image)], disable_tqdm=True)
    assert "its thought is read as the answer" in caplog.text
    assert lm.get_model_info()["vrs_thoughts"] == "the prompt ends in <think>, and the thought is read as the answer"
    closed = make("qwen3_5", enable_thinking=False)
    option = Instance("loglikelihood", {}, (render(closed), "A", {"visual": [image]}), 0)
    ((score, _),) = closed.loglikelihood([option], disable_tqdm=True)
    assert score < 0


def write_instead(lm, text, monkeypatch):
    """The model writes `text`, then the end mark; returns what it was asked for."""
    asked = []

    def generate(inputs, max_length, stop, **settings):
        asked.append({"room": max_length - inputs["input_ids"].shape[1], "stop": stop})
        tokens = [*lm.tokenizer.encode(text, add_special_tokens=False), lm.tokenizer.eos_token_id]
        rows = torch.tensor([tokens] * len(inputs["input_ids"]))
        return torch.cat([inputs["input_ids"], rows], 1)

    monkeypatch.setattr(lm, "_model_multimodal_generate", generate)
    return asked


def test_with_room_a_thought_is_cut_and_stop_sequences_count_after_it(monkeypatch, caplog):
    lm = make("qwen3_5", thought_tokens=50)
    asked = write_instead(lm, "first\nno, I see it</think>\n\nyes\nor not", monkeypatch)
    with caplog.at_level(logging.WARNING, logger="vrs_lmeval"):
        (text,) = lm.generate_until([generation(render(lm), show_images()[0])], disable_tqdm=True)
    assert text == "yes"
    assert asked == [{"room": 6 + 50, "stop": [lm.tokenizer.eos_token]}]
    assert "thought is read as the answer" not in caplog.text
    assert lm.get_model_info()["vrs_thoughts"] == "up to 50 tokens, cut by the model's own marks"


def test_a_thought_that_does_not_end_is_no_answer(monkeypatch):
    lm = make("qwen3_5", thought_tokens=50)
    write_instead(lm, "yes, it looks like", monkeypatch)
    (text,) = lm.generate_until([generation(render(lm), show_images()[0])], disable_tqdm=True)
    answer = parse_answer(text, Sample("s", "i", "is it a liver?", ("yes",), "closed"))
    assert (answer.value, answer.reason) == (None, UNFINISHED)


def test_without_room_nothing_is_cut(monkeypatch):
    lm = make("qwen3_5", enable_thinking=False)
    asked = write_instead(lm, "yes</think>no\nor not", monkeypatch)
    (text,) = lm.generate_until([generation(render(lm), show_images()[0])], disable_tqdm=True)
    assert text == lm.tok_decode(lm.tokenizer.encode("yes</think>no")), "as the stock class decodes"
    assert asked[0]["room"] == 6


def test_a_forgotten_chat_template_is_told_once_and_in_the_results(caplog):
    lm = make("llava")
    with caplog.at_level(logging.WARNING, logger="vrs_lmeval"):
        for _ in range(2):
            lm.generate_until([generation("<image>\nwhy?", show_images()[0])], disable_tqdm=True)
    assert caplog.text.count("--apply_chat_template") == 1
    assert lm.get_model_info()["vrs_chat_template"] == "not applied"
    base = make("paligemma")
    base.generate_until([generation("<image>\nwhy?", show_images()[0])], disable_tqdm=True)
    assert base.get_model_info()["vrs_chat_template"] == "the model has none"


@pytest.mark.parametrize("name", ["gemma3", "llama4", "aya_vision", "ovis2", "molmo2"])
def test_bare_prompts_hold_the_mark_that_the_processor_expands(name):
    lm, stock = make(name), make(name, HFMultimodalLM)
    assert lm.image_token == ARCHITECTURES[name].placeholder != stock.image_token
    own = make(name, image_string="<mine>")
    assert own.image_token == "<mine>"


def test_options_share_their_first_tokens_with_the_question(monkeypatch):
    """A template's last line feed goes to each option (as lm_eval cuts): with it every option had two tokens."""
    lm = make("qwen2_5_vl")
    image = show_images()[0]
    prompts = [render(lm, question) for question in ("what is this?", "is it a liver?")]
    assert prompts[0].endswith("\n")
    requests = [
        Instance("loglikelihood", {}, (prompt, letter, {"visual": [image]}), 0)
        for prompt in prompts
        for letter in "ABC"
    ]
    expected = lm.loglikelihood(requests, disable_tqdm=True)  # checked against whole passes, which the count leaves out
    passes, forward = [], type(lm.model).forward

    def count(self, *args, **inputs):
        passes.append(inputs["input_ids"].shape)
        return forward(self, *args, **inputs)

    monkeypatch.setattr(type(lm.model), "forward", count)
    assert lm.loglikelihood(requests, disable_tqdm=True) == expected
    assert len(passes) == 2, "the image's prefix, then both questions with their line feed; no option alone"
    spread = {round(score, 4) for score, _ in expected}
    assert len(spread) > 3, "options and questions matter"


def test_the_common_tokens_count_into_the_likelihood():
    """One option alone shares nothing: its tokens, line feed included, are scored by themselves, to the same sum."""
    parts = ARCHITECTURES["qwen2_5_vl"].make()
    alone, together = (wrap(VrsHF, *copy.deepcopy(parts), batch_size=4) for _ in range(2))
    prompt, image = render(alone), show_images()[0]
    render(together)
    requests = [Instance("loglikelihood", {}, (prompt, letter, {"visual": [image]}), 0) for letter in "ABC"]
    separate = [alone.loglikelihood([request], disable_tqdm=True)[0] for request in requests]
    joint = together.loglikelihood(requests, disable_tqdm=True)
    assert [score for score, _ in joint] == pytest.approx([score for score, _ in separate], abs=1e-4)
    assert [greedy for _, greedy in joint] == [greedy for _, greedy in separate]
