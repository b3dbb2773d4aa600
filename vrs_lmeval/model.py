"""The model `vrs-hf`: the harness's own `hf-multimodal`, with image preprocessing by the fused op where it is exact."""

from __future__ import annotations

import logging
from typing import Any

from lm_eval.models.hf_vlms import HFMultimodalLM

from vrs_lmeval.geometry import UnsupportedGeometry
from vrs_lmeval.image_processor import FusedImageProcessor

logger = logging.getLogger(__name__)


class VrsHF(HFMultimodalLM):  # type: ignore[misc] # lm_eval ships no types
    """`hf-multimodal` with the fused image path; takes the same arguments and gives the same answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._join_cpu_processes()
        self._image_path = self._install_fused_path()

    def get_model_info(self) -> dict[str, Any]:
        """What the results say about the model: also which image path ran, and in how many processes."""
        return {**super().get_model_info(), "vrs_image_path": self._image_path, "vrs_processes": self.world_size}

    def _join_cpu_processes(self) -> None:
        """The harness shares requests out among GPUs alone: without, each process would ask all of them."""
        accelerator = getattr(self, "accelerator", None)  # set where there are several processes
        if accelerator is not None and accelerator.device.type == "cpu":
            self._rank, self._world_size = accelerator.process_index, accelerator.num_processes

    def _install_fused_path(self) -> str:
        image_processor = self.processor.image_processor
        try:
            self.processor.image_processor = FusedImageProcessor(image_processor)
        except UnsupportedGeometry as reason:
            logger.info("vrs-hf leaves images to %s: %s", type(image_processor).__name__, reason)
            return f"transformers: {reason}"
        return "fused"
