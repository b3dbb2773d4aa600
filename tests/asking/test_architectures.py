"""`vrs-hf` gives the stock class's answers and full passes' likelihoods, whatever the architecture, path and prompt."""

import pytest
from support.architecture_matrix import Cell, Prompts, ask, list_cells
from support.architectures import ARCHITECTURES
from transformers import __version__ as transformers_version

pytestmark = pytest.mark.models

TRANSFORMERS = tuple(map(int, transformers_version.split(".")[:2]))
SLICE = [
    "llava",
    "llava_next",
    "qwen2_5_vl",
    "qwen3_5",
    "gemma3",
    "gemma4_e",
    "paligemma",
    "idefics2",
    "mllama",
    "molmo2",
]
"""One architecture of each kind of path, in a few cells, for every test run; `make test-models` runs all."""

SLICE_BARE = ["llava", "qwen2_5_vl"]


FUSED = {
    *("llava", "vipllava", "paligemma", "gemma3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5"),
    *(
        "glm4v",
        "internvl",
        "aya_vision",
        "cohere2_vision",
        "ovis2",
        "llava_next",
        "llava_onevision",
        "pixtral",
        "mistral3",
    ),
    *("gemma4", "gemma4_e", "lfm2_vl", "mllama", "idefics3", "smolvlm"),
}
"""Architectures whose pixels the fused op computes; transformers' own processors compute those of the others."""


def is_in_slice(cell: Cell) -> bool:
    """Of each: a chat whose images are shared, by both kinds of request, and several images; of two also bare text."""
    prompts = cell.prompts
    form = "chat" if ARCHITECTURES[prompts.name].has_template else "bare"
    asked = (prompts.form, prompts.sizes, prompts.count)
    if prompts.name not in SLICE:
        return False
    if cell.path == "shared":
        return asked == (form, "mixed", "single") or (prompts.name in SLICE_BARE and asked == ("bare", "one", "single"))
    return cell.kind == "generate" and asked == (form, "mixed", "several")


def mark(cell: Cell):
    return pytest.param(cell, id=str(cell), marks=() if is_in_slice(cell) else pytest.mark.whole)


@pytest.mark.parametrize("cell", [mark(cell) for name in ARCHITECTURES for cell in list_cells(name)])
def test_answers_are_those_of_the_reference(cell):
    architecture = ARCHITECTURES[cell.prompts.name]
    if reason := architecture.reason_to_skip():
        pytest.skip(reason)
    outcome = ask(cell)
    if cell.kind == "generate":
        assert outcome.answers == outcome.expected
    else:
        assert [score for score, _ in outcome.answers] == pytest.approx(
            [score for score, _ in outcome.expected], rel=1e-4, abs=1e-4
        )
        assert [greedy for _, greedy in outcome.answers] == [greedy for _, greedy in outcome.expected]
    assert len(set(outcome.expected)) >= outcome.inputs / 2, "the model does not react: equality would mean little"
    assert (outcome.info["vrs_image_path"] == "fused") == (cell.prompts.name in FUSED)
    path = outcome.info["vrs_prefix_path"]
    if cell.path == "shared" and not architecture.why_plain:
        assert path == "shared"
    elif cell.path != "shared" or TRANSFORMERS >= (5, 23):  # 5.21 has other layers for Gemma 4, and shares
        assert path.startswith("plain: ")


WRITES_BOS = ["idefics3", "gemma3", "gemma4", "aya_vision", "cohere2_vision", "llama4", "mllama", "pixtral", "mistral3"]
"""Where the template writes BOS, and the tokenizer would write another."""


@pytest.mark.parametrize("kind", ["generate", "loglikelihood"])
@pytest.mark.parametrize(
    "name", [*WRITES_BOS[:2], *(pytest.param(name, marks=pytest.mark.whole) for name in WRITES_BOS[2:])]
)
def test_two_bos_on_request_are_the_stock_classes_own(name, kind):
    if reason := ARCHITECTURES[name].reason_to_skip():
        pytest.skip(reason)
    outcome = ask(Cell(Prompts(name, "chat", "one", "single"), "shared", kind), double_bos=True)
    if kind == "generate":
        assert outcome.answers == outcome.expected
    else:
        assert [score for score, _ in outcome.answers] == pytest.approx(
            [score for score, _ in outcome.expected], rel=1e-4, abs=1e-4
        )
