"""Reading from a hub, served on this machine: which files cross the network, and which commit the results name."""

import json
import os
import random
import subprocess
import sys

import pytest
from datasets import Dataset, Features, Image, Value
from support.field_rows import FIELD
from support.hub import COMMIT, serve_hub
from support.medvqa_rows import BENCHMARKS, write_labelled_slake, write_medvqa
from support.oracles import TASKS

pytestmark = pytest.mark.models

ON_NO_HUB = "vrs_vqa_med_2019"
TASKS_ON_HUBS = [*BENCHMARKS, "vrs_slake_labelled", *(task for task in FIELD if task != ON_NO_HUB)]

LOAD = """
import json, sys
from lm_eval.tasks import TaskManager
tasks = sys.argv[2:]
loaded = TaskManager(include_defaults=False, include_path=sys.argv[1]).load(tasks)["tasks"]
print(json.dumps({name: loaded[name].dump_config()["vrs"] for name in tasks}, default=str))
"""


def load(hub, home, *tasks, **environment):
    """The evidence of each task, loaded from the hub by a process of its own: HF_ENDPOINT is read at import."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VRS_"))}
    inherited |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    finished = subprocess.run(
        [sys.executable, "-c", LOAD, str(TASKS), *tasks],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    write_medvqa(folder)
    write_labelled_slake(folder)
    for write in FIELD.values():
        write(folder)
    write_training_split(folder / "flaviagiammarino" / "vqa-rad" / "data" / "train-00000-of-00001.parquet")
    return folder


def write_training_split(path):
    """Two questions with images of half a megabyte each: who reads text alone reads next to nothing of it."""
    noise = random.Random(0)
    features = Features({"image": Image(), "question": Value("string"), "answer": Value("string")})
    rows = [
        {"image": {"bytes": noise.randbytes(500_000), "path": None}, "question": question, "answer": answer}
        for question, answer in (("is the heart enlarged?", "yes"), ("what is shown?", "liver"))
    ]
    Dataset.from_list(rows, features=features).to_parquet(path)


def test_only_the_files_that_a_task_names_are_read_and_its_results_name_their_commit(root, tmp_path):
    images = {"VRS_MEDICONFUSION_IMAGES": str(root / "mediconfusion_images")}
    with serve_hub(root) as hub:
        evidence = load(hub, tmp_path, *TASKS_ON_HUBS, **images)
    for task, told in evidence.items():
        assert (told["dataset"]["revision"], told["dataset"]["read_from"]) == (COMMIT, "hub"), task
    training = {f"{BENCHMARKS[task].path}/data/train-00000-of-00001.parquet" for task in BENCHMARKS} - {
        "OctoMed/PMC-VQA/data/train-00000-of-00001.parquet"
    }
    expected = {
        *(f"{benchmark.path}/data/test-00000-of-00001.parquet" for benchmark in BENCHMARKS.values()),
        "OctoMed/SLAKE/data/test-00000-of-00001.parquet",
        "TsinghuaC3I/MedXpertQA/MM/test.jsonl",
        "TsinghuaC3I/MedXpertQA/images.zip",
        "foreverbeliever/OmniMedVQA/OmniMedVQA.zip",
        "rippleripple/ProbMed/test.json",
        *(f"rippleripple/ProbMed/probmed/{name}.jpg" for name in "ab"),
        "SimulaMet-HOST/Kvasir-VQA/data/raw-00000-of-00001.parquet",
        "shahab7899/MediConfusion/dataset.json",
        "SuhaoYu1020/MedFrameQA/data/test-00000-of-00001.parquet",
        "raidium/RadImageNet-VQA/benchmark/test-00000-of-00001.parquet",
        "MMMU/MMMU_Pro/standard (10 options)/test-00000-of-00001.parquet",
        "BoKelvin/SLAKE/test.json",
        "BoKelvin/SLAKE/imgs.zip",
    }
    data = {name for name in hub.fetched if not name.endswith("README.md") and not name.startswith("MMMU/MMMU/")}
    assert data - training == expected
    assert {name.rsplit("/")[-1] for name in hub.fetched if name.startswith("MMMU/MMMU/")} == {
        "validation-00000-of-00001.parquet"
    }
    # The question-only baseline: two columns of text out of a megabyte.
    (text,) = (name for name in training if name.startswith("flaviagiammarino/vqa-rad/"))
    assert evidence["vrs_vqa_rad"]["baselines"]["question_only"]["training_questions"] == 2
    assert 0 < hub.fetched[text] < 200_000 < 1_000_000 < (root / text).stat().st_size


def test_a_pinned_commit_is_what_the_hub_is_asked_for(root, tmp_path):
    path = BENCHMARKS["vrs_pmc_vqa"].path
    with serve_hub(root) as hub:
        told = load(hub, tmp_path, "vrs_pmc_vqa", VRS_REVISIONS=f"{path}={COMMIT}")["vrs_pmc_vqa"]["dataset"]
        assert hub.revisions[path] == {COMMIT}
        assert (told["revision"], told["revision_asked_for"]) == (COMMIT, COMMIT)


@pytest.mark.parametrize(
    "task",
    ["vrs_pmc_vqa", *(pytest.param(task, marks=pytest.mark.whole) for task in ("vrs_medxpertqa_mm", "vrs_probmed"))],
)
def test_what_was_fetched_once_is_read_without_a_connection(task, root, tmp_path):
    with serve_hub(root) as hub:
        online = load(hub, tmp_path, task)[task]["dataset"]
        fetched = hub.fetched.copy()
        offline = load(hub, tmp_path, task, HF_HUB_OFFLINE="1")[task]["dataset"]
        assert hub.fetched == fetched
    assert offline == online
    assert offline["revision"] == COMMIT


def test_a_data_set_that_the_hub_does_not_have_is_told_with_the_way_to_get_it(tmp_path):
    with serve_hub(tmp_path) as hub, pytest.raises(AssertionError) as caught:
        load(hub, tmp_path, "vrs_slake")
    assert "MissingDataError: The data set mdwiratathya/SLAKE-vqa-english could not be loaded" in str(caught.value)
    assert '--include "data/test-*" --local-dir DIR/mdwiratathya/SLAKE-vqa-english' in str(caught.value)
