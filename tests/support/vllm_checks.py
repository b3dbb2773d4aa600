"""What holds for `vrs-vllm` on any engine: the stand-in in every test run, and vLLM itself where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from support.harness_models import make_requests, show_images
from support.tiny_llava import save_tiny_llava

from tools.controls.name_for_vllm import write_published_names
from vrs_lmeval.model import VrsHF

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}\n"
)
OPTIONS = (" A", " B", " Bee", " C")
"""Of one token and of several after the space that they share; one begins another."""


def save_model(folder: Path) -> Path:
    """A tiny random LLaVA, by the names of weights that vLLM loads; its heads are the smallest that it has on CPUs."""
    save_tiny_llava(folder, hidden_size=64)
    write_published_names(folder)
    return folder


def make_hf(folder: Path) -> Any:
    """`vrs-hf` on the same folder."""
    return VrsHF(pretrained=str(folder), device="cpu", dtype="float32", batch_size=4)


def make_mixed_requests() -> list[Instance]:
    """Questions on six images, each with one image, one with two, and some without any."""
    requests = make_requests()
    images = show_images()
    text, settings, _ = requests[7].args
    requests[7].arguments = (f"<image>{text}", settings, {"visual": [images[0], images[3]]})
    for request in requests[2::6]:
        text, settings, _ = request.args
        request.arguments = (text.removeprefix("<image>\n"), settings, {"visual": []})
    return requests


def make_option_requests() -> list[Instance]:
    """Every option after some prompts, the options of each not together."""
    prompts = [request.args[::2] for request in make_mixed_requests()[:8]]
    return [Instance("loglikelihood", {}, (text, option, shown), 0) for option in OPTIONS for text, shown in prompts]


def check_texts(lm: Any, stock: Any, hf: Any) -> None:
    """Texts are those of the harness's class on this engine, and `vrs-hf`'s but for what vLLM writes otherwise."""
    requests = make_mixed_requests()
    texts = lm.generate_until(requests, disable_tqdm=True)
    shown = [index for index, request in enumerate(requests) if request.args[2]["visual"]]
    assert [texts[index] for index in shown] == stock([requests[index] for index in shown])
    others = hf.generate_until(requests, disable_tqdm=True)
    assert [read_words(text) for text in texts] == [read_words(text) for text in others]
    assert len(set(texts)) > 6, "the images and questions make a difference"
    info = lm.get_model_info()
    assert info["vrs_without_images"] == "asked"
    assert info["vrs_vllm"]["prompts"] >= len(requests)


def read_words(text: str) -> list[str]:
    """A text without what `vllm-vlm` shows and `hf-multimodal` does not: a space before the answer, special tokens."""
    return [word for word in text.split() if word not in ("<pad>", "<unk>", "<image>")]


def check_likelihoods(lm: Any, hf: Any, tolerance: float) -> None:
    """Log-likelihoods and greedy marks are `vrs-hf`'s."""
    requests = make_option_requests()
    ours, theirs = (each.loglikelihood(requests, disable_tqdm=True) for each in (lm, hf))
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=tolerance, rel=1e-5)
    assert [is_greedy for _, is_greedy in ours] == [is_greedy for _, is_greedy in theirs]
