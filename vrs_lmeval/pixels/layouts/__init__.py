"""What transformers' image processors give of images, computed by the fused op: a file for each family of them."""

from vrs_lmeval.pixels.layouts.known import find_layout
from vrs_lmeval.pixels.layouts.layout import Layout, Row

__all__ = ["Layout", "Row", "find_layout"]
