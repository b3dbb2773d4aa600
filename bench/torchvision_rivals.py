"""What users of torchvision run today; bench_preprocess.py times it if torchvision is installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvF  # noqa: N812 - as transformers calls it
from transformers.models.clip.image_processing_clip import CLIPImageProcessor

from vrs_lmeval.pixels.geometry import Geometry
from vrs_lmeval.pixels.preprocess import preprocess
from vrs_lmeval.records import Perturbation

PROCESSOR = "transformers torchvision, PIL input"
BEST = "torchvision v2, HWC view"
RIVALS = [PROCESSOR, "transformers torchvision, CHW tensor", BEST]

Candidates = dict[str, Callable[[], object]]

torch.set_num_threads(1)


def torchvision_processor(size: int) -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def torchvision_candidates(array: np.ndarray, size: int) -> Candidates:
    """Candidates for one image on one thread. "ours int16" computes these rivals' bits, "ours" computes Pillow's."""
    image = Image.fromarray(array)
    tensor = torch.from_numpy(array).permute(2, 0, 1).contiguous()
    processor = torchvision_processor(size)
    geometry = Geometry.from_image_processor(processor)
    identity = [Perturbation.identity()]
    mean, std = (torch.tensor(triple)[:, None, None] * 255 for triple in (geometry.mean, geometry.std))
    short = min(array.shape[:2])
    resized = [int(size * edge / short) for edge in array.shape[:2]]

    def run_by_hand() -> torch.Tensor:
        view = torch.from_numpy(array).permute(2, 0, 1)  # channels last in memory: torch's quickest path
        small = tvF.resize(view, resized, InterpolationMode.BICUBIC, antialias=True)
        crop = tvF.center_crop(small, [size, size])
        return crop.to(torch.float32, memory_format=torch.contiguous_format).sub_(mean).div_(std)[None]

    return {
        PROCESSOR: lambda: processor(image, return_tensors="pt")["pixel_values"],
        "transformers torchvision, array": lambda: processor(array, return_tensors="pt")["pixel_values"],
        "transformers torchvision, CHW tensor": lambda: processor(tensor, return_tensors="pt")["pixel_values"],
        BEST: run_by_hand,
        "ours int16, PIL input": lambda: preprocess([image], identity, geometry, threads=1),
        "ours int16, array input": lambda: preprocess([array], identity, geometry, threads=1),
        "ours int16 avx2, array input": lambda: preprocess([array], identity, geometry, threads=1, simd="avx2"),
    }
