"""Writes which slices training may draw: `python -m tools.controls.split --out controls/split.json`, read by a test."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tools.controls.pictures import FILE_REGIONS, GAP_MM, TRAINING_VOLUMES, list_training_slices
from tools.sample.slices import PLANES, VOLUMES


def describe_split() -> dict[str, Any]:
    """Volumes with their training slices per plane, the gaps kept, and the regions of picture files."""
    return {
        "gap_mm": GAP_MM,
        "head": {name: volume.head for name, volume in VOLUMES.items()},
        "voxel_mm": {name: volume.voxel_mm for name, volume in VOLUMES.items()},
        "volumes": {name: {plane: list_training_slices(name, plane) for plane in PLANES} for name in TRAINING_VOLUMES},
        "file_regions": [{"file": name, "left_top_right_bottom": box} for name, box, _ in FILE_REGIONS],
    }


def main() -> None:
    """Write the split as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    text = json.dumps(describe_split(), indent=1)
    parser.parse_args().out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
