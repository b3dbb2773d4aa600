"""A request of the harness -> chat messages as OpenAI's servers read them: text and images in the prompt's order."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.models.api_models import JsonChatStr
from lm_eval.models.hf_vlms import DEFAULT_IMAGE_PLACEHOLDER
from PIL import Image

from vrs_lmeval.asking.seams import Request


@dataclass(frozen=True, slots=True)
class Chat:
    """Messages in which each image is still a mark, and the images; none of them is decoded yet."""

    messages: Sequence[dict[str, Any]]
    images: Sequence[Image.Image]

    def show(self, urls: Sequence[str]) -> list[dict[str, Any]]:
        """The messages with their images, one URL each."""
        *before, last = self.messages
        return [*before, {**last, "content": place_images(last["content"], urls)}]


def read_chat(request: Request) -> Chat:
    """What a request asks. Raises ValueError for a prompt that is no chat, or whose marks are not its images."""
    prompt, _, *beside = request.args
    if not isinstance(prompt, JsonChatStr):
        raise ValueError(f"{request.task_name}: chat servers are sent chats: pass --apply_chat_template")
    messages = [
        {key: value for key, value in message.items() if key != "type"} for message in json.loads(prompt.prompt)
    ]
    images = beside[0]["visual"] if beside else []
    chat = Chat(messages, images)
    chat.show([""] * len(images))
    return chat


def place_images(text: str, urls: Sequence[str]) -> str | list[dict[str, Any]]:
    """The parts of a message: each image where its mark stood, no mark left; the bare text where there is no image.

    Raises ValueError where marks and images are not equally many.
    """
    if not urls:
        return text
    texts = [part.strip("\n") for part in text.split(DEFAULT_IMAGE_PLACEHOLDER)]
    if len(texts) != len(urls) + 1:
        raise ValueError(f"the prompt has {len(texts) - 1} marks {DEFAULT_IMAGE_PLACEHOLDER} for {len(urls)} images")
    parts: list[dict[str, Any]] = []
    for place, part in enumerate(texts):
        if place:
            parts.append({"type": "image_url", "image_url": {"url": urls[place - 1]}})
        if part.strip():
            parts.append({"type": "text", "text": part})
    return parts


def encode_image(image: Image.Image) -> str:
    """A data URL: PNG, which loses nothing."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
