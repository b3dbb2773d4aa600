"""The models `vrs-api` and `vrs-openai`: the harness's own chat classes, images at their places and in our order."""

from __future__ import annotations

from collections.abc import Sequence

from lm_eval.models.openai_completions import LocalChatCompletion, OpenAIChatCompletion

from vrs_lmeval.asking.chat_messages import write_request
from vrs_lmeval.asking.image_order import InImageOrder
from vrs_lmeval.asking.seams import Request


class WithImagesInMessages(InImageOrder):
    """Before a chat class of the harness, which puts one image before the text and leaves its mark in it."""

    def _try_without_images(self, requests: Sequence[Request]) -> dict[int, str]:
        """None is tried: chat servers take texts, and what one refuses is a fault of the server."""
        return {}

    def _ask(self, requests: list[Request], disable_tqdm: bool) -> list[str]:
        return super()._ask([write_request(request) for request in requests], disable_tqdm)


class VrsAPI(WithImagesInMessages, LocalChatCompletion):  # type: ignore[misc] # lm_eval ships no types
    """`local-chat-completions` for VRS tasks: any server with OpenAI's chat completions."""


class VrsOpenAI(WithImagesInMessages, OpenAIChatCompletion):  # type: ignore[misc] # lm_eval ships no types
    """`openai-chat-completions` for VRS tasks."""
