"""`vrs-hf` without an image: the model's own answers to its own processor's text, whatever stands beside them."""

import pytest
import torch
from lm_eval.api.instance import Instance
from support.architecture_matrix import GENERATION, OPTIONS, make_parts, make_questions
from support.architectures import ARCHITECTURES
from support.harness_models import wrap

from vrs_lmeval.model import VrsHF
from vrs_lmeval.records import NOT_ASKED

pytestmark = pytest.mark.models

SLICE = ["llava", "qwen2_5_vl", "gemma3", "idefics3", "mllama", "molmo2"]
"""For every test run; `make test-models` runs all."""

TAKES_NONE = {"paligemma"}
TEXTS = ("why?", "is it a liver or a lung, my dear doctor?", "what is shown?")


def mark(name):
    return pytest.param(name, marks=() if name in SLICE else pytest.mark.whole)


def make_model(name):
    if reason := ARCHITECTURES[name].reason_to_skip():
        pytest.skip(reason)
    thinks = {"enable_thinking": False} if ARCHITECTURES[name].opens_thought else {}
    return wrap(VrsHF, *make_parts(name), batch_size=5, **thinks)


def render(lm, name, texts):
    if not ARCHITECTURES[name].has_template:
        return list(texts)
    return [lm.apply_chat_template([{"role": "user", "content": text}]) for text in texts]


def encode_alone(lm, name, text):
    """By the processor itself, as its own `apply_chat_template(tokenize=True)` calls it."""
    bos = lm.tokenizer.bos_token
    has_bos = ARCHITECTURES[name].has_template and bos and text.startswith(bos)
    settings = {"add_special_tokens": False} if has_bos else {}
    return make_parts(name)[1](text=[text], return_tensors="pt", **settings)


def answer_alone(lm, name, text):
    inputs = encode_alone(lm, name, text)
    with torch.inference_mode():
        tokens = lm.model.generate(**inputs, max_new_tokens=GENERATION["max_gen_toks"], do_sample=False)
    return lm.tok_decode(tokens[0, inputs["input_ids"].shape[1] :].tolist())


def score_alone(lm, name, text, option):
    """Spaces at the prompt's end are the option's, as lm_eval scores them."""
    length = encode_alone(lm, name, text.rstrip())["input_ids"].shape[1]
    whole = encode_alone(lm, name, text + option)
    with torch.inference_mode():
        shares = lm.model(**whole).logits[0, :-1].float().log_softmax(-1)
    own = whole["input_ids"][0, length:]
    return float(shares[length - 1 :].gather(1, own[:, None]).sum())


def generation(prompt, images=()):
    return Instance("generate_until", {}, (prompt, dict(GENERATION), {"visual": list(images)}), 0)


@pytest.mark.parametrize("name", [mark(name) for name in ARCHITECTURES if name not in TAKES_NONE])
def test_a_text_alone_has_the_models_own_answer_and_likelihoods(name):
    lm = make_model(name)
    shown = make_questions("mixed", "single")[:4]
    prompts = render(lm, name, [*(text for text, _ in shown), *TEXTS])
    images = [*(images for _, images in shown), *[()] * len(TEXTS)]
    requests = [generation(prompt, of_prompt) for prompt, of_prompt in zip(prompts, images, strict=True)]
    order = [5, 0, 4, 1, 6, 2, 3]  # with and without images in turn
    answers = dict(zip(order, lm.generate_until([requests[i] for i in order], disable_tqdm=True), strict=True))
    bare = prompts[len(shown) :]
    assert [answers[len(shown) + place] for place in range(len(bare))] == [answer_alone(lm, name, p) for p in bare]
    alone = lm.generate_until(requests[: len(shown)], disable_tqdm=True)
    assert [answers[place] for place in range(len(shown))] == alone, "those with an image do not change"
    scored = [(prompt, option) for prompt in bare for option in OPTIONS]
    scores = lm.loglikelihood([Instance("loglikelihood", {}, (*pair, {"visual": []}), 0) for pair in scored])
    expected = [score_alone(lm, name, *pair) for pair in scored]
    assert [score for score, _ in scores] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert lm.get_model_info()["vrs_without_images"] == "asked"


@pytest.mark.parametrize("name", sorted(TAKES_NONE))
def test_a_model_that_needs_an_image_is_told_by_name_and_asked_the_rest(name, caplog):
    lm = make_model(name)
    (text, images), *_ = make_questions("one", "single")
    prompts = render(lm, name, [text, *TEXTS])
    requests = [generation(prompts[0], images), *(generation(prompt) for prompt in prompts[1:])]
    answers = lm.generate_until(requests, disable_tqdm=True)
    assert answers[1:] == [NOT_ASKED] * len(TEXTS)
    assert answers[:1] == make_model(name).generate_until(requests[:1], disable_tqdm=True)
    said = lm.get_model_info()["vrs_without_images"]
    assert "takes no prompt without an image (ValueError: `images` are expected" in said
    assert type(lm.model).__name__ in said
    (warning,) = (record.getMessage() for record in caplog.records if "not asked" in record.getMessage())
    assert f"{len(TEXTS)} of {len(requests)} requests" in warning
    pairs = [(prompt, option) for prompt in prompts[:2] for option in OPTIONS]
    visuals = [list(images)] * len(OPTIONS) + [[]] * len(OPTIONS)
    scores = lm.loglikelihood(
        [Instance("loglikelihood", {}, (*p, {"visual": v}), 0) for p, v in zip(pairs, visuals, strict=True)]
    )
    assert [score == (NOT_ASKED, False) for score in scores] == [False] * len(OPTIONS) + [True] * len(OPTIONS)


def test_text_tasks_beside_tasks_with_images_are_asked_by_the_class_behind():
    """The harness hands the requests of all tasks over at once; those of a text task have no third argument."""
    lm = make_model("llava")
    (text, images), *_ = make_questions("one", "single")
    shown, *bare = render(lm, "llava", [text, *TEXTS])
    texts = [Instance("generate_until", {}, (prompt, dict(GENERATION)), 0) for prompt in bare]
    alone = lm.generate_until(texts, disable_tqdm=True)
    seen = lm.generate_until([generation(shown, images)], disable_tqdm=True)
    for mixed, expected in (
        ([*texts, generation(shown, images)], [*alone, *seen]),
        ([generation(shown, images), *texts], [*seen, *alone]),
    ):
        assert lm.generate_until(mixed, disable_tqdm=True) == expected
    pairs = [(prompt, OPTIONS[0]) for prompt in bare]
    scored = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    with_image = Instance("loglikelihood", {}, (shown, OPTIONS[0], {"visual": list(images)}), 0)
    alone, (seen,) = lm.loglikelihood(scored, disable_tqdm=True), lm.loglikelihood([with_image], disable_tqdm=True)
    assert lm.loglikelihood([with_image, *scored], disable_tqdm=True) == [seen, *alone]


def test_a_run_without_such_a_prompt_says_so():
    lm = make_model("llava")
    (text, images), *_ = make_questions("one", "single")
    lm.generate_until([generation(render(lm, "llava", [text])[0], images)], disable_tqdm=True)
    assert lm.get_model_info()["vrs_without_images"] == "no prompt was without an image"
