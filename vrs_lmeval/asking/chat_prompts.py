"""How prompts are written for a model: what reaches its chat template, what to warn of, and what the results say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from vrs_lmeval.asking.seams import Processor
from vrs_lmeval.reading.thoughts import find_open_thought

logger = logging.getLogger(__name__)

NOT_APPLIED = "not applied"
"""What the results say if the model has a chat template, but its prompts did not go through it."""


ROOM_TO_THINK = {
    "vrs-hf": "thought_tokens=N for room to think",
    "vrs-vllm": "think_end_token=... and --gen_kwargs max_gen_toks=N for room to think",
}
"""What to say to each model class so that a thought is not read as the answer."""


class _WithTemplateArguments:
    """Stands for a processor while a chat is rendered, and hands `arguments` (enable_thinking ...) to its template."""

    def __init__(self, processor: Processor, arguments: Mapping[str, Any]) -> None:
        self._processor = processor
        self._arguments = dict(arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def apply_chat_template(self, chat: Any, **settings: Any) -> Any:
        """The processor's own rendering."""
        return self._processor.apply_chat_template(chat, **settings, **self._arguments)


@contextmanager
def hand_template_arguments(model: Any, arguments: Mapping[str, Any]) -> Iterator[None]:
    """While a chat is rendered, the `processor` of a class of lm_eval hands `arguments` to its template, too."""
    processor = model.processor
    model.processor = _WithTemplateArguments(processor, arguments)
    try:
        yield
    finally:
        model.processor = processor


class PromptNotes:
    """Collects what is noticed about the prompts of a run, and warns once about each thing.

    `ours` and `theirs`: the names of our model class, and of the harness's class that it follows.
    """

    def __init__(
        self,
        processor: Processor,
        double_bos: bool,
        thought_tokens: int,
        ours: str = "vrs-hf",
        theirs: str = "hf-multimodal",
    ) -> None:
        self._ours, self._theirs = ours, theirs
        self._template = find_template(processor)
        self._open_thought: str | None = None
        self._told: set[str] = set()
        self.double_bos, self.thought_tokens = double_bos, thought_tokens

    def look_at(self, prompts: Sequence[str], chat_applied: bool, expects_text: bool) -> None:
        """Warn of whatever makes the answers less reliable than they look.

        Raises ValueError if options are to be scored after a prompt that ends in an open thought.
        """
        if self._template and not chat_applied:
            self._warn(
                "this model has a chat template and was trained on prompts in it; these are bare. Pass "
                "--apply_chat_template unless that is meant"
            )
        self._open_thought = next(filter(None, map(find_open_thought, prompts)), None)
        if self._open_thought and not expects_text:
            raise ValueError(
                f"{self._open_thought} ends the rendered prompt, so an option's letter would be scored as the first "
                "word of a thought; pass enable_thinking=False in --model_args (if the template knows it), or take the "
                "_cot task, which asks for text"
            )
        if self._open_thought and not self.thought_tokens:
            self._warn(
                f"{self._open_thought} ends the rendered prompt, so the model goes on thinking, and its thought is "
                f"read as the answer; pass enable_thinking=False in --model_args, or {ROOM_TO_THINK[self._ours]}"
            )

    def look_at_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Warn of arguments that the chat template never mentions: they change nothing."""
        for name in sorted(arguments):
            if name not in (self._template or ""):
                self._warn(f"the model's chat template does not know {name}, so it changes nothing")

    def describe(self, chat_applied: bool, bos_dropped: bool) -> dict[str, str]:
        """What the results say of how prompts were written."""
        without = NOT_APPLIED if self._template else "the model has none"
        bos = f"as {self._theirs} writes it" + (
            ", where a template has one, two (double_bos)" if self.double_bos else ""
        )
        thoughts = "no prompt ends in an open one"
        if self.thought_tokens:
            thoughts = f"up to {self.thought_tokens} tokens, cut by the model's own marks"
        elif self._open_thought:
            thoughts = f"the prompt ends in {self._open_thought}, and the thought is read as the answer"
        return {
            "vrs_chat_template": "applied" if chat_applied else without,
            "vrs_bos": "one, the template's" if bos_dropped else bos,
            "vrs_thoughts": thoughts,
        }

    def _warn(self, warning: str) -> None:
        if warning not in self._told:
            self._told.add(warning)
            logger.warning("%s: %s", self._ours, warning)


def find_template(processor: Processor) -> str | None:
    """The chat template that the processor renders with; None where it has none."""
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    if isinstance(template, Mapping):
        template = template.get("default") or next(iter(template.values()), None)
    return template


def find_image_mark(processor: Processor) -> str | None:
    """The text that the processor expands into an image's tokens; None where it does not say.

    It is not always the token of the configuration: Gemma 3 expands `<start_of_image>` into its image tokens.
    """
    mark = getattr(processor, "image_token", None)
    return None if mark is None else str(mark)
