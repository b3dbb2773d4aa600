"""The model, of stock transformers classes alone: a FastVLM with timm's EfficientNet-lite0 as tower and a small Llama.

FastVLM is LLaVA for convolutional towers: each cell of the tower's last feature map becomes an image token, through
LLaVA's projector. So `lm_eval --model vrs-hf` loads the saved folder by name, and nothing has to be registered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    FastVlmConfig,
    FastVlmForConditionalGeneration,
    LlamaConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    TimmWrapperConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from studies.miniature.configuration import Sizes

ARCHITECTURE = "tf_efficientnet_lite0"  # timm's name of the network that the package's weights are of
TOWER_WIDTH, STRIDE, SIDE = 1280, 32, 224
GRID = SIDE // STRIDE
MEAN, STD = 127 / 255, 128 / 255  # what these weights were trained with: (level - 127) / 128

PAD, EOS, UNKNOWN, IMAGE = "<pad>", "</s>", "<unk>", "<image>"
SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
"""The instructions of the vrs_* tasks. Each is one token: its words tell nothing, and cost time."""

INITIAL_SPREAD = 0.08
"""Of random weights: about 1 / sqrt(128). With transformers' usual .02, meant for wide models, the loss fell about half
as fast."""

RARE = 2
"""Words that training's text holds fewer times are `<unk>`, so that the model learns to meet words it does not know."""


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """One token a word or mark, in lower case; `texts` give the vocabulary."""
    words = Counter(word for text in texts for word in split_words(text))
    kept = sorted({word for word, count in words.items() if count >= RARE} | {"a", "b", ".", "yes", "no"})
    vocabulary = {token: number for number, token in enumerate([PAD, EOS, UNKNOWN, IMAGE, *kept])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = PRE_TOKENIZER
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in (SHORT, LETTER)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        model_max_length=1024,
        model_input_names=["input_ids", "attention_mask"],  # else token_type_ids, which no LLaVA takes
        clean_up_tokenization_spaces=False,
    )


PRE_TOKENIZER = pre_tokenizers.Split(Regex(r"\w+(?:[-'.]\w+)*|[^\w\s]"), "removed", invert=True)
"""Words keep the marks inside them: "x-ray" in three tokens would be written with spaces, and be another answer."""


def split_words(text: str) -> list[str]:
    """The words and marks that the tokenizer sees."""
    return [word for word, _ in PRE_TOKENIZER.pre_tokenize_str(text.lower())]


def build_image_processor() -> CLIPImageProcessorPil:
    """Resize the shorter side to 224, crop the centre, normalise as the tower was trained."""
    return CLIPImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """A prompt's image mark becomes one token a cell of the feature map."""
    return LlavaProcessor(
        image_processor=build_image_processor(),
        tokenizer=tokenizer,
        patch_size=STRIDE,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, sizes: Sizes) -> FastVlmForConditionalGeneration:
    """Random weights from torch's global seed, the tower's too."""
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=3 * sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=False,
        initializer_range=INITIAL_SPREAD,
    )
    vision = TimmWrapperConfig(
        architecture=ARCHITECTURE, hidden_size=TOWER_WIDTH, do_pooling=False, num_labels=0, label_names=[]
    )
    config = FastVlmConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=GRID**2,
        tie_word_embeddings=False,
        initializer_range=INITIAL_SPREAD,
    )
    model = FastVlmForConditionalGeneration(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model
