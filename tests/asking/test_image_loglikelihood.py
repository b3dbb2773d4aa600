"""Log-likelihoods of options under images, against a naive twin: one full pass of the model for each option."""

import pytest
import torch
from lm_eval.api.instance import Instance
from support.architectures import ARCHITECTURES
from support.architectures.gemma import gemma3
from support.harness_models import QUESTIONS, show_images, wrap

from vrs_lmeval.model import VrsHF

pytestmark = pytest.mark.models

OPTIONS = (" yes", " no", " A", " the left lung")


def make_requests(placeholder):
    return [
        Instance("loglikelihood", {}, (f"{placeholder}\n{question}", option, {"visual": [image]}), index)
        for image in show_images()[:3]
        for question in QUESTIONS
        for index, option in enumerate(OPTIONS)
    ]


def score_naively(lm, request):
    """(sum of log-softmax at the option's tokens, whether each is the argmax), one prompt in one pass."""
    context, option, visual = request.args
    inputs = lm.tok_batch_multimodal_encode([context], [visual["visual"]])
    own = torch.tensor(lm.tokenizer.encode(option, add_special_tokens=False))[None]
    length = inputs["input_ids"].shape[1]
    whole = {**inputs, "input_ids": torch.cat([inputs["input_ids"], own], 1)}
    whole["attention_mask"] = torch.ones_like(whole["input_ids"])
    causal = 1 if lm.config.model_type == "paligemma" else 0  # its answers see what stands before alone
    for name in {"token_type_ids", "mm_token_type_ids"} & set(whole):
        whole[name] = torch.cat([inputs[name], torch.full_like(own, causal)], 1)
    whole.pop("labels", None)
    with torch.no_grad():
        logits = lm.model(**whole).logits[0, length - 1 : -1].log_softmax(-1)
    return float(logits.gather(1, own.T).sum()), bool((logits.argmax(-1) == own[0]).all())


def assert_scores_as_twin(lm, requests):
    lm.chat_applied = True
    scores = lm.loglikelihood(requests, disable_tqdm=True)
    expected = [score_naively(lm, request) for request in requests]
    assert [score for score, _ in scores] == pytest.approx([score for score, _ in expected], rel=1e-4, abs=1e-4)
    assert [greedy for _, greedy in scores] == [greedy for _, greedy in expected]
    assert len({round(score, 3) for score, _ in expected}) > len(expected) // 2, "options or images do not matter"


@pytest.mark.parametrize("name", ["llava", "llava_next", "gemma3", "paligemma"])
def test_scores_are_those_of_one_full_pass_an_option(name):
    """Of one architecture a kind; test_architectures.py has them all."""
    lm = wrap(VrsHF, *ARCHITECTURES[name].make(), batch_size=3)
    assert_scores_as_twin(lm, make_requests(ARCHITECTURES[name].mark))
    if name != "paligemma":
        assert lm.get_model_info()["vrs_work"]["prefixes_computed"] == 3


@pytest.mark.parametrize("options", [{"share_prefixes": False}, {"batch_size": 1}])
def test_scores_depend_on_no_option(options):
    assert_scores_as_twin(wrap(VrsHF, *ARCHITECTURES["llava"].make(), **options), make_requests("<image>"))


def test_prompts_longer_than_a_sliding_window_are_scored_as_a_whole():
    assert_scores_as_twin(wrap(VrsHF, *gemma3(sliding_window=24), batch_size=3), make_requests("<start_of_image>"))


def test_greedy_is_what_generation_writes():
    """The likeliest first token, scored: true for it, false for any other."""
    lm = wrap(VrsHF, *ARCHITECTURES["llava"].make(), batch_size=2)
    image = show_images()[0]
    settings = {"max_gen_toks": 1, "until": [], "do_sample": False}
    (written,) = lm.generate_until(
        [Instance("generate_until", {}, ("<image>\nwhy?", settings, {"visual": [image]}), 0)]
    )
    other = "A" if written != "A" else "B"
    requests = [
        Instance("loglikelihood", {}, ("<image>\nwhy?", option, {"visual": [image]}), 0) for option in (written, other)
    ]
    assert [greedy for _, greedy in lm.loglikelihood(requests)] == [True, False]


@pytest.mark.parametrize(
    ("context", "option", "message"), [("", " yes", "prompt is empty"), ("<image>", "", "no token")]
)
def test_what_has_no_likelihood_is_refused(context, option, message):
    lm = wrap(VrsHF, *ARCHITECTURES["llava"].make(), batch_size=2)
    request = Instance("loglikelihood", {}, (context, option, {"visual": show_images()[:1]}), 0)
    with pytest.raises(ValueError, match=message):
        lm.loglikelihood([request])
