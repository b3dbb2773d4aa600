"""A LLaVA checkpoint of the original code -> what transformers calls its settings, its tensors and its prompt.

Each fact has its source beside it, a file of a public repository: [LLaVA] is haotian-liu/LLaVA, [Med] is
microsoft/LLaVA-Med, [Huatuo] is FreedomIntelligence/HuatuoGPT-Vision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

IMAGE = "<image>"  # [LLaVA] llava/constants.py, DEFAULT_IMAGE_TOKEN


class ConversionError(ValueError):
    """A checkpoint that cannot be converted; the message names the file, setting or tensor and says what to do."""


@dataclass(frozen=True)
class Conversation:
    """How the original program writes its prompt.

    `template` renders the prompt. `has_special_tokens`: whether the original's tokenizer adds special tokens (a BOS).
    `always_pads`: whether images become squares even if `image_aspect_ratio` does not ask for it.
    """

    template: str
    has_special_tokens: bool = True
    always_pads: bool = False


# The images of a message first, then its text without marks and white space at its ends: [Med] llava/eval/model_vqa.py,
# [Huatuo] cli.py (insert_image_placeholder). A message that is a string is taken as written.
_WORDS = (
    "{%- macro words(content) -%}"
    "{%- if content is string -%}{{ content }}{%- else -%}"
    "{%- for part in content if part['type'] == 'image' -%}{{ '<image>\\n' }}{%- endfor -%}"
    "{{ content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('')"
    " | replace('<image>', '') | trim }}"
    "{%- endif -%}{%- endmacro -%}"
)

# [Med] and [LLaVA] llava/conversation.py: conv_mistral_instruct has style LLAMA_2, system "", sep "", sep2 "</s>".
_MISTRAL_INSTRUCT = (
    _WORDS + "{%- set state = namespace(system='') -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}"
    "{%- set state.system = '<<SYS>>\\n' ~ words(message['content']) ~ '\\n<</SYS>>\\n\\n' -%}"
    "{%- elif message['role'] == 'user' -%}"
    "{{ '[INST] ' ~ state.system ~ words(message['content']) ~ ' [/INST]' }}{%- set state.system = '' -%}"
    "{%- else -%}{{ ' ' ~ words(message['content']) ~ ' </s>' }}{%- endif -%}"
    "{%- endfor -%}"
)

# [LLaVA] llava/conversation.py: conv_vicuna_v1 has style TWO, sep " ", sep2 "</s>".
_VICUNA_V1 = (
    _WORDS + '{%- set state = namespace(system="A chat between a curious user and an artificial intelligence assistant.'
    " The assistant gives helpful, detailed, and polite answers to the user's questions.\") -%}"
    "{%- if messages[0]['role'] == 'system' -%}{%- set state.system = words(messages[0]['content']) -%}{%- endif -%}"
    "{{ state.system ~ ' ' }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}{{ 'USER: ' ~ words(message['content']) ~ ' ' }}"
    "{%- elif message['role'] == 'assistant' -%}{{ 'ASSISTANT: ' ~ words(message['content']) ~ '</s>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"
)

# [Huatuo] cli.py: preprocess_huatuo writes the prompt, tokenizer_image_token passes add_special_tokens=False, and
# get_image_tensors pads where `True or image_aspect_ratio == 'pad'`.
_HUATUO = (
    _WORDS + "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}{{ '<|user|>\\n' ~ (words(message['content']) | trim) ~ '\\n' }}"
    "{%- elif message['role'] == 'assistant' -%}{{ '<|assistant|>\\n' ~ words(message['content']) ~ ' \\n' }}"
    "{%- else -%}{{ raise_exception('HuatuoGPT-Vision was trained without system messages') }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}"
)

CONVERSATIONS: Mapping[str, Conversation] = {
    "mistral_instruct": Conversation(_MISTRAL_INSTRUCT),
    "vicuna_v1": Conversation(_VICUNA_V1),
    "huatuo": Conversation(_HUATUO, has_special_tokens=False, always_pads=True),
}


@dataclass(frozen=True)
class Layout:
    """The language model that a checkpoint's type means, and the prompt of the best known checkpoint of that type."""

    text_model: str
    conversation: str


LAYOUTS: Mapping[str, Layout] = {
    "llava_mistral": Layout("mistral", "mistral_instruct"),  # [Med] llava/model/language_model/llava_mistral.py
    "llava_qwen2": Layout("qwen2", "huatuo"),  # [Huatuo] llava/model/language_model/llava_qwen2.py
    "llava_llama": Layout("llama", "vicuna_v1"),  # [LLaVA] llava/model/language_model/llava_llama.py
}

# openai/clip-vit-large-patch14-336, as transformers' LlavaConfig has it by default, and its sibling for 224 pixels.
_CLIP_LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
KNOWN_TOWERS: Mapping[str, Mapping[str, Any]] = {
    "clip-vit-large-patch14-336": {**_CLIP_LARGE, "image_size": 336},
    "clip-vit-large-patch14": {**_CLIP_LARGE, "image_size": 224},
}

TOWER = "model.vision_tower.vision_tower."  # the wrapper CLIPVisionTower holds a CLIPVisionModel of the same name
PROJECTOR = "model.mm_projector."
# In transformers' names of LLaVA checkpoints on the hub (llava-hf/llava-1.5-7b-hf), which every release reads.
_RENAMED = (
    (TOWER + "vision_model.", "vision_tower.vision_model."),
    (PROJECTOR + "0.", "multi_modal_projector.linear_1."),  # [LLaVA] multimodal_projector/builder.py: Linear,
    (PROJECTOR + "2.", "multi_modal_projector.linear_2."),  # GELU, Linear
    ("model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
_COMPUTED = (".rotary_emb.inv_freq", ".embeddings.position_ids")  # buffers that old releases saved; now computed


def is_computed(name: str) -> bool:
    """Whether this tensor is a table that every release computes by itself."""
    return name.endswith(_COMPUTED)


def rename(name: str) -> str:
    """The name in transformers' layout of a tensor of the original. Raises ConversionError if it has none."""
    for old, new in _RENAMED:
        if name.startswith(old):
            return new + name.removeprefix(old)
    raise ConversionError(f"tensor {name}: no rule says what it is called in transformers")


def find_layout(config: Mapping[str, Any]) -> Layout:
    """The layout that this config.json names. Raises ConversionError if it names none, or cannot be converted."""
    kind = str(config.get("model_type"))
    if kind == "llava" and "text_config" in config:
        raise ConversionError(
            "config.json: already in transformers' layout; give this folder to --model vrs-hf as it is"
        )
    if kind == "llava" and "LlavaLlamaForCausalLM" in (config.get("architectures") or ()):
        kind = "llava_llama"  # what the first checkpoints of LLaVA-1.5 called themselves
    if kind not in LAYOUTS:
        raise ConversionError(f"config.json: model_type is {kind!r}; only {', '.join(LAYOUTS)} are converted")
    _refuse_other_models(config)
    return LAYOUTS[kind]


def _refuse_other_models(config: Mapping[str, Any]) -> None:
    """Raises ConversionError if a setting makes the model compute something that LLaVA-1.5 does not compute."""
    projector = config.get("mm_projector_type", "linear")  # the default: [LLaVA] multimodal_projector/builder.py
    aspect = config.get("image_aspect_ratio")
    feature = config.get("mm_vision_select_feature", "patch")
    for key, is_wrong, advice in (
        ("quantization_config", bool(config.get("quantization_config")), "convert the checkpoint that was quantised"),
        ("mm_projector_type", projector != "mlp2x_gelu", "transformers' LLaVA has mlp2x_gelu only"),
        ("mm_resampler_type", bool(config.get("mm_resampler_type")), "transformers' LLaVA has no resampler"),
        ("mm_use_im_start_end", bool(config.get("mm_use_im_start_end")), "its prompt has marks around the image"),
        ("s2", bool(config.get("s2")), "transformers' LLaVA reads one scale"),
        ("mm_vision_select_feature", feature not in ("patch", "cls_patch"), "known are patch and cls_patch"),
        ("mm_vision_select_layer", not isinstance(config.get("mm_vision_select_layer", -2), int), "one layer is read"),
        ("mm_vision_tower", not config.get("mm_vision_tower"), "the checkpoint has no vision tower"),
        (
            "image_aspect_ratio",
            isinstance(aspect, str) and aspect.startswith("anyres"),
            "this is LLaVA-NeXT, of which transformers' own checkpoints are on the hub (llava-hf/llava-v1.6-...)",
        ),
    ):
        if is_wrong:
            raise ConversionError(f"config.json: {key} is {config.get(key)!r}, which is not converted; {advice}")


def pads_to_square(config: Mapping[str, Any], conversation: Conversation) -> bool:
    """Whether the original pads images with the mean colour: [LLaVA] llava/mm_utils.py, process_images."""
    return conversation.always_pads or config.get("image_aspect_ratio") == "pad"
