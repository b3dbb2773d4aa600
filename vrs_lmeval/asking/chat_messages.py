"""A request of the harness -> one chat message as OpenAI's servers read it: text and images in the prompt's order."""

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
class ChatRequest:
    """A request whose images are in its messages, so that the harness sends it as a text."""

    args: tuple[Any, ...]
    task_name: str | None
    doc_id: int | None


def write_request(request: Request) -> Request:
    """The request with its images in its last message. Raises ValueError for a prompt that is no chat."""
    prompt, settings, *beside = request.args
    if not beside:
        return request
    if not isinstance(prompt, JsonChatStr):
        raise ValueError("chat servers are sent chats: pass --apply_chat_template")
    messages = [
        {key: value for key, value in message.items() if key != "type"} for message in json.loads(prompt.prompt)
    ]
    messages[-1]["content"] = place_images(messages[-1]["content"], beside[0]["visual"])
    text = JsonChatStr(json.dumps(messages, ensure_ascii=False))
    return ChatRequest((text, settings), request.task_name, request.doc_id)


def place_images(text: str, images: Sequence[Image.Image]) -> str | list[dict[str, Any]]:
    """The parts of a message: each image where its mark stood, no mark left; the bare text where there is no image.

    Raises ValueError where marks and images are not equally many.
    """
    if not images:
        return text
    texts = [part.strip("\n") for part in text.split(DEFAULT_IMAGE_PLACEHOLDER)]
    if len(texts) != len(images) + 1:
        raise ValueError(f"the prompt has {len(texts) - 1} marks {DEFAULT_IMAGE_PLACEHOLDER} for {len(images)} images")
    parts: list[dict[str, Any]] = []
    for place, part in enumerate(texts):
        if place:
            parts.append({"type": "image_url", "image_url": {"url": encode_image(images[place - 1])}})
        if part.strip():
            parts.append({"type": "text", "text": part})
    return parts


def encode_image(image: Image.Image) -> str:
    """A data URL: PNG, which loses nothing."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
