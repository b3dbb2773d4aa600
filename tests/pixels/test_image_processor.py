"""The backend "vrs" of transformers' AutoImageProcessor: found, saved, and bit for bit the Pillow backend."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.images import pil_image, synthetic_image
from support.tiny_llava import save_tiny_llava
from transformers import AutoImageProcessor, AutoProcessor
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

import vrs_lmeval
from vrs_lmeval.pixels import image_processors as image_processor
from vrs_lmeval.pixels.layouts import known
from vrs_lmeval.pixels.transformers_backend import FusedImageProcessor

SMALL = {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}
PINPOINTS = [[48, 96], [96, 48], [96, 96]]
STOCK = [
    CLIPImageProcessorPil(**SMALL),
    LlavaImageProcessorPil(**SMALL, do_pad=True),
    SiglipImageProcessorPil(size={"height": 48, "width": 40}),
    Gemma3ImageProcessorPil(size={"height": 48, "width": 48}),
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 20}),
    Glm4vImageProcessorPil(size={"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 40}),
    GotOcr2ImageProcessorPil(size={"height": 32, "width": 32}, crop_to_patches=True, max_patches=4),
    LlavaNextImageProcessorPil(**SMALL, image_grid_pinpoints=PINPOINTS),
    LlavaOnevisionImageProcessorPil(size={"height": 48, "width": 48}, image_grid_pinpoints=PINPOINTS),
    PixtralImageProcessorPil(size={"longest_edge": 80}),
    Gemma4ImageProcessorPil(max_soft_tokens=70, patch_size=4),
    Siglip2ImageProcessorPil(max_num_patches=40, do_convert_rgb=True),
    MllamaImageProcessorPil(size={"height": 48, "width": 48}),
    Idefics3ImageProcessorPil(size={"longest_edge": 96}, max_image_size={"longest_edge": 32}),
    SmolVLMImageProcessorPil(size={"longest_edge": 96}, max_image_size={"longest_edge": 32}),
]
IMAGES = [Image.fromarray(synthetic_image(70, 50)), pil_image("RGBA", 33, 90), pil_image("L", 60, 60)]

every_processor = pytest.mark.parametrize("stock", STOCK, ids=lambda processor: type(processor).__name__)


@pytest.fixture(autouse=True)
def _registered() -> None:
    vrs_lmeval.register_image_processors()


@pytest.fixture
def fused_op_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a processor's own steps run, but for the images that a new layout is compared on."""
    own_steps, compare = BaseImageProcessor._prepare_image_like_inputs, known._require_equal
    comparing: list[bool] = []

    def guarded(*args: Any, **settings: Any) -> Any:
        return own_steps(*args, **settings) if comparing else pytest.fail("the processor's own steps ran")

    def compare_openly(*args: Any) -> None:
        comparing.append(True)
        try:
            compare(*args)
        finally:
            comparing.clear()

    monkeypatch.setattr(BaseImageProcessor, "_prepare_image_like_inputs", guarded)
    monkeypatch.setattr(known, "_require_equal", compare_openly)


def assert_same(actual: Any, expected: Any) -> None:
    assert actual.keys() == expected.keys()
    for key in expected:
        assert type(actual[key]) is type(expected[key])
        for one, other in zip(actual[key], expected[key], strict=True):
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
            np.testing.assert_array_equal(one, other)


@every_processor
def test_a_saved_folder_loads_with_our_backend_and_gives_the_same_bits(stock: Any, tmp_path: Path) -> None:
    stock.save_pretrained(tmp_path)
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="vrs")
    assert isinstance(processor, image_processor.FusedSteps)
    assert processor.backend == "vrs"
    for return_tensors in ("pt", "np", None):
        assert_same(processor(IMAGES, return_tensors=return_tensors), stock(IMAGES, return_tensors=return_tensors))


@every_processor
def test_the_fused_op_computes_them(stock: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    expected = stock(IMAGES, return_tensors="np")
    stock.save_pretrained(tmp_path)
    request.getfixturevalue("fused_op_alone")
    assert_same(AutoImageProcessor.from_pretrained(tmp_path, backend="vrs")(IMAGES, return_tensors="np"), expected)


@every_processor
def test_entries_of_several_images_are_the_processors_own(stock: Any, tmp_path: Path) -> None:
    stock.save_pretrained(tmp_path)
    nested = [IMAGES[:2], IMAGES[2:]]
    ours = AutoImageProcessor.from_pretrained(tmp_path, backend="vrs")
    assert_same(ours(nested, return_tensors="np"), stock(nested, return_tensors="np"))


@every_processor
def test_what_it_saves_is_the_stock_processors_folder(stock: Any, tmp_path: Path) -> None:
    stock.save_pretrained(tmp_path / "stock")
    ours = AutoImageProcessor.from_pretrained(tmp_path / "stock", backend="vrs")
    ours.save_pretrained(tmp_path / "ours")
    files = [(tmp_path / name / "preprocessor_config.json").read_text() for name in ("stock", "ours")]
    assert files[0] == files[1]
    again = AutoImageProcessor.from_pretrained(tmp_path / "ours", backend="vrs")
    assert_same(again(IMAGES, return_tensors="np"), stock(IMAGES, return_tensors="np"))


@every_processor
def test_the_other_backends_stay_as_they_were(stock: Any, tmp_path: Path) -> None:
    stock.save_pretrained(tmp_path)
    assert type(AutoImageProcessor.from_pretrained(tmp_path, backend="pil")) is type(stock)
    assert AutoImageProcessor.from_pretrained(tmp_path).backend in ("pil", "torchvision")


@pytest.mark.slow
def test_large_images_that_are_opened_after_registering_are_lent_as_they_lie(tmp_path):
    """The bits are the same either way."""
    path = tmp_path / "large.png"
    pil_image("RGB", 2500, 2048).save(path)
    was = Image.core.get_block_size()
    try:
        Image.core.set_block_size(16 << 20)
        before = Image.open(path)
        before.load()
        vrs_lmeval.register_image_processors()
        after = Image.open(path)
        after.load()
        assert Image.core.get_block_size() >= 64 << 20
        processor = image_processor.CLIPImageProcessor()
        assert torch.equal(*(processor(image, return_tensors="pt")["pixel_values"] for image in (before, after)))
        if hasattr(after, "__arrow_c_array__"):  # Pillow >= 11.2
            after.__arrow_c_array__()
            with pytest.raises(ValueError, match="not contiguous in memory"):
                before.__arrow_c_array__()
    finally:
        Image.core.set_block_size(was)


def test_registering_twice_changes_nothing(tmp_path: Path) -> None:
    vrs_lmeval.register_image_processors()
    STOCK[0].save_pretrained(tmp_path)
    assert AutoImageProcessor.from_pretrained(tmp_path, backend="vrs").backend == "vrs"


HIDE_TORCHVISION = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.split(".")[0] == "torchvision" else find(name, *rest)
import vrs_lmeval
vrs_lmeval.register_image_processors()
from transformers.utils import is_torchvision_available
assert not is_torchvision_available()
"""


@pytest.mark.models
def test_registering_warns_of_nothing_without_torchvision() -> None:
    done = subprocess.run([sys.executable, "-c", HIDE_TORCHVISION], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.models
def test_a_llava_processor_takes_the_backend_too(tmp_path: Path) -> None:
    folder = save_tiny_llava(tmp_path)
    texts = ["<image>\nwhat is this?"] * len(IMAGES)
    stock, ours = (
        AutoProcessor.from_pretrained(folder, backend=backend)(images=IMAGES, text=texts, return_tensors="pt")
        for backend in ("pil", "vrs")
    )
    assert AutoProcessor.from_pretrained(folder, backend="vrs").image_processor.backend == "vrs"
    assert torch.equal(ours["pixel_values"], stock["pixel_values"])


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"shortest_edge": 64}, "crop_size": {"height": 60, "width": 50}},
        {"do_normalize": False},
        {"resample": Image.Resampling.BILINEAR},
        {"image_mean": [0.5, 0.5, 0.5]},
    ],
)
def test_settings_of_a_call_are_followed(settings: dict[str, Any], request: pytest.FixtureRequest) -> None:
    expected = STOCK[0](IMAGES, return_tensors="np", **settings)
    request.getfixturevalue("fused_op_alone")
    assert_same(image_processor.CLIPImageProcessor(**SMALL)(IMAGES, return_tensors="np", **settings), expected)


def test_an_attribute_that_changes_after_a_call_is_followed() -> None:
    ours, stock = image_processor.CLIPImageProcessor(**SMALL), CLIPImageProcessorPil(**SMALL)
    ours(IMAGES, return_tensors="np")
    for each in (ours, stock):
        each.image_mean = (0.5, 0.5, 0.5)
    assert_same(ours(IMAGES, return_tensors="np"), stock(IMAGES, return_tensors="np"))
    for each in (ours, stock):
        each.size["shortest_edge"] = 60  # in place
    assert_same(ours(IMAGES, return_tensors="np"), stock(IMAGES, return_tensors="np"))
    for each in (ours, stock):
        each.return_tensors = "pt"
    assert_same(ours(IMAGES), stock(IMAGES))


PLAINLY_WRITTEN = [  # forms that transformers takes and brings into its own
    (image_processor.CLIPImageProcessor, CLIPImageProcessorPil, {"size": 60}),
    (image_processor.CLIPImageProcessor, CLIPImageProcessorPil, {"crop_size": 20}),
    (image_processor.CLIPImageProcessor, CLIPImageProcessorPil, {"resample": "bicubic"}),
    (image_processor.CLIPImageProcessor, CLIPImageProcessorPil, {"image_mean": np.array([0.1, 0.2, 0.3])}),
    (image_processor.GotOcr2ImageProcessor, GotOcr2ImageProcessorPil, {"size": {"height": 40, "width": 44}}),
    (image_processor.Qwen2VLImageProcessor, Qwen2VLImageProcessorPil, {"extra": np.zeros(3)}),
]


@pytest.mark.parametrize(
    ("ours_of", "stock_of", "written"), PLAINLY_WRITTEN, ids=lambda each: getattr(each, "__name__", "")
)
def test_settings_in_another_form_are_those_of_the_processor(ours_of: Any, stock_of: Any, written: Any) -> None:
    ours, stock = ours_of(), stock_of()
    for _ in range(2):
        assert_same(ours(IMAGES, return_tensors="np"), stock(IMAGES, return_tensors="np"))
        for each in (ours, stock):
            vars(each).update(written)
    assert_same(ours(IMAGES, return_tensors="np"), stock(IMAGES, return_tensors="np"))
    wrapped = FusedImageProcessor(stock_of())
    given = {name: value for name, value in written.items() if name in ("size", "crop_size")}
    assert_same(wrapped(IMAGES, return_tensors="np", **given), stock_of()(IMAGES, return_tensors="np", **given))


@every_processor
def test_no_images_are_left_to_the_processor(stock: Any) -> None:
    ours = getattr(image_processor, type(stock).__name__.removesuffix("Pil"))()
    same = type(stock)()
    try:
        expected = same([])
    except Exception as error:
        with pytest.raises(type(error)):
            ours([])
    else:
        assert_same(ours([]), expected)


def test_what_cannot_be_fused_is_named_and_left_to_the_processor(caplog: pytest.LogCaptureFixture) -> None:
    settings = {"resample": Image.Resampling.HAMMING, "return_tensors": "np"}
    ours = image_processor.CLIPImageProcessor(**SMALL)
    for _ in range(2):
        assert_same(ours(IMAGES, **settings), STOCK[0](IMAGES, **settings))
    assert [record.message for record in caplog.records] == [
        "backend 'vrs' leaves images to CLIPImageProcessor's own steps: resample: HAMMING is not reproduced"
    ]


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        (synthetic_image(60, 70), {}),
        (torch.from_numpy(synthetic_image(60, 70)), {}),
        (synthetic_image(3, 70), {"input_data_format": "channels_last"}),
        (synthetic_image(60, 70).transpose(2, 0, 1), {}),  # channels first: the processor's own steps
        (synthetic_image(60, 70).astype(np.float32), {}),
    ],
    ids=["array", "tensor", "three rows", "channels first", "float"],
)
def test_arrays_give_the_processors_bits(image: Any, settings: dict[str, Any]) -> None:
    ours = image_processor.CLIPImageProcessor(**SMALL)
    assert_same(ours(image, return_tensors="np", **settings), STOCK[0](image, return_tensors="np", **settings))


def test_a_pickled_processor_is_the_same() -> None:
    ours = pickle.loads(pickle.dumps(image_processor.CLIPImageProcessor(**SMALL)))
    assert ours.backend == "vrs"
    assert_same(ours(IMAGES, return_tensors="np"), STOCK[0](IMAGES, return_tensors="np"))


@pytest.mark.parametrize("step", ["preprocess", "_preprocess"])
def test_a_subclass_keeps_its_own_steps(step: str) -> None:
    def upside_down(self: Any, images: Any, *args: Any, **settings: Any) -> Any:
        turned = [np.flipud(image) if isinstance(image, np.ndarray) else image.rotate(180) for image in images]
        return getattr(base, step)(self, turned, *args, **settings)

    images = [Image.fromarray(synthetic_image(70, 50)), Image.fromarray(synthetic_image(33, 90))]
    answers = []
    for base in (CLIPImageProcessorPil, image_processor.CLIPImageProcessor):
        processor = type("UpsideDown", (base,), {step: upside_down})(**SMALL)
        answers.append(processor(images, return_tensors="pt")["pixel_values"])
    stock, ours = answers
    assert torch.equal(ours, stock)
    assert not torch.equal(ours, CLIPImageProcessorPil(**SMALL)(images, return_tensors="pt")["pixel_values"])
