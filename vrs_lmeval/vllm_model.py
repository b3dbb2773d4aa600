"""The model `vrs-vllm`: the harness's own `vllm-vlm`, with requests in an order that suits vLLM's prefix cache."""

from __future__ import annotations

from typing import Any

from lm_eval.models.vllm_vlms import VLLM_VLM

from vrs_lmeval.asking.image_order import InImageOrder


class VrsVLLM(InImageOrder, VLLM_VLM):  # type: ignore[misc] # lm_eval ships no types
    """`vllm-vlm` with the requests on one image kept together; `vllm-vlm` itself sorts them apart, by length.

    Prompts without an image are asked too: vLLM takes them if they mention no multi-modal data.
    """

    def tok_batch_multimodal_encode(self, strings: list[str], images: Any, *args: Any, **settings: Any) -> Any:
        """The prompts as `vllm-vlm` writes them, but without an empty list of images, which vLLM refuses."""
        prompts = super().tok_batch_multimodal_encode(strings, images, *args, **settings)
        for prompt, of_prompt in zip(prompts, images, strict=True):
            if not of_prompt:
                prompt.pop("multi_modal_data")
        return prompts
