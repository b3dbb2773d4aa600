"""What transformers' image processors give of images, computed by the fused op: a file for each family of them."""

from vrs_lmeval.pixels.layouts.known import KnownLayouts, find_layout
from vrs_lmeval.pixels.layouts.layout import Layout, Row

__all__ = ["KnownLayouts", "Layout", "Row", "find_layout"]
