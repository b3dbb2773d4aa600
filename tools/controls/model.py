"""The tiny LLaVA: its word tokenizer, its processor and its configuration, all stock transformers classes."""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tools.sample.plan import QUOTAS
from tools.sample.questions import QUESTIONS

SIDE, PATCH = 96, 12  # 8 x 8 image tokens; a mark of the sample covers one patch
WIDTH = 128
VISION_LAYERS, TEXT_LAYERS, HEADS = 4, 3, 4
PAD, EOS, UNKNOWN, IMAGE = "<pad>", "</s>", "<unk>", "<image>"
INSTRUCTION = "Answer the question using a single word or phrase."
# OpenAI CLIP's own statistics, as LLaVA uses them.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# Renders a chat message as its bare text, so that --apply_chat_template changes nothing.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}"
)


def write_prompt(question: str) -> str:
    """The prompt of the vrs_* tasks, exactly."""
    return f"{IMAGE}\n{question}\n{INSTRUCTION}"


def split_words(text: str) -> list[str]:
    """Lower-case words and punctuation marks, as the tokenizer splits them."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; the vocabulary is that of the sample's questions, answers and the instruction."""
    texts = [question.text for question in QUESTIONS.values()]
    texts += [answer for quota in QUOTAS.values() for answer in quota]
    words = sorted({word for text in [*texts, INSTRUCTION] for word in split_words(text)})
    vocabulary = {token: number for number, token in enumerate([PAD, EOS, UNKNOWN, IMAGE, *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), "removed", invert=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        model_max_length=2048,
        # Without this it would also return token_type_ids, which LLaVA's forward does not take.
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Resize the shorter side, crop the centre, scale and normalise: CLIP's steps at a small size."""
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=list(CLIP_MEAN),
        image_std=list(CLIP_STD),
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which "default" then leaves out
        chat_template=CHAT_TEMPLATE,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Random weights from torch's global seed."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=VISION_LAYERS,
        num_attention_heads=HEADS,
        image_size=SIDE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=False,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    return LlavaForConditionalGeneration(config)
