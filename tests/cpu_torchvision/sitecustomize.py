"""Lets torchvision be imported beside a torch built for CPUs alone; Python runs this at start from PYTHONPATH.

The wheel of the package index links its compiled operators to CUDA. Without them `import torchvision` fails, because
its Python registers shapes for two of them. Image processors need neither, so both are declared here, without a body.
Where the compiled operators load, or torch has CUDA, or torchvision is missing, nothing is changed.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent

OPERATORS = ("nms", "qnms")
"""Those that torchvision's Python names before it asks whether its operators were loaded."""

_kept = []
"""torch forgets a library's operators with the library."""


class TorchvisionFinder:
    """Finds torchvision as Python would, and declares its operators just before it is run."""

    def find_spec(self, name: str, path=None, target=None) -> "ModuleSpec | None":
        """None for all other modules, which the other finders find."""
        spec = PathFinder.find_spec(name, path) if name == "torchvision" else None
        if spec is None or spec.loader is None:
            return None
        run, (folder, *_) = spec.loader.exec_module, spec.submodule_search_locations or [""]

        def declare_and_run(module) -> None:
            declare_operators(Path(folder) / "_C.so")
            run(module)

        spec.loader.exec_module = declare_and_run
        return spec


def declare_operators(extension: Path) -> None:
    """Declare what torchvision's Python names, if its compiled extension does not load beside this torch."""
    import torch  # as torchvision would a moment later

    if torch.version.cuda or _kept:
        return
    try:
        torch.ops.load_library(str(extension))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)


def install() -> None:
    """Once a process."""
    if not any(type(finder).__name__ == TorchvisionFinder.__name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionFinder())


def run_hidden_sitecustomize() -> None:
    """Run the `sitecustomize` that Python would have found without this one, if there is one."""
    spec = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if Path(entry).resolve() != HERE])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    install()
    run_hidden_sitecustomize()
