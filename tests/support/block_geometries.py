"""Geometries whose output is cut into blocks, of every form, and images for them."""

from __future__ import annotations

from support.images import synthetic_image

from vrs_lmeval.pixels.geometry import Blocks, Geometry

IMAGES = [synthetic_image(90, 70, content="noise"), synthetic_image(40, 130, content="edges")]
GEOMETRIES = {
    "patches": Geometry("exact", (48, 72), (48, 72), blocks=Blocks(6, 6, merge=2, repeats=2)),
    "merge of three": Geometry("exact", (36, 54), (36, 54), blocks=Blocks(4, 6, merge=3, repeats=1)),
    "tiles": Geometry("exact", (64, 96), (64, 96), blocks=Blocks(32, 48)),
    "channels last": Geometry("exact", (48, 72), (48, 72), blocks=Blocks(6, 6, merge=2, channels_last=True)),
    "channels last, corner": Geometry(
        "exact", (33, 50), (36, 54), placement="corner", blocks=Blocks(4, 6, channels_last=True)
    ),
    "padded after": Geometry("exact", (33, 50), (36, 60), placement="upper_left", blocks=Blocks(12, 20)),
    "corner": Geometry("exact", (33, 50), (36, 60), placement="corner", blocks=Blocks(12, 20)),
    "corner, cropped": Geometry("exact", (33, 50), (24, 60), placement="corner", blocks=Blocks(12, 20)),
    "torchvision, padded after": Geometry(
        "exact", (33, 50), (36, 61), placement="upper_left", arithmetic="torchvision", blocks=Blocks(12, 61)
    ),
    "one block": Geometry("exact", (33, 47), (33, 47), blocks=Blocks(33, 47)),
    "padded and cropped": Geometry("shortest_edge", (40, 40), (64, 36), blocks=Blocks(8, 4, merge=1, repeats=3)),
    "tall, vertical first": Geometry("exact", (8, 64), (8, 64), blocks=Blocks(4, 16, merge=2)),
    "torchvision": Geometry("exact", (48, 48), (48, 48), arithmetic="torchvision", blocks=Blocks(8, 8, merge=3)),
}
