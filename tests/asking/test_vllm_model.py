"""`vrs-vllm` on a stand-in for vLLM's engine that computes by transformers; on vLLM itself: `make test-vllm`."""

import json
from types import SimpleNamespace

import pytest
import torch
from lm_eval.api.instance import Instance
from support.engine_stand_in import Engine, install, output, use
from support.harness_models import GENERATION, make_requests
from support.vllm_checks import (
    check_likelihoods,
    check_texts,
    make_hf,
    make_mixed_requests,
    make_option_requests,
    save_model,
)
from transformers import AutoProcessor, AutoTokenizer, LlavaForConditionalGeneration

from vrs_lmeval.records import NOT_ASKED

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("llava"))


class TransformersEngine(Engine):
    """Answers by a model of transformers, a prompt at a time, as vLLM's engine would in float32.

    The answer's text has the space that vLLM writes before it; `takes_texts=False` refuses prompts without an image.
    """

    takes_texts = True

    def __init__(self, model, **settings):
        self.settings = settings
        self.model = LlavaForConditionalGeneration.from_pretrained(model)
        self.processor = AutoProcessor.from_pretrained(model)
        self.tokenizer = self.processor.tokenizer
        super().__init__(self.compute)

    def get_tokenizer(self):
        return self.tokenizer

    def generate(self, prompts, sampling_params, use_tqdm):
        """As the harness's class asks: all of a batch, in their order."""
        return [self.compute(prompt, sampling_params) for prompt in prompts]

    def compute(self, prompt, params):
        images = prompt.get("multi_modal_data", {}).get("image")
        if images is None and not self.takes_texts:
            raise ValueError("at least one image is needed")
        inputs = self.encode(prompt, images)
        with torch.inference_mode():
            new = self.model.generate(**inputs, max_new_tokens=params.max_tokens, do_sample=False)
            logits = self.model(**inputs).logits[0, -1]
        encoded = inputs["input_ids"][0].tolist()
        new = new[0, len(encoded) :].tolist()
        if params.logprob_token_ids is not None:
            shares = logits.float().log_softmax(-1)
            told = {token: _Entry(float(shares[token])) for token in {*params.logprob_token_ids, new[0]}}
            return output("", tuple(new), [told], encoded)
        text = self.tokenizer.decode(new)
        for stop in params.stop:
            text = text.split(stop)[0]
        return output(" " + text, tuple(new), None, encoded)

    def encode(self, prompt, images):
        text = prompt.get("prompt")
        if text is None:  # what the processor would write, of tokens in place of a text
            text = "".join(self.tokenizer.convert_ids_to_tokens(prompt["prompt_token_ids"]))
        return self.processor(text=[text], return_tensors="pt", **({} if images is None else {"images": images}))


class _Entry:
    def __init__(self, logprob):
        self.logprob = logprob


class NeedsImages(TransformersEngine):
    takes_texts = False


@pytest.fixture(scope="module")
def module():
    with pytest.MonkeyPatch.context() as patch:
        yield install(patch, lambda name, **settings: AutoTokenizer.from_pretrained(name))


@pytest.fixture
def make(monkeypatch, folder, module):
    def make_lm(engine=TransformersEngine, **arguments):
        use(monkeypatch, engine)
        return module.VrsVLLM(pretrained=str(folder), dtype="float32", **arguments)

    return make_lm


def ask_stock(lm):
    """The harness's own class on the same engine."""
    return lambda requests: super(type(lm), lm).generate_until(requests, disable_tqdm=True)


def test_texts_are_those_of_the_harnesss_class_and_of_vrs_hf(make, folder):
    lm = make(batch_size=3)
    check_texts(lm, ask_stock(lm), make_hf(folder))


def test_likelihoods_are_those_of_vrs_hf(make, folder):
    check_likelihoods(make(), make_hf(folder), 1e-4)


def test_options_that_share_a_node_are_asked_together(make):
    lm = make()
    requests = make_option_requests()
    lm.loglikelihood(requests, disable_tqdm=True)
    prompts = len(requests) // 4
    assert lm.model.number == prompts * 4 + 1  # the root (a space), A B C, Be, Bee; and a prompt without an image tried
    assert {len(params.logprob_token_ids) for _, params in lm.model.asked} == {1, 3}


def test_kept_answers_are_not_asked_again(make, tmp_path):
    first, again = make(cache_dir=str(tmp_path), cold_warm=0), make(cache_dir=str(tmp_path), cold_warm=0)
    requests, options = make_mixed_requests(), make_option_requests()
    texts, scores = first.generate_until(requests, disable_tqdm=True), first.loglikelihood(options, disable_tqdm=True)
    assert again.generate_until(requests, disable_tqdm=True) == texts
    assert again.loglikelihood(options, disable_tqdm=True) == scores
    assert again.model.number == 0
    info = again.get_model_info()
    assert info["vrs_cache"]["hits"] == len(requests) + len(options)
    assert info["vrs_without_images"] == "asked"


def test_what_came_before_an_interrupt_is_kept(make, tmp_path):
    class Interrupted(TransformersEngine):
        def step(self):
            if self.number > 10:
                raise KeyboardInterrupt
            return super().step()

    requests = make_requests()
    lm = make(Interrupted, cache_dir=str(tmp_path), in_flight=3, cold_warm=0)
    with pytest.raises(KeyboardInterrupt):
        lm.generate_until(requests, disable_tqdm=True)
    kept = lm.get_model_info()["vrs_cache"]["answers_kept"]
    assert kept > 0
    assert lm.model.waiting == {}
    going_on = make(cache_dir=str(tmp_path), cold_warm=0)
    assert going_on.generate_until(requests, disable_tqdm=True) == make().generate_until(requests, disable_tqdm=True)
    assert going_on.model.number == len(requests) - kept


def test_other_engine_settings_share_no_answers(make, tmp_path):
    requests = make_requests()[:2]
    make(cache_dir=str(tmp_path)).generate_until(requests, disable_tqdm=True)
    for settings in (
        {"mm_processor_kwargs": {"a": 1}},
        {"image_max_side": 20},
        {"max_gen_toks": 9},
        {"double_bos": True},
    ):
        other = make(cache_dir=str(tmp_path), **settings)
        other.generate_until(requests, disable_tqdm=True)
        assert other.get_model_info()["vrs_cache"]["hits"] == 0, settings


def test_drawn_answers_are_neither_kept_nor_asked_again_warm(make, tmp_path):
    requests = make_requests(do_sample=True, temperature=0.7)[:3]
    lm = make(cache_dir=str(tmp_path))
    lm.generate_until(requests, disable_tqdm=True)
    info = lm.get_model_info()
    assert (info["vrs_cache"]["answers_kept"], info["vrs_cold_warm"]["asked_again"]) == (0, 0)


def test_the_first_question_on_each_image_is_asked_again(make, tmp_path):
    class Warms(TransformersEngine):
        """Keeps a prompt's first 16 tokens once it was computed, and then writes otherwise on some images."""

        def compute(self, prompt, params):
            answer = super().compute(prompt, params)
            key = json.dumps(answer.prompt_token_ids[-20:]) + str(prompt["multi_modal_data"]["image"][0].tobytes())
            if key in self.__dict__.setdefault("seen", set()):
                answer.num_cached_tokens = 16
                answer.outputs[0].text += "!" if len(self.seen) % 2 else ""
            self.seen.add(key)
            return answer

    requests = make_requests()
    lm = make(Warms, in_flight=1)
    texts = lm.generate_until(requests, disable_tqdm=True)
    assert texts == make(cold_warm=0).generate_until(requests, disable_tqdm=True)
    told = lm.get_model_info()["vrs_cold_warm"]
    assert (told["asked_again"], told["warm"]) == (6, 6)
    assert 0 < told["changed"] < 6
    assert told["share"] == told["changed"] / 6
    kept = make(Warms, in_flight=1, cache_dir=str(tmp_path))
    kept.generate_until(requests, disable_tqdm=True)
    going_on = make(Warms, in_flight=1, cache_dir=str(tmp_path))
    going_on.generate_until(requests, disable_tqdm=True)  # every answer is kept, so nothing is asked again
    assert kept.get_model_info()["vrs_cold_warm"] == told
    assert going_on.get_model_info()["vrs_cold_warm"] == told
    few = make(Warms, cold_warm=2)
    few.generate_until(requests, disable_tqdm=True)
    assert few.get_model_info()["vrs_cold_warm"]["asked_again"] == 2


def test_a_model_that_refuses_texts_alone_is_asked_the_rest(make, caplog):
    lm, requests = make(NeedsImages), make_mixed_requests()
    texts = lm.generate_until(requests, disable_tqdm=True)
    bare = [not request.args[2]["visual"] for request in requests]
    assert [text == NOT_ASKED for text in texts] == bare
    assert "at least one image is needed), so 3 prompts" in caplog.text
    options = make_option_requests()
    scores = lm.loglikelihood(options, disable_tqdm=True)
    expected = [not request.args[2]["visual"] for request in options]
    assert [score == (NOT_ASKED, False) for score in scores] == expected


def test_text_tasks_beside_tasks_with_images_are_asked_by_the_class_behind(make, monkeypatch):
    lm, requests = make(), make_requests()[:3]
    requests[1].arguments = requests[1].args[:2]
    behind = type(lm).__mro__[1]
    monkeypatch.setattr(behind, "generate_until", lambda self, part, disable_tqdm: ["behind"] * len(part))
    texts = lm.generate_until(requests, disable_tqdm=True)
    assert [text == "behind" for text in texts] == [False, True, False]


def test_a_rendered_chat_has_one_bos_token_unless_two_are_asked_for(make):
    for double_bos, begins in ((False, True), (True, False)):
        lm = make(double_bos=double_bos)
        lm.tokenizer.bos_token = lm.model.tokenizer.bos_token = "b"
        lm.chat_applied = True
        lm.generate_until([generation("bwhy?")], disable_tqdm=True)
        prompt, _ = lm.model.asked[-1]
        assert ("prompt_token_ids" in prompt) == begins
        if begins:
            assert prompt["prompt_token_ids"] == lm.tokenizer.encode("bwhy?", add_special_tokens=False)
        told = lm.get_model_info()["vrs_bos"]
        assert told == (
            "one, the template's" if begins else "as vllm-vlm writes it, where a template has one, two (double_bos)"
        )


def generation(prompt, *images, **settings):
    return Instance("generate_until", {}, (prompt, {**GENERATION, **settings}, {"visual": list(images)}), 0)


def test_thoughts_are_cut_and_the_tasks_marks_do_not_end_them(make):
    class Thinks(TransformersEngine):
        def compute(self, prompt, params):
            answer = super().compute(prompt, params)
            answer.outputs[0].text = "let me see\n\nit is</think> left\nor not"
            return answer

    lm = make(Thinks, think_end_token="</think>")
    (text,) = lm.generate_until(make_requests()[:1], disable_tqdm=True)
    assert text == "left"
    assert lm.model.asked[0][1].stop == ["</s>"]
    assert lm.get_model_info()["vrs_thoughts"] == "all before the last </think> is cut"


def test_the_chat_template_gets_its_arguments(make):
    lm = make(chat_template_args={"mood": "calm"}, enable_thinking=False)
    lm.processor.chat_template = (
        "{{ mood }}{{ enable_thinking }}{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}"
    )
    assert lm.apply_chat_template([{"role": "user", "content": "why?"}]) == "calmFalsewhy?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"data_parallel_size": 2}, "vrs-vllm asks one engine"), ({"in_flight": 0}, "in_flight: at least 1")],
)
def test_arguments_that_cannot_be_obeyed_are_errors(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_likelihoods_need_the_models_own_logits(make):
    lm = make()
    lm.model.model_config.logprobs_mode = "processed_logprobs"
    with pytest.raises(ValueError, match="_mc tasks need raw_logprobs"):
        lm.loglikelihood(make_option_requests(), disable_tqdm=True)


def test_batch_invariance_that_this_build_lacks_is_told(make, monkeypatch):
    assert make().get_model_info()["vrs_vllm"]["batch_invariant"] == "not asked for"
    told = make(batch_invariant=True).get_model_info()["vrs_vllm"]["batch_invariant"]
    assert told == "asked for; vLLM 0.32.0 has none on this device (cpu)"
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "1")
    assert make().get_model_info()["vrs_vllm"]["batch_invariant"] == told


def test_the_harnesss_cache_is_refused(make):
    with pytest.raises(ValueError, match="use --model_args cache_dir=FOLDER"):
        make().set_cache_hook(SimpleNamespace(dbdict={}))
