"""How chats are rendered for a model: the arguments that reach its template, and what the results say of prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WithTemplateArguments:
    """Stands for a processor while a chat is rendered, and hands `arguments` (enable_thinking ...) to its template."""

    def __init__(self, processor: Any, arguments: Mapping[str, Any]) -> None:
        self._processor = processor
        self._arguments = dict(arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def apply_chat_template(self, chat: Any, **settings: Any) -> Any:
        """The processor's own rendering."""
        return self._processor.apply_chat_template(chat, **settings, **self._arguments)


def find_template(processor: Any) -> str | None:
    """The chat template that the processor renders with; None where it has none."""
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    if isinstance(template, Mapping):
        template = template.get("default") or next(iter(template.values()), None)
    return template


def find_unused_arguments(template: str, arguments: Mapping[str, Any]) -> list[str]:
    """Names of arguments that the template never mentions, so that they change nothing."""
    return sorted(name for name in arguments if name not in template)


def find_image_mark(processor: Any) -> str | None:
    """The text that the processor expands into an image's tokens; None where it does not say.

    It is not always the token of the configuration: Gemma 3 expands `<start_of_image>` into its image tokens.
    """
    mark = getattr(processor, "image_token", None)
    return None if mark is None else str(mark)
