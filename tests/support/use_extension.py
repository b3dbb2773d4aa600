"""A program: loads a build of the extension (its path is the argument) and checks what it computes on the CPU.

Every instruction set gives transformers' bits, the sets agree on what transformers does not compute, and none reads
past an image. Prints the sets; fails with a traceback.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np

spec = spec_from_file_location("vrs_lmeval._native", sys.argv[1])
assert spec is not None
assert spec.loader is not None
native = sys.modules["vrs_lmeval._native"] = module_from_spec(spec)
spec.loader.exec_module(native)

from PIL import Image  # noqa: E402 - the extension comes first
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil  # noqa: E402

from vrs_lmeval.pixels.preprocess import Geometry, build_info, count_devices, preprocess  # noqa: E402
from vrs_lmeval.pixels.preprocess import preprocess as pixels  # noqa: E402
from vrs_lmeval.records import Perturbation  # noqa: E402

SIMD = tuple(map(str, build_info()["simd"]))  # type: ignore[call-overload]
KEY = 0x0123456789ABCDEF_FEDCBA9876543210
CHANGES = [
    Perturbation.identity(),
    Perturbation("gaussian_noise", (25.0,), KEY),
    Perturbation("gaussian_blur", (0.6,)),
    Perturbation("gaussian_blur", (2.0,)),
    Perturbation("patch_shuffle", (3.0, 2.0), KEY),
]


def check_transformers(generator: np.random.Generator) -> None:
    for _ in range(60):
        height, width, size = map(int, generator.integers([5, 5, 3], [400, 400, 120]))
        image = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
        geometry = Geometry.from_image_processor(processor)
        expected = processor(image, return_tensors="np")["pixel_values"][0].view(np.uint32)
        for simd in SIMD:
            for source in (image, np.asarray(image)):
                ours = preprocess([source], [Perturbation.identity()], geometry, simd=simd)[0, 0].view(np.uint32)
                assert np.array_equal(ours, expected), (simd, height, width, size)


def check_sets_agree(generator: np.random.Generator) -> None:
    for _ in range(40):
        height, width, size = map(int, generator.integers([1, 1, 3], [200, 200, 120]))
        image = 255 * generator.integers(0, 2, (height, width, 3), dtype=np.uint8)
        processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
        for arithmetic in ("pillow", "torchvision"):
            geometry = replace(Geometry.from_image_processor(processor), arithmetic=arithmetic)
            for dtype in ("float32", "bfloat16"):
                bits = [
                    np.asarray(preprocess([image], CHANGES, geometry, dtype=dtype, simd=simd, device="cpu").float())
                    for simd in SIMD
                ]
                assert all(np.array_equal(each, bits[-1]) for each in bits), (arithmetic, dtype, height, width, size)


def check_no_read_past_the_image(generator: np.random.Generator) -> None:
    memory = mmap.mmap(-1, 64 * mmap.PAGESIZE)
    usable = len(memory) - mmap.PAGESIZE
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    # No access to the last page: one ends the process.
    assert libc.mprotect(ctypes.c_void_p(address + usable), mmap.PAGESIZE, 0) == 0
    geometry = pixels._native_geometry(Geometry(size=(24, 20), crop=(24, 20)))
    for width in [*range(1, 40), 63, 64, 65, 127, 128, 129, 200]:
        for channels in (3, 4):
            height = int(generator.integers(1, 40))
            shape = (height, width, channels)
            image = np.frombuffer(memory, np.uint8, height * width * channels, usable - height * width * channels)
            for change in CHANGES:
                jobs = [(0, pixels._native_perturbation(change))]
                for simd in SIMD:
                    native.preprocess([image.reshape(shape)], jobs, geometry, threads=1, simd=simd)


assert build_info()["backends"] == ("cpu",), build_info()
assert count_devices() == (0, "this build of vrs_lmeval has no CUDA backend: install it again where nvcc is found")
check_transformers(np.random.default_rng(0))
check_sets_agree(np.random.default_rng(1))
check_no_read_past_the_image(np.random.default_rng(2))
sys.stdout.write(" ".join(SIMD) + "\n")
