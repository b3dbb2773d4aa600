"""Types of the compiled extension; the contract is in csrc/contract/preprocess.h."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

PerturbationTuple: TypeAlias = tuple[str, Sequence[float], int, int]
DeviceArray: TypeAlias = tuple[int, int, int, int, int]  # address, height, width, channels, row stride

class Geometry:
    def __init__(
        self,
        *,
        resize: str,
        size: tuple[int, int],
        crop: tuple[int, int],
        filter: str,
        arithmetic: str,
        pass_order: str,
        placement: str,
        pad_colour: tuple[int, int, int] | None,
        table: npt.NDArray[np.float32],
        normalisation: Sequence[tuple[float, float, float]],
        blocks: tuple[int, int, int, int, bool] | None = None,
    ) -> None: ...

def preprocess(
    images: list[npt.NDArray[np.uint8]],
    jobs: Sequence[tuple[int, PerturbationTuple]],
    geometry: Geometry,
    *,
    threads: int = 1,
    simd: str = "auto",
    out: npt.NDArray[np.float32] | npt.NDArray[np.uint16] | npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint16]: ...
def preprocess_on_device(
    images: list[npt.NDArray[np.uint8] | DeviceArray],
    jobs: Sequence[tuple[int, PerturbationTuple]],
    geometry: Geometry,
    *,
    out: int,
    output_type: str,
    device: int,
    stream: int,
    allocate: Callable[[int], int],
    threads: int = 1,
) -> None: ...
def count_devices() -> tuple[int, str]: ...
def perturb(image: npt.NDArray[np.uint8], perturbation: PerturbationTuple) -> npt.NDArray[np.uint8]: ...
def view_rgbx(arrow_array: object, height: int, width: int) -> npt.NDArray[np.uint8]: ...
def new_batch(shape: Sequence[int]) -> npt.NDArray[np.float32]: ...
def build_info() -> dict[str, object]: ...
