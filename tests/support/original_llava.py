"""LLaVA checkpoints of some thousand random weights in the layout of the original code, and a twin that computes them.

The twin is written after the original's forward pass: text is tokenised in parts around the image mark, the tower's
last hidden state but one goes without its class token through Linear, GELU, Linear, and stands between the embeddings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoProcessor,
    AutoTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

SIDE, PATCH = 32, 8
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
VISION = {**SIZES, "num_attention_heads": 2, "num_hidden_layers": 3, "image_size": SIDE, "patch_size": PATCH}
SPARE_ROWS = 9
KINDS = {
    # model_type: (class, configuration, settings of its own, rows of the embedding beyond the tokenizer)
    "llava_mistral": (MistralForCausalLM, MistralConfig, {"num_key_value_heads": 2, "sliding_window": None}, 0),
    "llava_qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config,
        {"num_key_value_heads": 2, "use_sliding_window": False, "sliding_window": 131072, "max_window_layers": 2},
        SPARE_ROWS,
    ),
    "llava_llama": (LlamaForCausalLM, LlamaConfig, {"num_key_value_heads": 4}, 0),
}
ROPE_THETA = 500.0  # not the default, so that a lost setting changes the logits
TOWER = "vit/clip_vit_tiny_patch8_32"


@dataclass
class Original:
    """A checkpoint in memory: its parts, and the folder it was written to."""

    folder: Path
    kind: str
    tower: Any
    projector: Any
    language: Any
    tokenizer: Any

    def read_prompt(self, prompt: str) -> list[list[int]]:
        """The tokens of each part around the image marks: mm_utils.tokenizer_image_token, or Huatuo's."""
        special = self.kind != "llava_qwen2"
        parts = [self.tokenizer(part, add_special_tokens=special).input_ids for part in prompt.split("<image>")]
        return [parts[0], *(part[1:] if special else part for part in parts[1:])]

    def see(self, image: Image.Image) -> torch.Tensor:
        """Pixel values (1, 3, SIDE, SIDE) of an RGB image put on a square of the mean colour."""
        edge = max(image.size)
        square = Image.new("RGB", (edge, edge), tuple(int(255 * value) for value in MEAN))
        square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
        pixels = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255
        return torch.tensor(((pixels - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1))[None].float()

    @torch.no_grad()
    def compute_logits(self, prompt: str, pixels: torch.Tensor, further: list[int] | None = None) -> torch.Tensor:
        """Logits (length, rows) of the prompt with one image, given as what `see` makes of it, and further tokens."""
        before, after = self.read_prompt(prompt)
        hidden = self.tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        first, _, second = self.projector
        features = second(torch.nn.functional.gelu(first(hidden)))
        embed = self.language.model.embed_tokens
        parts = [embed(torch.tensor([before])), features, embed(torch.tensor([after + (further or [])]))]
        return self.language(inputs_embeds=torch.cat(parts, dim=1)).logits[0]


def make_original(folder: Path, kind: str, form: str = "safetensors", shards: int = 3, **settings: Any) -> Original:
    """Write a checkpoint as the original's save_pretrained does; `settings` replace those of its config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = save_byte_tokenizer(folder) if kind == "llava_qwen2" else save_sentencepiece_tokenizer(folder)
    model_class, config_class, own, spare = KINDS[kind]
    rows = len(tokenizer) + spare
    text = {**SIZES, **own, "num_hidden_layers": 2, "vocab_size": rows, "max_position_embeddings": 2048}
    text |= {"rms_norm_eps": 1e-5, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text |= {"tie_word_embeddings": False}
    torch.manual_seed(0)
    rope = {"rope_type": "default", "rope_theta": ROPE_THETA}
    language = model_class(config_class(**text, rope_parameters=rope)).eval()
    tower = CLIPVisionModel(CLIPVisionConfig(**VISION)).eval()
    width = text["hidden_size"]
    projector = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.GELU(), torch.nn.Linear(width, width))
    with torch.no_grad():  # larger weights than usual, so that the answer depends on image and question
        for part in (language, tower, projector):
            for weight in part.parameters():
                weight.normal_(0, 0.4)
    original = Original(folder, kind, tower, projector, language, tokenizer)
    written = {
        "model_type": kind,
        "architectures": ["LlavaForCausalLM"],
        **text,
        "rope_theta": ROPE_THETA,
        "hidden_act": "silu",
        "torch_dtype": "float32",
        "transformers_version": "4.36.2",
        "use_cache": True,
        "freeze_mm_mlp_adapter": False,
        "image_aspect_ratio": "pad",
        "mm_hidden_size": VISION["hidden_size"],
        "mm_projector_type": "mlp2x_gelu",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": f"./{TOWER}",
        "tokenizer_model_max_length": 2048,
        "tune_mm_mlp_adapter": False,
        "use_mm_proj": True,
    }
    write_json(folder / "config.json", written | settings)
    save_tower_settings(folder / TOWER)
    save_shards(folder, name_tensors(original), form, shards)
    return original


def name_tensors(original: Original) -> dict[str, torch.Tensor]:
    """Every tensor under its name in the original, with the buffers that its releases of transformers saved."""
    tensors = {name: value.clone() for name, value in original.language.state_dict().items()}
    for name, value in original.tower.state_dict().items():
        inner = name.removeprefix("vision_model.")
        tensors[f"model.vision_tower.vision_tower.vision_model.{inner}"] = value.clone()
    for name, value in original.projector.state_dict().items():
        tensors[f"model.mm_projector.{name}"] = value.clone()
    positions = torch.arange((SIDE // PATCH) ** 2 + 1)[None]
    tensors["model.vision_tower.vision_tower.vision_model.embeddings.position_ids"] = positions
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    return tensors


def save_shards(folder: Path, tensors: dict[str, torch.Tensor], form: str, shards: int) -> None:
    """`form` is "safetensors" or "bin"; one shard has no index."""
    stem = {"safetensors": "model", "bin": "pytorch_model"}[form]
    names = list(tensors)
    files = {}
    for number in range(shards):
        file = f"{stem}.{form}" if shards == 1 else f"{stem}-{number + 1:05}-of-{shards:05}.{form}"
        part = {name: tensors[name] for name in names[number::shards]}
        files |= dict.fromkeys(part, file)
        save_file(part, folder / file, {"format": "pt"}) if form == "safetensors" else torch.save(part, folder / file)
    if shards > 1:
        write_json(folder / f"{stem}.{form}.index.json", {"metadata": {}, "weight_map": files})


def save_tower_settings(folder: Path) -> None:
    """What a CLIP checkpoint says of its vision tower and its images."""
    folder.mkdir(parents=True)
    vision = VISION | {"model_type": "clip_vision_model", "projection_dim": 16}
    write_json(folder / "config.json", {"model_type": "clip", "vision_config": vision, "text_config": {}})
    images = {"crop_size": SIDE, "size": SIDE, "do_center_crop": True, "do_normalize": True, "do_resize": True}
    images |= {"feature_extractor_type": "CLIPFeatureExtractor", "image_mean": MEAN, "image_std": STD, "resample": 3}
    write_json(folder / "preprocessor_config.json", images)


def save_sentencepiece_tokenizer(folder: Path) -> Any:
    """Like Llama's and Mistral's: a prefix space before each text, bytes for unknown characters, a BOS."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]/?.,:'()-"
    merges = [("▁", "W"), ("▁", "["), ("I", "N"), ("S", "T"), ("IN", "ST"), ("▁", "▁"), ("e", "r"), ("▁", "a")]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *letters]
    tokens += [first + second for first, second in merges]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    strip = decoders.Strip(content=" ", left=1, right=0)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": True, "padding_side": "right", **marks}
    write_json(folder / "tokenizer_config.json", settings | {"model_max_length": 2048, "add_bos_token": True})
    return AutoTokenizer.from_pretrained(folder, config=LlamaConfig())


def save_byte_tokenizer(folder: Path) -> Any:
    """Like Qwen2's: bytes, no BOS."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*alphabet, "er", "Ġa"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("e", "r"), ("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": marks[0], "pad_token": marks[0]}
    write_json(folder / "tokenizer_config.json", settings | {"model_max_length": 2048})
    return AutoTokenizer.from_pretrained(folder, config=Qwen2Config())


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def load_processor(folder: Path) -> Any:
    """The converted processor, its images by Pillow as in the original, also where torchvision is installed."""
    processor = AutoProcessor.from_pretrained(folder)
    pads = getattr(processor.image_processor, "do_pad", False)
    processor.image_processor = (LlavaImageProcessorPil if pads else CLIPImageProcessorPil).from_pretrained(folder)
    return processor


def make_image(width: int = 50, height: int = 21) -> Image.Image:
    """Noise, RGB, the same for the same size."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


def write_original_prompt(kind: str, turns: list[tuple[str, str | None]], system: str | None = None) -> str:
    """The original's prompt of turns (question, answer), the last answer None: its conversation code, written again."""
    if kind == "llava_mistral":  # SeparatorStyle.LLAMA_2 with sep "" and sep2 "</s>"
        prompt = ""
        for number, (question, answer) in enumerate(turns):
            start = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if system and number == 0 else ""
            prompt += f"[INST] {start}{question} [/INST]" + (f" {answer} </s>" if answer else "")
        return prompt
    if kind == "llava_llama":  # SeparatorStyle.TWO with sep " " and sep2 "</s>"
        default = (
            "A chat between a curious user and an artificial intelligence assistant. "
            "The assistant gives helpful, detailed, and polite answers to the user's questions."
        )
        prompt = (system or default) + " "
        for question, answer in turns:
            prompt += f"USER: {question} ASSISTANT:" + (f" {answer}</s>" if answer else "")
        return prompt
    prompt = ""  # HuatuoChatbot.preprocess_huatuo
    for question, answer in turns:
        prompt += f"<|user|>\n{question}\n" + (f"<|assistant|>\n{answer} \n" if answer else "<|assistant|>\n")
    return prompt


def write_messages(turns: list[tuple[str, str | None]]) -> list[dict[str, Any]]:
    """The same turns as a chat, images as parts of their own."""
    messages = []
    for question, answer in turns:
        images = [{"type": "image"}] * question.count("<image>\n")
        text = {"type": "text", "text": question.replace("<image>\n", "")}
        messages.append({"role": "user", "content": [*images, text]})
        if answer:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages
