"""Prompt styles: reasoning before an answer block, read from the block alone and never guessed from the reasoning."""

from string import ascii_uppercase

import datasets
import huggingface_hub
import lm_eval
import pytest
from support.field_rows import FIELD, FieldOracle
from support.medvqa_rows import RIGHT, MedVqaOracle, write_medvqa
from support.oracles import TASKS, find_tasks

from vrs_lmeval.reading.answers import EMPTY, NO_BLOCK, UNCLOSED_BLOCK, UNFINISHED, parse_answer, parse_tagged_answer
from vrs_lmeval.reading.markup import BLOCKS, find_last_block
from vrs_lmeval.records import Sample
from vrs_lmeval.task import VrsTask

YES_NO = Sample("s", "i", "is there a fracture?", ("yes",), "closed")
OPTIONS = Sample("s", "i", "which modality?", ("MRI",), "closed", options=("CT", "MRI"))
OPEN = Sample("s", "i", "which organ?", ("liver",), "open")


@pytest.mark.parametrize(
    ("text", "sample", "value", "reason"),
    [
        ("There is a line. <answer>Yes</answer>", YES_NO, "yes", None),
        ("Yes, surely.", YES_NO, None, NO_BLOCK),
        ("No fracture is seen. The answer is no.", YES_NO, None, NO_BLOCK),
        ("So <answer>yes", YES_NO, None, UNCLOSED_BLOCK),
        ("<answer>no</answer> or rather <answer>yes</answer>", YES_NO, "yes", None),
        ("<answer>no</answer> or rather <answer>yes", YES_NO, None, UNCLOSED_BLOCK),
        ("I write <answer> before it.\n\n<ANSWER>\nno\n</ANSWER>", YES_NO, "no", None),
        ("</answer> yes", YES_NO, None, NO_BLOCK),
        ("<answer> </answer>", YES_NO, None, EMPTY),
        ("<think><answer>no</answer></think><answer>yes</answer>", YES_NO, "yes", None),
        ("<think>I would say <answer>no</answer>", YES_NO, None, UNFINISHED),
        ("I would say <answer>no</answer></think> hm", YES_NO, None, NO_BLOCK),
        ("It is not a CT.\n<answer>B</answer>", OPTIONS, "mri", None),
        ("A. CT? No.\n<answer>B. MRI</answer> I am done.", OPTIONS, "mri", None),
        ("<answer>both</answer>", OPTIONS, None, "no option named"),
        ("It could be the lung. <answer>The liver.</answer>", OPEN, "liver", None),
        ("", OPEN, None, NO_BLOCK),
        (r"Air is dark. \boxed{B}", OPTIONS, "mri", None),
        (r"\boxed{A}, or rather \boxed{B", OPTIONS, None, UNCLOSED_BLOCK),
        (r"I see \boxed{}", OPTIONS, None, EMPTY),
        ("<final_answer>B</answer>", OPTIONS, None, UNCLOSED_BLOCK),
        ("I write <final_answer> first. <answer>B</answer>", OPTIONS, "mri", None),
        ("<option>A</option>", OPTIONS, None, NO_BLOCK),  # an echo of the options
    ],
)
def test_the_last_closed_block_is_the_answer(text, sample, value, reason):
    answer = parse_tagged_answer(text, sample)
    assert (answer.value, answer.reason) == (value, reason)


@pytest.mark.parametrize("form", BLOCKS, ids=lambda form: form.name)
def test_every_block_is_found_as_its_example_says(form):
    assert find_last_block(form.wrapped) == (form.plain, True)
    assert parse_tagged_answer(form.wrapped, OPEN) == parse_answer(form.plain, OPEN)
    assert parse_answer(form.wrapped, OPEN) == parse_answer(form.plain, OPEN)  # the short style reads the same one


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    write_medvqa(folder)
    for write in FIELD.values():
        write(folder)
    return folder


@pytest.fixture(autouse=True)
def _mirror(data_dir, monkeypatch):
    monkeypatch.setenv("VRS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("VRS_MEDICONFUSION_IMAGES", str(data_dir / "mediconfusion_images"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def evaluate(tasks, oracle):
    manager = find_tasks()
    model = MedVqaOracle(oracle)
    results = lm_eval.simple_evaluate(model=model, tasks=tasks, task_manager=manager, bootstrap_iters=10)
    return results, model.requests


@pytest.mark.slow
def test_both_styles_ask_the_same_questions_of_the_same_images_in_another_prompt():
    results, requests = evaluate(["vrs_medvqa", "vrs_medvqa_cot"], lambda task, question, image: "yes")
    for task in ("vrs_vqa_rad", "vrs_slake", "vrs_pathvqa", "vrs_pmc_vqa"):
        short, cot = (results["configs"][name]["vrs"] for name in (task, f"{task}_cot"))
        assert (short["prompt_style"], cot["prompt_style"]) == ("short", "cot")
        assert short["dataset"] == cot["dataset"]
        assert short["variants"] == cot["variants"]
        assert results["results"][f"{task}_cot"]["parse_failure_rate,none"] == 1  # "yes" without a block
    prompts = [request.args[0] for request in requests if request.task_name == "vrs_pmc_vqa_cot"]
    assert prompts[0] == (
        "<image>\nWhat technique is used?\nA. X-ray\nB. MRI\nC. CT\nD. Ultrasound\n"
        "Reason step by step about what is shown and what is asked. "
        "Then write the letter of the right option between <answer> and </answer>."
    )
    settings = next(request.args[1] for request in requests if request.task_name == "vrs_vqa_rad_cot")
    assert settings == {"do_sample": False, "max_gen_toks": 1024, "until": []}


def test_reasoning_is_not_read():
    def reasons(task, question, image):
        return "No, it cannot be. Yes? I am not sure.\n\n<answer>yes</answer>"

    short, cot = (evaluate([name], reasons)[0]["results"][name] for name in ("vrs_vqa_rad", "vrs_vqa_rad_cot"))
    # By hand: one of six questions has the gold yes; four cannot be answered so, two of them "A or B".
    assert cot["acc,none"] == pytest.approx(1 / 6)
    assert short["acc,none"] == cot["acc,none"]  # the short style follows a block too, where there is one


def test_mmmu_keeps_its_images_amid_the_text():
    prompts = []

    def answer(document, names, prompt):
        prompts.append((names, prompt))
        return f"<answer>{document['answer']}</answer>"

    manager = find_tasks()
    results = lm_eval.simple_evaluate(
        model=FieldOracle(answer), tasks=["vrs_mmmu_med_cot"], task_manager=manager, bootstrap_iters=10
    )
    assert results["results"]["vrs_mmmu_med_cot"]["acc,none"] == 1
    assert all(prompt.count("<image>") == len(names) for names, prompt in prompts)
    assert prompts[3][1].startswith("Compare <image> with <image>; is <image> larger?\nA. Yes\nB. No\nReason")


SAME_ON_BOTH = {"what is shown?", "Is the lung healthy?", "How many kidneys are there?", "What stain was used?"}


def test_claims_through_the_harness_and_in_the_group_row_by_hand():
    """A model that claims to see what it says of both images alike, and claims nothing where it really looks."""

    def pretends(task, question, image):
        if image == "blank":
            return "<answer>I cannot tell.</answer>"
        seen = "The image shows it clearly." if question in SAME_ON_BOTH else "Let me think."
        return f"{seen} <answer>{RIGHT[task][question]['ab'.index(image)]}</answer>"

    results = evaluate(["vrs_medvqa_cot"], pretends)[0]["results"]
    # Claims and unchanged answers are 2 of 6, 4 of 8, 0 of 9, 2 of 6; independence would give their squares.
    expected = {
        "vrs_vqa_rad_cot": (2 / 6, 2 / 6, 4 / 36),
        "vrs_slake_cot": (4 / 8, 4 / 8, 16 / 64),
        "vrs_pathvqa_cot": (0, 0, 0),
        "vrs_pmc_vqa_cot": (2 / 6, 2 / 6, 4 / 36),
        "vrs_medvqa_cot": (7 / 24, 7 / 24, 17 / 144),
    }
    for task, values in expected.items():
        names = ("claim_rate", "hvrr", "hvrr_if_independent")
        assert tuple(results[task][f"{name},none"] for name in names) == pytest.approx(values), task
    assert results["vrs_slake_cot"]["invariant_given_claim,none"] == 1
    assert results["vrs_slake_cot"]["hvrr_with_blank,none"] == 0  # it cannot tell on a blank image


PLAIN = sorted(
    path.stem
    for path in TASKS.glob("*/vrs_*.yaml")
    if "\ntest_split:" in path.read_text() and "\nvariants:" not in path.read_text()
)
"""Benchmarks with the three variants of all tasks; one that lists its own is an experiment on a benchmark."""


def test_every_benchmark_has_every_prompt_style():
    assert len(PLAIN) == 17
    names = {path.stem for path in TASKS.rglob("*.yaml")}
    assert {f"{task}_{style}" for task in PLAIN for style in ("cot", "mc")} <= names


def answer_in_a_block(document, names, prompt):
    return f"I looked. <answer>{document['answer']}</answer>"


def answer_by_letter(document, names, prompt):
    gold = {"包含": "是", "没有": "否", "不包含": "否"}.get(document["golds"][0], document["golds"][0])
    return ascii_uppercase[[option.lower() for option in document["options"]].index(gold.lower())]


@pytest.mark.models
@pytest.mark.parametrize("task", sorted(FIELD))
@pytest.mark.parametrize(("style", "knows"), [("cot", answer_in_a_block), ("mc", answer_by_letter)])
def test_the_field_is_asked_in_every_style_and_a_model_that_knows_the_golds_is_right(task, style, knows):
    manager = find_tasks()
    results = lm_eval.simple_evaluate(
        model=FieldOracle(knows), tasks=[f"{task}_{style}"], task_manager=manager, bootstrap_iters=10
    )
    measured = results["results"][f"{task}_{style}"]
    assert (measured["acc,none"], measured["vrs,none"], measured["parse_failure_rate,none"]) == (1, 0, 0)
    assert results["configs"][f"{task}_{style}"]["vrs"]["prompt_style"] == style


def test_an_unknown_style_is_named():
    config = {"task": "t", "dataset_path": "p", "test_split": "test", "variants": ["real"], "prompt_style": "poem"}
    with pytest.raises(ValueError, match="t: prompt_style: there is no 'poem'; there are short, cot, mc"):
        VrsTask(config)
