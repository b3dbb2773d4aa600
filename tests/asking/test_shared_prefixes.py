"""`vrs-hf` computes each image prefix once and answers as the stock class, architecture by architecture in float32."""

import copy
import re
from importlib.metadata import version

import pytest
import torch
from lm_eval.models.hf_vlms import HFMultimodalLM
from support.architectures import ARCHITECTURES
from support.architectures.gemma import gemma3
from support.harness_models import IMAGE_SIZES, generation, make_requests, show_images, wrap
from support.stores import make_store
from support.tiny_llava import save_tiny_llava
from transformers.cache_utils import DynamicLayer

from vrs_lmeval.asking.kept_prefixes import RoomyLayer
from vrs_lmeval.model import VrsHF
from vrs_lmeval.pixels.layouts import layout
from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.records import Perturbation
from vrs_lmeval.variants.variant_image import VariantImage

pytestmark = pytest.mark.models


def answer_both_ways(model, processor, requests, **options):
    """(stock answers, ours, our model info)."""
    stock = wrap(HFMultimodalLM, model, copy.deepcopy(processor), batch_size=6)
    ours = wrap(VrsHF, model, copy.deepcopy(processor), **{"batch_size": 5, **options})
    for lm in (stock, ours):
        lm.chat_applied = True  # the requests carry the model's own image marks
    expected = stock.generate_until(requests, disable_tqdm=True)
    return expected, ours.generate_until(requests, disable_tqdm=True), ours.get_model_info()


@pytest.mark.parametrize("name", ["llava", "llava_next", "gemma3", "paligemma"])
def test_answers_are_those_of_the_stock_class(name):
    """Of one architecture a kind; test_architectures.py has them all."""
    architecture = ARCHITECTURES[name]
    requests = make_requests(architecture.mark)
    expected, answers, info = answer_both_ways(*architecture.make(), requests)
    assert answers == expected
    assert len(set(expected)) >= len(expected) // 2, "the model does not react: equality would mean little"
    if architecture.why_plain:
        assert info["vrs_prefix_path"].startswith("plain: after a shared prefix its logits differ")
        assert info["vrs_work"]["asked_plainly"] == len(requests)
    else:
        assert info["vrs_prefix_path"] == "shared"
        assert info["vrs_prefix_check"] < 1e-4
        assert info["vrs_work"]["asked_by_prefix"] == len(requests)
        assert info["vrs_work"]["prefixes_computed"] <= 6


@pytest.fixture(scope="module")
def llava():
    return ARCHITECTURES["llava"].make()


def test_blank_images_of_any_size_are_one_prefix_where_the_model_sees_no_size(llava):
    expected, answers, info = answer_both_ways(*llava, make_requests())
    assert answers == expected
    assert info["vrs_work"]["prefixes_computed"] == 3 + 1


@pytest.mark.parametrize("options", [{"prefix_cache_bytes": 1}, {"batch_size": 1}, {"share_prefixes": False}])
def test_answers_depend_on_no_option(llava, options):
    expected, answers, info = answer_both_ways(*llava, make_requests(), **options)
    assert answers == expected
    assert (info["vrs_prefix_path"] == "shared") == ("share_prefixes" not in options)


def test_prompts_of_several_tasks_share_an_image(llava):
    """Two instructions after the image, two sets of generation settings, in one call."""
    requests = make_requests(max_gen_toks=5) + make_requests("<image> Short: ", max_gen_toks=4)
    expected, answers, info = answer_both_ways(*llava, requests)
    assert answers == expected
    assert info["vrs_work"]["prefixes_computed"] == 3 + 1


def test_prompts_with_two_images_share_both(llava):
    one, _, other, *_ = show_images()
    requests = [generation(f"<image> and <image>\n{text}", one, other) for text in ("same?", "which is larger?")]
    expected, answers, info = answer_both_ways(*llava, requests)
    assert answers == expected
    assert (info["vrs_work"]["prefixes_computed"], info["vrs_work"]["prefixes_reused"]) == (1, 1)
    assert info["vrs_work"]["images_processed"] == 2 + 4  # once for the prefix, twice for the self-check's plain path


@pytest.mark.parametrize(
    "requests",
    [
        [generation(f"{text} <image>", show_images()[0]) for text in ("what?", "why?")],
        make_requests(num_beams=2),
    ],
    ids=["image after the question", "beam search"],
)
def test_prompts_that_cannot_share_are_asked_plainly(llava, requests):
    expected, answers, info = answer_both_ways(*llava, requests)
    assert answers == expected
    assert info["vrs_work"]["asked_plainly"] == len(requests)
    assert info["vrs_prefix_path"].startswith("plain")


def test_prompts_longer_than_a_sliding_window_are_asked_plainly():
    expected, answers, info = answer_both_ways(*gemma3(sliding_window=24), make_requests("<start_of_image>"))
    assert answers == expected
    assert info["vrs_work"]["asked_plainly"] == len(answers)


@pytest.mark.parametrize(
    "placement",
    [{"parallelize": True}, {"device_map": {"model": "cpu", "lm_head": "cpu"}}],
    ids=["parallelize, which offloads to the disk where there is no GPU", "device_map"],
)
def test_models_in_parts_share_prefixes(tmp_path, placement):
    if "parallelize" in placement and tuple(map(int, version("accelerate").split(".")[:2])) < (1, 15):
        pytest.skip("accelerate before 1.15 refuses to offload a whole model to the disk")
    folder = str(save_tiny_llava(tmp_path / "model"))
    requests = make_requests()
    stock = HFMultimodalLM(pretrained=folder, device="cpu", dtype="float32", batch_size=6)
    lm = VrsHF(
        pretrained=folder,
        device="cpu",
        dtype="float32",
        batch_size=5,
        offload_folder=str(tmp_path / "offloaded"),
        **placement,
    )
    assert lm.generate_until(requests, disable_tqdm=True) == stock.generate_until(requests, disable_tqdm=True)
    assert lm.get_model_info()["vrs_prefix_path"] == "shared"


@pytest.mark.parametrize("room", [0, 3, 9])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["as they were", "reordered on the way"])
def test_states_with_room_are_those_without(room, order):
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(2, 2, 3, length, 4, generator=generator) for length in (5, 1, 2, 1, 4)]
    plain = DynamicLayer()
    plain.update(*states[0])
    memory = [torch.cat([each, torch.zeros(2, 3, room, 4)], dim=2) for each in states[0]]
    roomy = RoomyLayer(*memory, states[0].shape[3])
    for number, added in enumerate(states[1:]):
        if number == 2:
            for layer in (plain, roomy):
                layer.reorder_cache(torch.tensor(order))
        for ours, theirs in zip(roomy.update(*added), plain.update(*added), strict=True):
            assert torch.equal(ours, theirs)
    written = [kept[:, :, 5 : 5 + room].abs().sum() > 0 for kept in memory]  # behind the old ones, in place
    assert written == [room > 0] * 2


def test_a_second_call_sees_its_own_images(llava):
    one, _, other, *_ = show_images()
    lm, stock = (wrap(kind, *copy.deepcopy(llava), batch_size=2) for kind in (VrsHF, HFMultimodalLM))
    for image in (one, other):
        requests = [generation(f"<image>\n{text}", image) for text in ("what?", "why?")]
        assert lm.generate_until(requests) == stock.generate_until(requests)


@pytest.mark.parametrize("share", [True, False])
def test_a_batch_that_does_not_fit_is_halved_and_the_run_goes_on(llava, monkeypatch, share):
    requests = make_requests()
    sizes = []
    generate = VrsHF._model_multimodal_generate

    def runs_out_of_memory(self, inputs, *args, **kwargs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 3:
            raise torch.cuda.OutOfMemoryError("injected")
        return generate(self, inputs, *args, **kwargs)

    monkeypatch.setattr(VrsHF, "_model_multimodal_generate", runs_out_of_memory)
    lm = wrap(VrsHF, *copy.deepcopy(llava), batch_size="auto", max_batch_size=8, share_prefixes=share)
    answers = lm.generate_until(requests, disable_tqdm=True)
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[3:]) <= 4
    monkeypatch.undo()
    assert answers == wrap(VrsHF, *copy.deepcopy(llava), batch_size=4).generate_until(requests, disable_tqdm=True)


def test_one_prompt_that_does_not_fit_ends_the_run_with_advice(llava, monkeypatch):
    def runs_out_of_memory(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError("injected")

    monkeypatch.setattr(VrsHF, "_model_multimodal_generate", runs_out_of_memory)
    lm = wrap(VrsHF, *copy.deepcopy(llava), batch_size=4)
    with pytest.raises(RuntimeError, match="does not suffice for one prompt"):
        lm.generate_until(make_requests(), disable_tqdm=True)


def test_the_progress_bar_counts_questions_and_says_how_long_it_takes(llava, capsys):
    requests = make_requests()
    for number, request in enumerate(requests):
        request.task_name, request.doc_id = "task", number // 2  # two variants each
    wrap(VrsHF, *copy.deepcopy(llava), batch_size=4).generate_until(requests)
    shown = capsys.readouterr().err
    assert len(requests) == 18
    assert re.search(r"100%.* 9/9 questions \[00:\d\d<00:00, +\d+\.\d\d questions/s\]", shown)


def test_variants_of_an_image_are_decoded_once_and_computed_in_one_pass(llava, monkeypatch):
    store, ids = make_store(*IMAGE_SIZES, budget_bytes=0)
    changes = [Perturbation.identity(), *(Perturbation("gaussian_noise", (25.0,), key=key) for key in (1, 2))]
    shown = [[VariantImage(image_id, change, store, perturb) for change in changes] for image_id in ids]
    requests = [
        generation(f"<image>\n{text}", image) for text in ("what?", "why?") for variants in shown for image in variants
    ]
    passes = []
    fuse = layout.preprocess_pairs
    monkeypatch.setattr(
        layout, "preprocess_pairs", lambda pairs, *rest: passes.append(len(pairs)) or fuse(pairs, *rest)
    )
    lm = wrap(VrsHF, *copy.deepcopy(llava), batch_size=4)
    answers = lm.generate_until(requests, disable_tqdm=True)
    assert passes.count(3) == 3, "three images, all variants of each in one pass; the others are the checks'"
    assert answers == wrap(HFMultimodalLM, *copy.deepcopy(llava), batch_size=4).generate_until(
        requests, disable_tqdm=True
    )
