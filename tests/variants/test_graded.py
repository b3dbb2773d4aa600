"""Graded perturbations: published numbers as the ops take them, keyed draws, JPEG, and tasks that run on them."""

import hashlib
import math

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from support.oracles import TASKS, OracleModel, evaluate, write_benchmark
from support.stores import gradient, make_store
from support.tiny_llava import save_tiny_llava
from transformers import AutoProcessor

from vrs_lmeval.model import FusedImageProcessor
from vrs_lmeval.pixels.preprocess import perturb
from vrs_lmeval.records import Perturbation, Sample
from vrs_lmeval.variants.rules import make_noise_key, make_rule, read_variants
from vrs_lmeval.variants.severities import GRADED, STRENGTHS, VERSION, find_graded
from vrs_lmeval.variants.two_step_changes import LARGEST_SIGMA, prepare, split_blur
from vrs_lmeval.variants.variant import Split, VariantError
from vrs_lmeval.variants.variant_image import VariantImage

ROBUST = ("_robust_yaml", "_robust_without_noise_yaml")
SAMPLE = Sample("s", "a", "is it?", ("yes",), "closed")
SPLIT = Split([SAMPLE], {"a": (448, 600), "b": (2240, 3000), "small": (40, 30)})


def change_of(name, image_id="a", **parameters):
    _, variant = read_variants(["real", {"name": name, **parameters}])
    return make_rule(variant, SPLIT).change(image_id, SAMPLE)


@pytest.mark.parametrize(
    ("name", "image_id", "kind", "parameters"),
    [
        ("gaussian_noise_3", "a", "gaussian_noise", (0.18 * 255,)),  # levels, whatever the size
        ("gaussian_noise_3", "b", "gaussian_noise", (0.18 * 255,)),
        ("impulse_noise_5", "a", "impulse_noise", (0.27,)),
        ("gaussian_blur_3", "a", "gaussian_blur", (3 * 2,)),  # 448 is twice 224
        ("gaussian_blur_5", "b", "gaussian_blur", (6 * 10,)),
        ("gaussian_blur_1", "small", "gaussian_blur", (30 / 224,)),
        ("pixelate_5", "a", "pixelate", (8,)),  # shrunk to a quarter of 224: cells of 4, here of 8
        ("pixelate_1", "b", "pixelate", (17,)),  # 10 / 0.6
        ("pixelate_1", "small", "pixelate", (1,)),
        ("contrast_4", "a", "contrast", (0.1,)),
        ("ct_contrast_5", "a", "contrast", (1.8,)),
        ("xray_gaussian_noise_1", "a", "gaussian_noise", (0.04 * 255,)),
        ("brightness_5", "a", "brightness", (1.5,)),
        ("jpeg_5", "a", "jpeg", (7, 2)),
        ("retest", "a", "jpeg", (95, 0)),
        ("flip_horizontal", "a", "flip_horizontal", ()),
    ],
)
def test_published_parameters_in_the_units_of_the_ops(name, image_id, kind, parameters):
    change = change_of(name, image_id)
    assert change.kind == kind
    assert change.parameters == pytest.approx(parameters, abs=1e-5)


def test_an_occlusion_covers_the_stated_share_in_the_middle():
    shown = np.asarray(perturb(Image.new("RGB", (1000, 700), (1, 2, 3)), change_of("occlusion_3")))
    covered = (shown == 128).all(axis=2)
    assert covered.mean() == pytest.approx(0.33, abs=0.002)
    assert covered[350, 500]
    assert np.array_equal(covered, covered[::-1, ::-1])


def test_random_variants_are_keyed_by_seed_image_and_name():
    keys = {
        change_of("gaussian_noise_3").key,
        change_of("gaussian_noise_3", "b").key,
        change_of("gaussian_noise_3", seed=1).key,
        change_of("gaussian_noise_4").key,
    }
    assert len(keys) == 4
    assert change_of("gaussian_noise_3").key == make_noise_key(0, "a", "gaussian_noise_3") < 1 << 128
    assert change_of("contrast_3").key == 0


@pytest.mark.parametrize("name", [f"{f}_{len(r.severities)}" for f, r in GRADED.items() if len(r.severities) > 1])
def test_every_row_can_be_run_and_a_higher_severity_changes_more(name):
    kind = GRADED[name.rpartition("_")[0]].kind
    image = gradient(224, 224)
    family = name.rpartition("_")[0]
    means = []
    for severity in (1, 5):
        row, published = find_graded(f"{family}_{severity}")
        change = make_rule(read_variants(["real", f"{family}_{severity}"])[1], Split([SAMPLE], {"a": (224, 224)}))
        shown = perturb(*prepare(image, change.change("a", SAMPLE), perturb))
        assert shown.size == image.size
        means.append(np.abs(np.asarray(shown).astype(int) - np.asarray(image)).mean())
        assert row.source
        assert published
    assert 0 < means[0] < means[1] or kind == "patch_shuffle"  # halves in other places change most pixels already


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("gaussian_noise_6", "unknown 'gaussian_noise_6'.*gaussian_noise_1..5"),
        ("gaussian_nose_2", "did you mean gaussian_noise_2 or .*[?] Known are real, blank, "),
        ("gaussian_noise", "unknown 'gaussian_noise'.*gaussian_noise_5, or .*kind: gaussian_noise, sigma: NUMBER"),
        ({"name": "b", "kind": "gaussian_blur", "sigma": 0}, "sigma of .* should be a number above 0$"),
        ({"name": "b", "kind": "gaussian_blur", "sigma": "2"}, "sigma of .* should be a number above 0$"),
        ({"name": "b", "kind": "gaussian_blur", "sigma": float("nan")}, "sigma of .* should be a number above 0$"),
        ({"name": "b", "kind": "gaussian_blur", "sigma": True}, "sigma of .* should be a number above 0$"),
        ({"name": "b", "kind": "gaussian_blur", "sigma": float("inf")}, "sigma of .* should be a number above 0$"),
        ({"name": "b", "kind": "jpeg", "quality": 101}, "quality of .* should be a whole number from 1 to 100$"),
        ({"name": "b", "kind": "jpeg", "quality": 7.5}, "quality of .* should be a whole number from 1 to 100$"),
        ({"name": "b", "kind": "occlusion", "share": 1.1}, "share of .* should be a number above 0 to 1$"),
        ({"name": "b", "kind": "gaussian_blur", "sigma": 2, "seed": 1}, "'b' has no parameter seed; it has none"),
        ({"name": "b", "kind": "gaussian_blur", "radius": 2}, "write gaussian_blur_1 to gaussian_blur_5, or"),
        ({"name": "contrast", "kind": "gaussian_blur", "sigma": 2}, "'contrast' is the name of another kind"),
        (["contrast_3"], "should be a list of names and of mappings"),
        ("retest_1", "unknown 'retest_1'"),
        ({"name": "contrast_3", "seed": 1}, "'contrast_3' has no parameter seed; it has none"),
        ({"name": "contrast_3", "kind": "contrast_1"}, "'contrast_3' is the name of another kind than 'contrast_1'"),
    ],
)
def test_wrong_severities_are_refused(entry, message):
    with pytest.raises(VariantError, match=message):
        read_variants(["real", entry])


@pytest.mark.parametrize(
    ("entry", "kind", "parameters"),
    [
        (
            {"kind": "gaussian_blur", "sigma": 2},
            "gaussian_blur",
            (4,),
        ),  # of 224; the image's shorter edge is twice that
        ({"kind": "pixelate", "edge": 3}, "pixelate", (6,)),
        ({"kind": "gaussian_noise", "sigma": 20.5}, "gaussian_noise", (20.5,)),
        ({"kind": "impulse_noise", "share": 1}, "impulse_noise", (1,)),
        ({"kind": "jpeg", "quality": 100}, "jpeg", (100, 2)),
        ({"kind": "patch_shuffle", "patches": 3}, "patch_shuffle", (3, 3)),
        ({"kind": "occlusion", "share": 0.25}, "occlusion", (0.25, 0.25, 0.75, 0.75, 128, 128, 128)),
        ({"kind": "low_pass", "lines": 20}, "low_pass", (20,)),
        ({"kind": "contrast", "factor": 1.5}, "contrast", (1.5,)),
    ],
)
def test_a_kind_takes_a_strength_of_ones_own(entry, kind, parameters):
    change = change_of("mine", **entry)
    assert (change.kind, change.parameters) == (kind, parameters)
    assert np.asarray(perturb(*prepare(gradient(448, 600), change, perturb))).shape == (600, 448, 3)


@pytest.mark.parametrize("kind", STRENGTHS)
def test_a_strength_and_its_severity_make_the_same_change(kind):
    strength, row = STRENGTHS[kind], GRADED[kind]
    assert row.kind == kind
    for severity, published in enumerate(row.severities, start=1):
        number = int(published[0]) if strength.is_whole else strength.read(published)
        assert strength.spell(number) == pytest.approx(published, abs=2e-6)
        own, named = change_of("mine", kind=kind, **{strength.name: number}), change_of(f"{kind}_{severity}")
        assert own.parameters == pytest.approx(named.parameters, abs=2e-6)


def test_an_own_strength_is_drawn_by_itself_and_named_in_the_evidence():
    twenty, thirty = ({"name": f"n{sigma}", "kind": "gaussian_noise", "sigma": sigma} for sigma in (20, 30))
    _, weak, strong = read_variants(["real", twenty, thirty])
    keys = [make_rule(variant, SPLIT).change("a", SAMPLE).key for variant in (weak, strong)]
    assert keys == [make_noise_key(0, "a", "gaussian_noise(20)"), make_noise_key(0, "a", "gaussian_noise(30)")]
    told = {
        "perturbation": "gaussian_noise",
        "values": (20,),
        "sigma": 20,
        "source": "the task's own number",
        "seed": 0,
    }
    assert (weak.name, weak.kind, dict(weak.parameters)) == ("n20", "gaussian_noise", told)


def test_parameters_are_part_of_the_evidence():
    _, noise, blur = read_variants(["real", "gaussian_noise_1", "gaussian_blur_2"])
    assert noise.parameters["values"] == pytest.approx((20.4,))
    assert noise.parameters["seed"] == 0
    assert "ImageNet-C" in noise.parameters["source"]
    assert blur.parameters["for_shorter_edge"] == 224


def test_a_wide_blur_is_several_that_make_the_same_gaussian():
    passes, step = split_blur(27.0)
    assert (passes, step.parameters[0] <= LARGEST_SIGMA) == (8, True)
    assert passes * step.parameters[0] ** 2 == pytest.approx(27.0**2)
    line = np.zeros((1, 401, 3), dtype=np.uint8)
    line[:, 200:] = 255
    source = Image.fromarray(np.repeat(line, 3, axis=0))
    blurred = np.asarray(perturb(*prepare(source, Perturbation("gaussian_blur", (27.0,)), perturb)))[1, :, 0] / 255
    expected = [0.5 * (1 + math.erf((x + 0.5 - 200) / 27 / math.sqrt(2))) for x in range(401)]  # a blurred edge
    assert np.abs(blurred - expected).max() < 0.03  # weights of 1/256, levels rounded at each pass


def test_retest_changes_nothing_that_a_reader_sees():
    rows, columns = np.mgrid[:120, :160]
    smooth = np.stack([rows, columns, (rows + columns) // 2], axis=2).astype(np.uint8)
    image = Image.fromarray(smooth)
    shown = perturb(*prepare(image, change_of("retest"), perturb))
    difference = np.abs(np.asarray(shown).astype(int) - smooth)
    assert 0 < difference.max() <= 4
    assert difference.mean() < 1


@pytest.mark.models
@pytest.mark.parametrize("name", ["jpeg_3", "retest", "gaussian_blur_5", "shot_noise_3", "low_pass_4", "rotate_90"])
def test_the_fused_path_shows_the_same_pixels_as_the_stock_processor(name, tmp_path):
    processor = AutoProcessor.from_pretrained(save_tiny_llava(tmp_path)).image_processor
    store, (image_id, _) = make_store((600, 500), (8, 8))
    split = Split([SAMPLE], {image_id: (600, 500)})
    rule = make_rule(read_variants(["real", name])[1], split)
    image = VariantImage(image_id, rule.change(image_id, SAMPLE), store, perturb)
    assert torch.equal(
        FusedImageProcessor(processor)([image], return_tensors="pt")["pixel_values"],
        processor([image], return_tensors="pt")["pixel_values"],
    )


def test_an_image_is_rendered_once_a_use_and_memory_does_not_grow_with_requests():
    sizes = [(200 + index, 200) for index in range(12)]
    store, image_ids = make_store(*sizes, budget_bytes=400_000)
    calls = []

    def count(image, change):
        calls.append(change)
        return perturb(image, change)

    images = [VariantImage(image_id, Perturbation("contrast", (0.5,)), store, count) for image_id in image_ids]
    images[0].resize((10, 10))
    assert len(calls) == 1  # Pillow asks for the pixels several times in one resize
    for image in images:
        image.tobytes()
    assert store.decoded_bytes <= 400_000
    assert all(image._im is None for image in images)


@pytest.fixture
def _benchmark(tmp_path, monkeypatch):
    write_benchmark(tmp_path)
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("_benchmark")
def test_the_robust_task_prints_a_curve_and_the_retest_floor():
    class Brightest(OracleModel):
        """Says yes where the mean level of the picture is even: any change may turn the answer."""

        def _answer_one(self, request):
            (image,) = request.args[2]["visual"]
            return "yes" if int(np.asarray(image).sum()) % 2 else "no"

    model = Brightest(None)
    results = evaluate(model, task="vrs_vqa_rad_robust")
    measured = results["results"]["vrs_vqa_rad_robust"]
    assert len(model.requests) == 8 * 31
    curve = {name.removesuffix(",none") for name in measured if name.startswith("acc_jpeg") and "stderr" not in name}
    assert curve == {"acc_jpeg_1", "acc_jpeg_3", "acc_jpeg_5"}
    assert 0 <= measured["retest_sensitivity,none"] <= 1
    assert measured["image_sensitivity_above_retest,none"] == pytest.approx(
        measured["image_sensitivity,none"] - measured["retest_sensitivity,none"]
    )
    evidence = results["configs"]["vrs_vqa_rad_robust"]["vrs"]
    assert evidence["variants_version"]
    assert {v["name"] for v in evidence["variants"]} >= {"gaussian_noise_3", "retest"}


EVERYWHERE = {"gaussian_blur", "contrast", "brightness", "jpeg", "pixelate", "low_pass", "patch_shuffle", "occlusion"}


def test_pathology_has_no_noise_and_the_robust_tasks_differ_in_nothing_else():
    listed = {name: yaml.safe_load((TASKS / name).read_text())["variants"] for name in ROBUST}
    expected = {
        "_robust_yaml": EVERYWHERE | {"gaussian_noise"},
        "_robust_without_noise_yaml": EVERYWHERE,
    }
    for name, variants in listed.items():
        curves = {f"{kind}_{severity}" for kind in expected[name] for severity in (1, 3, 5)}
        assert len(variants) == len(set(variants))
        assert set(variants) == {"real", "shuffled", "retest", "flip_horizontal"} | curves
    for path in TASKS.rglob("*_robust.yaml"):
        if path.stem != "vrs_medvqa_robust":
            is_pathology = path.stem in {"vrs_pathvqa_robust", "vrs_pmc_vqa_robust"}
            assert ROBUST[is_pathology] in path.read_text()


def test_the_robust_group_row_has_what_all_four_tasks_have():
    group = yaml.safe_load((TASKS / "vrs_medvqa_robust" / "vrs_medvqa_robust.yaml").read_text())
    averaged = {entry["metric"] for entry in group["aggregate_metric_list"]}
    variants = set(yaml.safe_load((TASKS / "_robust_without_noise_yaml").read_text())["variants"])
    assert {name for name in averaged if name.startswith("acc_")} == {f"acc_{name}" for name in variants - {"real"}}


def test_a_change_of_the_table_raises_its_version():
    """Results name a variant and the version of the table: the same two must mean the same parameters for ever."""
    table = repr(sorted((name, row.kind, row.severities, row.has_length) for name, row in GRADED.items()))
    known = {"1": "2e0e9e5bda0fc378"}
    assert known[VERSION] == hashlib.sha256(table.encode()).hexdigest()[:16]


def show_severities(row):
    """As docs/variants.md shows them: the share covered, not the margins that leave it; a cell's edge in pixels."""
    if row.kind == "occlusion":
        return ", ".join(f"{(1 - 2 * parameters[0]) ** 2:.2f}" for parameters in row.severities)
    if row.kind == "pixelate":
        return ", ".join(f"{parameters[0]:.2f}" for parameters in row.severities)
    return ", ".join(f"{parameters[0]:g}" if parameters else "-" for parameters in row.severities)


def test_the_page_of_variants_shows_the_table():
    page = (TASKS.parent / "docs" / "variants.md").read_text(encoding="utf-8").split("## Graded perturbations")[1]
    shown = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in page.splitlines() if "| `" in line]
    expected = [(f"`{name}`", row.kind, show_severities(row), row.source) for name, row in GRADED.items()]
    assert [row for row in shown if len(row) == 4] == expected
