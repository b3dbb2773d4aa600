"""Lets every Python of this environment import torchvision beside a CPU torch: `make` runs it once, after installing.

Writes a path file that names this folder, whose `sitecustomize.py` Python then runs at start.
"""

import sysconfig
from pathlib import Path

path_file = Path(sysconfig.get_path("purelib")) / "vrs_cpu_torchvision.pth"
path_file.write_text(f"{Path(__file__).resolve().parent}\n", encoding="utf-8")
