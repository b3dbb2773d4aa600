"""Writes tests/data/kernel_budget.json: the resources that CUDA kernels may use on each target are those they use now.

Run `python tools/write_kernel_budget.py` after a change of a kernel that is worth its cost; it needs nvcc.
`git diff` then shows the cost.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.kernel_budget import BUDGET, compile_all, nvcc_release, reason_to_skip, targets


def measure(folder: Path) -> dict[str, object]:
    """The budget that the kernels just meet; compiled files go to `folder`."""
    kernels: dict[str, dict[str, object]] = {}
    for compiled in compile_all(folder).values():
        if compiled.return_code != 0:
            sys.exit(f"{compiled.source.name} does not pass the gate:\n{compiled.messages}")
        for (kernel, target), usage in compiled.usages().items():
            kernels.setdefault(kernel, {})[target] = asdict(usage)
    by_target = {kernel: {target: kernels[kernel][target] for target in targets()} for kernel in sorted(kernels)}
    return {"nvcc": nvcc_release(), "kernels": by_target}


def as_text(budget: dict[str, object]) -> str:
    """JSON with a line for each kernel and target."""
    kernels = budget["kernels"]
    assert isinstance(kernels, dict)
    lines = [
        f"  {json.dumps(kernel)}: {{\n"
        + ",\n".join(f"   {json.dumps(target)}: {json.dumps(usage)}" for target, usage in usages.items())
        + "\n  }"
        for kernel, usages in kernels.items()
    ]
    head = f' "nvcc": {json.dumps(budget["nvcc"])},\n "kernels": {{\n'
    return "{\n" + head + ",\n".join(lines) + "\n }\n}\n"


def main() -> None:
    """Writes the file."""
    if reason := reason_to_skip():
        sys.exit(f"cannot measure the kernels: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        BUDGET.write_text(as_text(measure(Path(folder))), encoding="utf-8")
    print(f"wrote {BUDGET}")


if __name__ == "__main__":
    main()
