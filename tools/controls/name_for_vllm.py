"""A LLaVA as transformers 5.23 saves it -> the same with the names of weights that vLLM loads.

    python -m tools.controls.name_for_vllm controls/sighted FOLDER

transformers 5.23 saves the vision tower's weights without `vision_model.`, and loads them with and without it; vLLM
0.32 loads only the names of published checkpoints ("There is no module or parameter named 'vision_tower.embeddings'").
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

TOWER, PUBLISHED = "vision_tower.", "vision_tower.vision_model."


def write_published_names(folder: Path) -> None:
    """Write the weights of `folder`, in one file, by those names."""
    weights = load_file(folder / "model.safetensors")
    renamed = {
        PUBLISHED + name.removeprefix(TOWER)
        if name.startswith(TOWER) and not name.startswith(PUBLISHED)
        else name: tensor
        for name, tensor in weights.items()
    }
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    shutil.copytree(source, target)
    write_published_names(target)
