"""Visual Reliance Scores for lm-evaluation-harness: does a medical vision-language model look at the image?

Kept free of heavy imports: on Python >= 3.15 the start-up file of the bridge imports this package in every process.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would be most of this package's
if TYPE_CHECKING:
    from vrs_lmeval.bridge import register
    from vrs_lmeval.pixels.transformers_backend import register_image_processors

__all__ = ["register", "register_image_processors"]


def __getattr__(name: str) -> object:
    if name == "register":
        from vrs_lmeval.bridge import register

        return register
    if name == "register_image_processors":
        from vrs_lmeval.pixels.transformers_backend import register_image_processors

        return register_image_processors
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
