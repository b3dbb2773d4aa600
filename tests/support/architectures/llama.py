"""Meta's: Llama 4, whose text attends in chunks, and Mllama (Llama 3.2 Vision), whose text attends to the image."""

from __future__ import annotations

import transformers as hf
from support.architectures.parts import (
    PATCH,
    SIDE,
    Architecture,
    Parts,
    build,
    describe_text,
    image_processor,
    make_tokenizer,
)
from support.architectures.templates import BOS, chat

SQUARE = {"height": SIDE, "width": SIDE}


def llama4() -> Parts:
    """Llama 4: tiles with marks, experts, and layers that attend in chunks."""
    own = ["<|image|>", "<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>"]
    roles = ["<|header_start|>", "<|header_end|>"]
    tokenizer = make_tokenizer([*own, *roles], bos="<|begin_of_text|>", eos="<|eot|>")
    processor = hf.Llama4Processor(
        image_processor=hf.Llama4ImageProcessor(size=SQUARE, max_patches=4),
        tokenizer=tokenizer,
        patch_size=PATCH,
        chat_template=chat(
            "<|image|>",
            "<|header_start|>user<|header_end|>\\n\\n",
            "<|header_start|>assistant<|header_end|>\\n\\n",
            user_end="<|eot|>",
            begin=BOS,
        ),
    )
    config = hf.Llama4Config(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 128,
            "vision_output_dim": 32,
            "image_size": SIDE,
            "patch_size": PATCH,
            "projector_input_dim": 32,
            "projector_output_dim": 32,
        },
        text_config=describe_text(
            tokenizer,
            head_dim=16,
            intermediate_size_mlp=64,
            num_local_experts=2,
            attention_chunk_size=1024,
            no_rope_layer_interval=2,
        ),
        boi_token_index=tokenizer.convert_tokens_to_ids("<|image_start|>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<|image_end|>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<|patch|>"),
    )
    return build(hf.Llama4ForConditionalGeneration, config, processor, embedding=0.05)


def mllama() -> Parts:
    """Mllama: the image is no token; layers between attend to its states."""
    own = ["<|image|>", "<|python_tag|>", "<|start_header_id|>", "<|end_header_id|>"]
    tokenizer = make_tokenizer(own, bos="<|begin_of_text|>", eos="<|eot_id|>")
    processor = hf.MllamaProcessor(
        image_processor=image_processor("MllamaImageProcessor", size=SQUARE, max_image_tiles=4),
        tokenizer=tokenizer,
        chat_template=chat(
            "<|image|>",
            "<|start_header_id|>user<|end_header_id|>\\n\\n",
            "<|start_header_id|>assistant<|end_header_id|>\\n\\n",
            user_end="<|eot_id|>",
            begin=BOS,
            text="content['text'] | trim",
        ),
    )
    image = tokenizer.convert_tokens_to_ids("<|image|>")
    config = hf.MllamaConfig(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "intermediate_size": 64,
            "vision_output_dim": 64,
            "intermediate_layers_indices": [0],
            "image_size": SIDE,
            "patch_size": PATCH,
            "max_num_tiles": 4,
        },
        text_config=describe_text(
            tokenizer,
            num_hidden_layers=3,
            cross_attention_layers=[1],
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        image_token_index=image,
    )
    return build(hf.MllamaForConditionalGeneration, config, processor)


LLAMA_FAMILY = {
    # 5.24.0: 'MoeCausalLMOutputWithPast' object has no attribute 'image_outputs'
    "llama4": Architecture("Llama 4", llama4, "<|image|>", needs=("torchvision",), fails_in=("5.24.0",)),
    "mllama": Architecture(
        "Llama 3.2 Vision", mllama, "<|image|>", why_plain="attends to the image beside the text", sees_batch=True
    ),
}
