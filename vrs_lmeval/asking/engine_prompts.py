"""Rendered prompts with images -> prompts as vLLM takes them, and the tokens of options after them.

They are those of the harness's `vllm-vlm`, but for three things: a rendered chat that begins with the BOS token gets no
second one (`double_bos` keeps both), chat templates get their arguments, and without a template `<image>` becomes the
mark that the processor expands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.models.hf_vlms import DEFAULT_IMAGE_PLACEHOLDER
from lm_eval.models.utils import replace_placeholders, resize_image
from PIL import Image

from vrs_lmeval.asking.chat_prompts import find_image_mark


class EnginePrompts:
    """Writes the prompts of `lm` (a `VLLM_VLM`), whose engine's own tokenizer counts."""

    def __init__(self, lm: Any, double_bos: bool = False) -> None:
        self._lm = lm
        self._double_bos = double_bos
        self._tokenizer = lm.model.get_tokenizer()
        self._mark = find_image_mark(lm.processor) or DEFAULT_IMAGE_PLACEHOLDER
        self.bos_dropped = False

    @property
    def chat_applied(self) -> bool:
        """Whether prompts went through the chat template."""
        return bool(self._lm.chat_applied)

    def write(self, text: str, images: Sequence[Image.Image], path: Sequence[int] = ()) -> dict[str, Any]:
        """The prompt, followed by the tokens of `path`; images are decoded where their size is to change."""
        lm, text = self._lm, self._put_marks(text)
        prompt: dict[str, Any] = {"prompt": text}
        if path or self._has_bos(text):
            prompt = {"prompt_token_ids": [*self._encode(text), *path]}
        if images:
            sizes = (lm.image_width, lm.image_height, lm.image_max_side)
            shown = [resize_image(image, *sizes) for image in images[: lm.max_images]]
            prompt["multi_modal_data"] = {"image": shown}
        return prompt

    def find_option_tokens(self, text: str, options: Sequence[str]) -> list[list[int]]:
        """Each option's own tokens: those that prompt and option together add to the prompt's.

        Raises ValueError for an option that adds none.
        """
        text = self._put_marks(text)
        ids = self._encode(text)
        found = []
        for option in options:
            whole = self._encode(text + option)
            goes_on = whole[: len(ids)] == ids
            own = whole[len(ids) :] if goes_on else self._tokenizer.encode(option, add_special_tokens=False)
            if not own:
                raise ValueError(f"option {option!r} adds no token to its prompt, so it has no log-likelihood")
            found.append(list(own))
        return found

    def _put_marks(self, text: str) -> str:
        if self.chat_applied or self._mark == DEFAULT_IMAGE_PLACEHOLDER:
            return text
        marked: str = replace_placeholders(text, DEFAULT_IMAGE_PLACEHOLDER, self._mark, self._lm.max_images)
        return marked

    def _encode(self, text: str) -> list[int]:
        has_bos = self._has_bos(text)
        self.bos_dropped |= has_bos
        return list(self._tokenizer.encode(text, add_special_tokens=not has_bos))

    def _has_bos(self, text: str) -> bool:
        bos = getattr(self._tokenizer, "bos_token", None)
        return bool(bos and self.chat_applied and not self._double_bos and text.startswith(bos))


def describe_settings(lm: Any) -> dict[str, Any]:
    """What, besides the request, decides how it is written and how its answer is read: for the key of kept answers."""
    names = ("max_images", "interleave", "image_width", "image_height", "image_max_side", "think_end_token")
    return {name: getattr(lm, name) for name in (*names, "max_gen_toks", "add_bos_token")}
