"""The model `vrs-vllm`: the harness's own `vllm-vlm`, its requests in an order meant for vLLM's prefix cache."""

from __future__ import annotations

from lm_eval.models.vllm_vlms import VLLM_VLM

from vrs_lmeval.asking.image_order import InImageOrder


class VrsVLLM(InImageOrder, VLLM_VLM):  # type: ignore[misc] # lm_eval ships no types
    """`vllm-vlm` sorts all requests by length, so that those on one image are far apart; here they stay together."""
