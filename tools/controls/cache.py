"""Renders the training pictures once: `python -m tools.controls.cache --sources DIR --out DIR`."""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from tools.controls.model import SIDE
from tools.controls.pictures import PictureMaker
from tools.sample.sources import open_sources

# Pictures per generator: so the result does not depend on how many processes draw them.
CHUNK = 500
SEED = 20261122


def draw_chunk(sources: Path, number: int) -> tuple[np.ndarray, list[dict[str, str]], list[str]]:
    """CHUNK pictures: pixels (CHUNK, SIDE, SIDE, 3), answers and kinds."""
    maker = PictureMaker(open_sources(sources), SIDE)
    rng = np.random.default_rng((SEED, number))
    pictures = [maker.draw(rng) for _ in range(CHUNK)]
    pixels = np.stack([picture.pixels for picture in pictures])
    return pixels, [picture.answers for picture in pictures], [picture.kind for picture in pictures]


def main() -> None:
    """Render and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=24_000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    chunks = range(arguments.pictures // CHUNK)
    with ProcessPoolExecutor(arguments.processes) as pool:
        drawn = list(pool.map(draw_chunk, [arguments.sources] * len(chunks), chunks))
    arguments.out.mkdir(parents=True, exist_ok=True)
    np.save(arguments.out / "pixels.npy", np.concatenate([pixels for pixels, _, _ in drawn]))
    labels = [
        {"kind": kind, "answers": answers}
        for _, rows, kinds in drawn
        for answers, kind in zip(rows, kinds, strict=True)
    ]
    (arguments.out / "labels.json").write_text(json.dumps(labels))


if __name__ == "__main__":
    main()
