"""Which class of transformers an image processor is, and whether all of its settings are ones that we know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vrs_lmeval.pixels.geometry import UnsupportedGeometry

KNOWN = frozenset(
    {
        *("do_convert_rgb", "do_resize", "size", "resample", "do_rescale", "rescale_factor", "do_normalize"),
        *("image_mean", "image_std", "input_data_format", "return_tensors", "disable_grouping", "default_to_square"),
        *("image_seq_length", "data_format"),
    }
)
"""Settings that the families share, or whose value changes nothing: no `_preprocess` of theirs reads data_format."""


def own_class(processor: Any, names: Collection[str]) -> Any:
    """The nearest base class of transformers' own with one of these names, or one that "Pil" follows; or None."""
    for kind in type(processor).__mro__:
        if kind.__module__.startswith("transformers.models.") and kind.__name__.removesuffix("Pil") in names:
            return kind
    return None


def set_edges(size: Any) -> dict[str, int]:
    """Of a processor's `size`, the edges that are set."""
    return {name: value for name, value in dict(size or {}).items() if value is not None}


def require_known_settings(processor: Any, own: Collection[str]) -> None:
    """Raise UnsupportedGeometry if a setting that is neither known nor one of `own` is on.

    So a setting that a later release of transformers adds goes to its own steps.
    """
    device = getattr(processor, "device", None)
    if device is not None and str(device) != "cpu":
        raise UnsupportedGeometry(f"device: {device}, whose resize has other bits")
    for name in processor.valid_kwargs.__annotations__:
        value = getattr(processor, name, None)
        if name not in KNOWN and name not in own and name != "device" and value:
            raise UnsupportedGeometry(f"{name}: {value} is not reproduced")
