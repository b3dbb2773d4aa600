"""The benchmarks beyond the paper's four, on rows made by us with their schema and quirks, through the harness."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import datasets
import huggingface_hub
import lm_eval
import pytest
from support.field_rows import FIELD, MMMU_SUBJECTS, PICTURES, FieldOracle
from support.medvqa_rows import write_medvqa
from support.oracles import TASKS, find_tasks

from vrs_lmeval.benchmark.samples import load_benchmark
from vrs_lmeval.benchmark.sources import Columns, DatasetSource, MissingDataError

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    for write in FIELD.values():
        write(folder)
    write_medvqa(folder)
    return folder


@pytest.fixture(autouse=True)
def _mirror(data_dir, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("VRS_MEDICONFUSION_IMAGES", str(data_dir / "mediconfusion_images"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def run(task, oracle, **options):
    """The task's results, its requests as (document, pictures shown, prompt), and the logged samples."""
    seen = []

    def answer(document, names, prompt):
        seen.append((dict(document), names, prompt))
        return oracle(document, names)

    manager = find_tasks()
    results = lm_eval.simple_evaluate(
        model=FieldOracle(answer), tasks=[task], task_manager=manager, bootstrap_iters=10, log_samples=True, **options
    )
    return results, seen


def knows(document, names):
    return document["answer"]


@pytest.fixture(scope="module")
def known_runs():
    """What `run(task, knows)` gives, for tests that look at different sides of the same run."""
    return {}


def run_known(known_runs, task):
    if task not in known_runs:
        known_runs[task] = run(task, knows)
    return known_runs[task]


def measure(results, task):
    return {name.removesuffix(",none"): value for name, value in results["results"][task].items()}


@pytest.mark.parametrize("task", FIELD)
def test_each_task_runs_and_a_model_that_knows_the_golds_is_always_right(task, known_runs):
    results, seen = run_known(known_runs, task)
    measured = measure(results, task)
    assert (measured["acc"], measured["acc_shuffled"], measured["vrs"]) == (1, 1, 0)
    assert len(seen) == 3 * results["configs"][task]["vrs"]["dataset"]["questions"]
    assert results["configs"][task]["vrs"]["dataset"]["golds_outside_options"] == 0
    for document, names, prompt in seen:
        assert prompt.count("<image>") == len(names) == len(document["image_ids"])
        assert not re.search(r"<image \d>", prompt)


@pytest.mark.parametrize("task", FIELD)
def test_a_shuffled_question_shows_none_of_its_own_pictures_and_a_blank_one_none_at_all(task, known_runs):
    _, seen = run_known(known_runs, task)
    by_question = {}
    for document, names, _ in seen:
        by_question.setdefault(document["sample_id"], []).append(names)
    for real, blank, shuffled in by_question.values():
        assert set(blank) == {"-"}
        assert "-" not in real + shuffled
        assert len(real) == len(blank) == len(shuffled)
        assert task == "vrs_kvasir_vqa" or not set(real) & set(shuffled)


def test_medxpertqa_shows_every_picture_and_prints_its_options_once():
    _, seen = run("vrs_medxpertqa_mm", lambda document, names: {"a": "C", "bcd": "(A)"}.get(names, "B"))
    shown = {document["answer"]: [] for document, _, _ in seen}
    for document, names, _ in seen:
        shown[document["answer"]].append(names)
    # Two questions: partners of each other. One picture is repeated, or the first of three shown alone.
    assert shown == {"tumor": ["a", "-", "b"], "cyst": ["bcd", "---", "aaa"]}
    assert seen[0][2] == (
        "<image>\nWhich lesion is shown?\nA. cyst\nB. abscess\nC. tumor\nD. scar\nE. normal\n"
        "Answer with the option's letter from the given choices directly."
    )


def test_a_preview_numbers_the_pictures_of_a_question():
    manager = find_tasks()
    task = manager.load(["vrs_medxpertqa_mm"])["tasks"]["vrs_medxpertqa_mm"]
    assert list(task.show_variants(0)[1]) == ["real", "blank", "shuffled"]
    _, shown = task.show_variants(1)
    assert list(shown) == [f"{variant} {number}" for variant in ("real", "blank", "shuffled") for number in (1, 2, 3)]
    assert [image.size for image in list(shown.values())[:3]] == [PICTURES[name].size for name in "bcd"]


def test_medxpertqa_in_the_schema_of_its_github_release(data_dir, tmp_path, monkeypatch):
    lines = (data_dir / "TsinghuaC3I/MedXpertQA/MM/test.jsonl").read_text().splitlines()
    published = [json.loads(line) for line in lines]
    for row in published:
        row["options"] = [{"letter": letter, "content": text} for letter, text in row["options"].items()]
        row["label"] = [row["label"]]
    folder = tmp_path / "TsinghuaC3I" / "MedXpertQA"
    (folder / "MM").mkdir(parents=True)
    (folder / "MM" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in published))
    (folder / "images.zip").write_bytes((data_dir / "TsinghuaC3I/MedXpertQA/images.zip").read_bytes())
    ours = run("vrs_medxpertqa_mm", knows)[0]["configs"]["vrs_medxpertqa_mm"]["vrs"]["dataset"]
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    theirs = run("vrs_medxpertqa_mm", knows)[0]["configs"]["vrs_medxpertqa_mm"]["vrs"]["dataset"]
    assert ours["content_sha256"] == theirs["content_sha256"]


def test_mmmu_shows_pictures_where_they_are_called_for(known_runs):
    _, seen = run_known(known_runs, "vrs_mmmu_med")
    real = [(names, prompt) for _, names, prompt in seen[::3]]
    short, letter = (
        "Answer the question using a single word or phrase.",
        "Answer with the option's letter from the given",
    )
    assert real[0] == ("a", f"<image> What tissue is shown?\nA. bone\nB. muscle or 'fat'\n{letter} choices directly.")
    assert real[1] == (
        "bcb",
        f"Compare <image> with <image>; is <image> larger?\nA. Yes\nB. No\n{letter} choices directly.",
    )
    assert real[2] == ("de", f"Which is the MRI?\nA. <image>\nB. <image>\n{letter} choices directly.")
    assert real[3] == ("f", f"What is the dose in <image>?\n{short}")
    assert [document["golds"] for document, _, _ in seen[::3]][2:] == [["<image 2>"], ["24/7", "3.43"], ["C"]]
    assert [document["answer_type"] for document, _, _ in seen[::3]] == ["closed"] * 3 + ["open"] * 2
    assert len(seen) == 3 * len(MMMU_SUBJECTS)


def test_mmmu_pro_keeps_the_health_subjects_and_shows_ten_options(known_runs):
    results, seen = run_known(known_runs, "vrs_mmmu_pro_med")
    documents = [document for document, _, _ in seen[::3]]
    assert [document["question_type"] for document in documents] == ["Clinical_Medicine", "Pharmacy"]
    assert [document["golds"] for document in documents] == [["finding 9"], ["unlike"]]
    assert [names for _, names, _ in seen[::3]] == ["a", "bc"]
    assert "\nJ. finding 9\nAnswer with the option's letter" in seen[0][2]
    assert seen[3][2].startswith("Compare <image> and <image>.\nA. alike\n")
    assert measure(results, "vrs_mmmu_pro_med")["acc_question_type_pharmacy"] == 1


def test_medframeqa_shows_all_frames_in_their_order(known_runs):
    _, seen = run_known(known_runs, "vrs_medframeqa")
    assert [names for _, names, _ in seen[::3]] == ["ab", "cdefg"]
    assert [document["golds"] for document, _, _ in seen[::3]] == [["cyst"], ["mass"]]
    assert seen[3][2].startswith("<image><image><image><image><image>\nWhich finding is common to all frames?\nA. eff")


def test_radimagenet_vqa_asks_each_of_its_three_kinds_in_its_own_prompt(known_runs):
    results, seen = run_known(known_runs, "vrs_radimagenet_vqa")
    documents = [document for document, _, _ in seen[::3]]
    assert [document["golds"] for document in documents] == [
        ["ankle foot"], ["hip"], ["yes"], ["no"], ["plantar fascia tear"],
    ]  # fmt: skip
    assert [document["answer_type"] for document in documents] == ["closed"] * 4 + ["open"]
    letter = "D. ankle foot\nAnswer with the option's letter from the given choices directly."
    assert seen[0][2] == f"<image>\nWhat is the anatomical region?\nA. hip\nB. brain\nC. spine\n{letter}"
    short = "Answer the question using a single word or phrase."
    assert seen[6][2] == f"<image>\nIs an abnormality present?\n{short}"
    assert measure(results, "vrs_radimagenet_vqa")["acc_question_type_anatomy"] == 1


def test_slake_of_its_authors_is_parted_by_language(known_runs):
    seen = {task: run_known(known_runs, task)[1][::3] for task in ("vrs_slake_original", "vrs_slake_zh")}
    shown = [(document["question"], names) for document, names, _ in seen["vrs_slake_original"]]
    assert shown[:2] == [("What modality is used?", "a"), ("What modality is used?", "b")]
    assert [document["answer_type"] for document, _, _ in seen["vrs_slake_original"]] == ["open"] * 2 + ["closed"] * 2
    document, names, prompt = seen["vrs_slake_zh"][1]
    assert (names, prompt) == ("b", "<image>\n图中包含肝脏吗？\n请用一个词或短语回答问题。")
    assert (document["golds"], document["modality"], document["question_type"]) == (["不包含"], "CT", "Organ")
    assert len(seen["vrs_slake_zh"]) == 8


def test_slake_in_chinese_reads_what_a_model_says_in_a_sentence():
    said = {
        "图中包含肝脏吗？": {"a": "是的，图中包含肝脏。", "b": "图像中没有肝脏。"},
        "肺部是否异常？": {"a": "肺部异常。", "b": "未见明显异常。"},
        "图中有没有肿块？": {"a": "没有发现肿块", "b": ""},
        "这是CT还是MRI？": {"a": "这是一张CT图像，不是MRI。", "b": "MRI"},
        "病变在哪里？": {"b": "左肺、右肺"},
        "图中有几个肾脏？": {"a": "2个"},
    }
    results, _ = run("vrs_slake_zh", lambda document, names: said[document["question"]].get(names, "无法确定。"))
    measured = measure(results, "vrs_slake_zh")
    assert measured["acc"] == 1
    # Eight questions under three variants: all eight blank ones are refused, and three that show the other picture.
    assert measured["parse_failure_rate"] == pytest.approx(11 / 24)
    assert results["configs"]["vrs_slake_zh"]["vrs"]["dataset"]["unanswerable_golds"] == 0


def test_omnimedvqa_reads_its_two_spellings_of_modality(known_runs):
    _, seen = run_known(known_runs, "vrs_omnimedvqa")
    documents = [document for document, _, _ in seen[::3]]
    assert {document["modality"] for document in documents} == {"MR (Magnetic Resonance Imaging)"}
    assert [len(document["options"]) for document in documents] == [2, 2, 4]


def test_probmed_counts_a_set_only_if_every_probe_of_it_is_right():
    def believes_everything(document, names):
        return "Yes"

    results, _ = run("vrs_probmed", believes_everything)
    measured = measure(results, "vrs_probmed")
    assert measured["acc"] == pytest.approx(5 / 9)
    # Of modality, body part, abnormality, entities of each picture only the abnormality has no hallucinated twin.
    assert measured["set_accuracy"] == pytest.approx(1 / 4)

    def misses_one_nodule(document, names):
        return "no" if names == "a" and "nodule" in document["question"] else document["answer"]

    measured = measure(run("vrs_probmed", misses_one_nodule)[0], "vrs_probmed")
    assert measured["set_accuracy"] == pytest.approx(7 / 8)  # both pairs of entities of picture "a" are one set
    # Two images, 3 and 4 of 4 sets right: sqrt(2/1 * 2 * 0.5^2) / 8.
    assert measured["set_accuracy_stderr"] == pytest.approx(1 / 8)
    assert "confusion" not in measured  # other questions, not one question on two images


def test_a_limit_leaves_half_sets_out():
    measured = measure(run("vrs_probmed", knows, limit=3)[0], "vrs_probmed")
    assert measured["set_accuracy"] == 1
    wrong_later = measure(
        run("vrs_probmed", lambda d, n: "no" if "chest" in d["question"] else d["answer"], limit=3)[0], "vrs_probmed"
    )
    assert wrong_later["acc"] == pytest.approx(2 / 3)
    assert wrong_later["set_accuracy"] == 1  # the body part's second probe was not asked


def test_mediconfusion_set_accuracy_and_confusion():
    def always_lung(document, names):
        return "A"

    measured = measure(run("vrs_mediconfusion", always_lung)[0], "vrs_mediconfusion")
    assert (measured["acc"], measured["set_accuracy"], measured["confusion"]) == (0.5, 0, 1)

    def sees_one_pair(document, names):
        return {"a": "A", "b": "B", "c": "A", "d": "I cannot tell.", "e": "A"}[names] if names != "-" else "A"

    # Pairs: a-b told apart; c-b too; d-e: d unparsable, so the pair is wrong, and says nothing of confusion.
    measured = measure(run("vrs_mediconfusion", sees_one_pair)[0], "vrs_mediconfusion")
    assert (measured["acc"], measured["set_accuracy"]) == pytest.approx((5 / 6, 2 / 3))
    assert measured["confusion"] == 0
    # The pairs a-b and c-b share a picture: clusters {2 right of 2}, {0 of 1}: residuals 2/3, -2/3, shares 2/3, 1/3.
    assert measured["set_accuracy_stderr"] == pytest.approx(((2 / 3) ** 2 * 3 + (2 / 3) ** 2 * 3 / 2) ** 0.5 / 3)


def test_mediconfusion_keeps_the_captions_out_of_its_prompts(known_runs):
    _, seen = run_known(known_runs, "vrs_mediconfusion")
    assert not any("caption" in prompt for _, _, prompt in seen)


@pytest.mark.parametrize("value", [None, "nowhere"])
def test_mediconfusion_without_its_pictures_says_what_to_do(value, monkeypatch):
    monkeypatch.delenv("VRS_MEDICONFUSION_IMAGES")
    if value:
        monkeypatch.setenv("VRS_MEDICONFUSION_IMAGES", value)
    with pytest.raises(MissingDataError, match="set VRS_MEDICONFUSION_IMAGES to the folder"):
        run("vrs_mediconfusion", knows)


def test_vqa_med_2019_accepts_alternatives_with_and_without_brackets():
    for said, right in (
        ("septic emboli", 1),
        ("Stroke", 1),
        ("angioinvasive aspergillosis with septic emboli.", 1),
        ("emboli", 0),
    ):
        results, _ = run("vrs_vqa_med_2019", lambda document, names, said=said: said)
        measured = measure(results, "vrs_vqa_med_2019")
        assert measured["acc"] == pytest.approx(right / 4), said


def test_vqa_med_2019_prints_each_category_beside_its_most_frequent_answer(known_runs):
    measured = measure(run_known(known_runs, "vrs_vqa_med_2019")[0], "vrs_vqa_med_2019")
    # Two questions each, with golds of their own: the first one's gold is right for the first alone.
    for category in ("modality", "abnormality"):
        assert measured[f"acc_question_type_{category}"] == 1
        assert measured[f"acc_majority_question_type_{category}"] == 0.5
    assert measured["acc_majority"] == 0.5  # "yes" of one closed question, and one of three open ones


def test_vqa_med_2019_is_on_no_hub_and_says_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"on no hub, and VRS_DATA_DIR=.* Get it from Zenodo record 10499039"):
        run("vrs_vqa_med_2019", knows)


def kvasir(share):
    return DatasetSource("SimulaMet-HOST/Kvasir-VQA", "raw", data_files="data/raw-*", image_share=share)


def test_the_kvasir_split_is_whole_images_and_grows_with_its_share():
    whole, half, tenth = (load_benchmark(kvasir(share)) for share in (None, 0.5, 0.1))
    assert len(whole.samples) == 120
    ids = [{sample.sample_id for sample in benchmark.samples} for benchmark in (tenth, half, whole)]
    assert ids[0] < ids[1] < ids[2]
    assert len(tenth.samples) == 2 * len(tenth.images)
    # 60 images at a share of 0.5: binomial, 30 +- 3.9; six standard deviations.
    assert 7 < len(half.images) < 53


def test_the_kvasir_split_does_not_depend_on_row_order(data_dir, tmp_path, monkeypatch):
    path = "SimulaMet-HOST/Kvasir-VQA"
    rows = datasets.Dataset.from_parquet(str(data_dir / path / "data" / "raw-00000-of-00001.parquet"))
    (tmp_path / path / "data").mkdir(parents=True)
    rows.select(range(len(rows) - 1, -1, -1)).to_parquet(tmp_path / path / "data" / "raw-0.parquet")
    before = load_benchmark(kvasir(0.1)).evidence["content_sha256"]
    monkeypatch.setenv("VRS_DATA_DIR", str(tmp_path))
    assert load_benchmark(kvasir(0.1)).evidence["content_sha256"] == before


def test_every_yaml_file_is_in_the_harness_index_under_its_own_name():
    files = sorted(path.stem for path in TASKS.rglob("*.yaml"))
    assert sorted(find_tasks().all_tasks) == files


def test_the_page_of_tasks_has_every_task_in_each_of_its_tables():
    page = (TASKS.parent / "docs" / "tasks.md").read_text(encoding="utf-8")
    texts = {path.stem: path.read_text() for path in TASKS.rglob("*.yaml")}
    benchmarks = {name for name, text in texts.items() if "dataset_path:" in text}
    tables = re.split(r"^## ", page, flags=re.MULTILINE)[:3]
    for table in tables:
        first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ") and "`vrs_" in line]
        assert set(re.findall(r"`(vrs_\w+)`", "".join(first_cells))) == benchmarks
    assert "All are at version 1.0." in page
    for name, text in texts.items():
        style = re.fullmatch(r"(vrs_\w+?)_(cot|mc|partners|robust|mirage|text|text_mc|modalities|rotated)", name)
        assert name in benchmarks or f"{name}`" in page or (style and style[1] in benchmarks), name
        assert "version:" not in text or "\n  version: 1.0\n" in text, name


def test_an_unpacked_archive_is_read_as_well(data_dir, tmp_path, monkeypatch):
    for task, path in (("vrs_medxpertqa_mm", "TsinghuaC3I/MedXpertQA"), ("vrs_vqa_med_2019", "VQA-Med-2019")):
        packed = run(task, knows)[0]["configs"][task]["vrs"]["dataset"]["content_sha256"]
        shutil.copytree(data_dir / path, tmp_path / path)
        (archive,) = (tmp_path / path).rglob("*.zip")
        zipfile.ZipFile(archive).extractall(archive.parent)
        archive.unlink()
        with monkeypatch.context() as context:
            context.setenv("VRS_DATA_DIR", str(tmp_path))
            unpacked = run(task, knows)[0]["configs"][task]["vrs"]["dataset"]["content_sha256"]
        assert unpacked == packed


def test_plain_columns_still_read_a_column_that_another_benchmark_lacks(data_dir):
    source = DatasetSource(
        "SimulaMet-HOST/Kvasir-VQA", "raw", data_files="data/raw-*", columns=Columns(question_type="source")
    )
    assert {sample.question_type for sample in load_benchmark(source).samples} == {"polyps"}


def run_lm_eval(*arguments):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(
        [sys.executable, "-m", "lm_eval", *arguments], capture_output=True, text=True, timeout=600, env=environment
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


def test_lm_eval_validates_every_task():
    tasks = sorted(path.stem for path in TASKS.rglob("*.yaml"))
    assert "All tasks found and valid" in run_lm_eval("validate", "--tasks", ",".join(tasks))


def test_the_command_line_runs_them_with_a_control_model_that_is_shown_all_images(tmp_path):
    """The control model is a LLaVA: it fails where a prompt's placeholders and its images differ in number."""
    tasks = [*FIELD, "vrs_pmc_vqa_cot"]
    controls = TASKS.parent / "controls" / "sighted"
    table = run_lm_eval(
        *("run", "--model", "vrs-hf", "--model_args", f"pretrained={controls}", "--tasks", ",".join(tasks)),
        *(
            "--limit",
            "4",
            "--batch_size",
            "16",
            "--gen_kwargs",
            "max_gen_toks=4",
            "--log_samples",
            "--output_path",
            str(tmp_path),
        ),
    )
    (file,) = tmp_path.rglob("results_*.json")
    results = json.loads(file.read_text())
    for task in tasks:
        (log,) = tmp_path.rglob(f"samples_{task}_*.jsonl")
        logged = [json.loads(line) for line in log.read_text().splitlines()]
        assert len(logged) == min(4, results["configs"][task]["vrs"]["dataset"]["questions"])
        for sample in logged:
            requests = [list(arguments.values()) for arguments in sample["arguments"].values()]
            assert all(prompt.count("<image>") == len(options["visual"]) for prompt, _, options in requests)
        assert f"|{task}" in table.replace(" ", "")
    assert results["results"]["vrs_mediconfusion"]["set_accuracy,none"] >= 0
    assert results["results"]["vrs_pmc_vqa_cot"]["parse_failure_rate,none"] == 1  # four tokens hold no answer block
