"""The tiny models of the matrix: saved and loaded they are the same, and their prompts have the official form."""

import pytest
import torch
from support.architectures import ARCHITECTURES
from support.stores import gradient
from transformers import AutoModelForImageTextToText, AutoProcessor

pytestmark = pytest.mark.models

TEXT = "what is this?"

RENDERED = {
    "llava": "USER: <image>\nwhat is this? ASSISTANT:",
    "llava_next": "[INST] <image>\nwhat is this? [/INST]",
    "qwen3_vl": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>what is this?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "gemma3": "<bos><start_of_turn>user\n<start_of_image>what is this?<end_of_turn>\n<start_of_turn>model\n",
    "idefics2": "User:<image>what is this?<end_of_utterance>\nAssistant:",
    "mllama": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|image|>what is this?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "pixtral": "<s>[INST][IMG]what is this?[/INST]",
}


@pytest.fixture(params=ARCHITECTURES)
def architecture(request):
    chosen = ARCHITECTURES[request.param]
    if reason := chosen.reason_to_skip():
        pytest.skip(reason)
    return chosen


def render(architecture, processor, **settings):
    if not architecture.has_template:
        return architecture.mark + TEXT
    content = [{"type": "image"}, {"type": "text", "text": TEXT}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True, **settings)


def encode(architecture, processor, image):
    inputs = processor(text=[render(architecture, processor)], images=[[image]], return_tensors="pt")
    inputs.pop("labels", None)  # PaliGemma's processor adds them
    return inputs.to(torch.float32)  # Llama 4's processor gives bfloat16


@torch.inference_mode()
def test_what_is_saved_is_loaded_again(architecture, tmp_path):
    model, processor = architecture.make()
    architecture.save(tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)
    assert [type(each) for each in loaded] == [type(model), type(processor)]
    ours, theirs = (encode(architecture, each, gradient(40, 60)) for each in (processor, loaded[1]))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    torch.testing.assert_close(model(**ours).logits, loaded[0](**theirs).logits, rtol=1e-5, atol=1e-4)
    assert render(architecture, processor).count(architecture.mark) == 1
    assert sum(weight.numel() for weight in model.parameters()) < 310_000, "too large to be quick"


@torch.inference_mode()
def test_another_image_gives_other_logits(architecture):
    model, processor = architecture.make()
    one, other = (
        model(**encode(architecture, processor, image)).logits[0, -1].log_softmax(-1)
        for image in (gradient(40, 60), gradient(40, 60).rotate(180))
    )
    assert (one - other).abs().max() > 0.1


@pytest.mark.parametrize("name", RENDERED)
def test_prompts_have_the_official_form(name):
    architecture = ARCHITECTURES[name]
    if reason := architecture.reason_to_skip():
        pytest.skip(reason)
    assert render(architecture, architecture.make()[1]) == RENDERED[name]


@pytest.mark.parametrize("name", [name for name, each in ARCHITECTURES.items() if each.opens_thought])
def test_thoughts_are_open_unless_switched_off(name):
    architecture = ARCHITECTURES[name]
    if reason := architecture.reason_to_skip():
        pytest.skip(reason)
    processor = architecture.make()[1]
    assert render(architecture, processor).rstrip().endswith("<think>")
    assert render(architecture, processor, enable_thinking=False).rstrip().endswith("</think>")
