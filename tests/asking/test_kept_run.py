"""A run cut into parts and told again from their answers equals the run in one piece, and loads no weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping

import pytest
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
from support.chat_server import serve
from support.tiny_llava import save_tiny_llava

from vrs_lmeval import model as model_module
from vrs_lmeval.asking.answer_cache import AnswerCache
from vrs_lmeval.asking.kept_run import MODEL, AnswersNotKeptError, DifferentModelsError, KeptRun, merge_parts
from vrs_lmeval.bridge import register, tasks_folder
from vrs_lmeval.commands.study_shards import cut_by_image
from vrs_lmeval.commands.study_tasks import KnownTasks

pytestmark = pytest.mark.models

ASKED = 12
"""Questions of vrs_sample; some share an image."""


@pytest.fixture(scope="module")
def tiny_llava(tmp_path_factory):
    return save_tiny_llava(tmp_path_factory.mktemp("tiny_llava"))


@pytest.fixture(scope="module")
def manager():
    register()
    return TaskManager(include_defaults=False, include_path=str(tasks_folder()))


def ask(manager, task, samples=None, kind="vrs-hf", **model_args):
    """(per-sample log as the harness writes it, what the results say of the model)."""
    model_args = {name: str(value) for name, value in model_args.items()}
    which: dict[str, object] = {"limit": ASKED} if samples is None else {"samples": {task: samples}}
    results = simple_evaluate(
        kind,
        model_args,
        tasks=[task],
        task_manager=manager,
        batch_size=4,
        device="cpu",
        bootstrap_iters=0,
        apply_chat_template=kind == "vrs-api",
        **which,
    )
    assert results is not None
    return json.loads(json.dumps(results["samples"][task], default=str)), results["config"]


def ask_in_parts(manager, task, folder, kind="vrs-hf", **model_args):
    """Merged answers of three parts, cut by image."""
    questions = KnownTasks().load(task)
    assert questions is not None
    parts = cut_by_image(questions[task].images[:ASKED], 3)
    infos = [ask(manager, task, part, kind, cache_dir=folder / str(n), **model_args)[1] for n, part in enumerate(parts)]
    merge_parts([folder / str(n) for n in range(len(parts))], folder / "merged")
    return infos


@pytest.fixture(scope="module")
def parts(manager, tiny_llava, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    return folder, ask_in_parts(manager, "vrs_sample", folder, pretrained=tiny_llava)


@pytest.fixture
def no_weights(monkeypatch):
    """Whoever loads a model fails."""

    def refuse(*args, **kwargs):
        pytest.fail("weights were loaded")

    monkeypatch.setattr("lm_eval.models.huggingface.HFLM._create_model", refuse)
    monkeypatch.setattr(model_module, "identify_model", refuse)


def test_texts_told_again_equal_those_of_one_run(manager, tiny_llava, parts, monkeypatch):
    whole, config = ask(manager, "vrs_sample", pretrained=tiny_llava)
    monkeypatch.setattr("lm_eval.models.huggingface.HFLM._create_model", lambda *_, **__: pytest.fail("weights"))
    again, told = ask(manager, "vrs_sample", pretrained=tiny_llava, answers_from=parts[0] / "merged")
    assert again == whole
    assert len({text for sample in whole for (text,) in sample["resps"]}) > ASKED, "the model hardly reacts"
    for name in ("model_num_parameters", "vrs_image_path", "vrs_missing_weights", "vrs_without_images"):
        assert told[name] == config[name]


def test_likelihoods_told_again_are_those_of_the_parts(manager, tiny_llava, tmp_path):
    """In other batches sums are rounded otherwise, so those of one run may differ by that."""
    ask_in_parts(manager, "vrs_sample_mc", tmp_path, pretrained=tiny_llava)
    again, _ = ask(manager, "vrs_sample_mc", pretrained=tiny_llava, answers_from=tmp_path / "merged")
    whole, _ = ask(manager, "vrs_sample_mc", pretrained=tiny_llava)
    for one, other in zip(again, whole, strict=True):
        for (pair,), (expected,) in zip(one["resps"], other["resps"], strict=True):
            assert float(pair[0]) == pytest.approx(float(expected[0]), abs=1e-4)
    questions = KnownTasks().load("vrs_sample_mc")
    part = cut_by_image(questions["vrs_sample_mc"].images[:ASKED], 3)[0]
    of_part, _ = ask(manager, "vrs_sample_mc", part, pretrained=tiny_llava, cache_dir=tmp_path / "0")
    assert [again[number]["resps"] for number in part] == [sample["resps"] for sample in of_part]


def test_the_results_say_the_work_of_all_parts(manager, tiny_llava, parts, no_weights):
    folder, infos = parts
    _, told = ask(manager, "vrs_sample", pretrained=tiny_llava, answers_from=folder / "merged")
    assert told["vrs_parts"] == {"count": 3, "answers_that_differ": 0}
    for name, count in told["vrs_work"].items():
        assert count == sum(info["vrs_work"][name] for info in infos)
    assert told["vrs_work"]["asked_by_prefix"] + told["vrs_work"]["asked_plainly"] == 3 * ASKED
    assert told["vrs_cache"]["hits"] == 3 * ASKED


def test_a_missing_answer_ends_the_run_and_is_not_asked(manager, tiny_llava, parts, tmp_path, no_weights):
    folder, _ = parts
    merge_parts([folder / "0", folder / "2"], tmp_path)
    with pytest.raises(AnswersNotKeptError, match=r"\d+ of 36 answers are not kept in .*; no model is loaded"):
        ask(manager, "vrs_sample", pretrained=tiny_llava, answers_from=tmp_path)


def test_tasks_without_images_cannot_be_told_again(manager, tiny_llava, parts, no_weights):
    with pytest.raises(AnswersNotKeptError, match="text tasks are not kept"):
        ask(manager, "vrs_sample_text", pretrained=tiny_llava, answers_from=parts[0] / "merged")


def test_another_task_finds_its_own_answers_alone(manager, tiny_llava, parts, no_weights):
    """Its first variants are those of the other, its further ones were not asked."""
    with pytest.raises(AnswersNotKeptError, match="answers are not kept"):
        ask(manager, "vrs_sample_robust", pretrained=tiny_llava, answers_from=parts[0] / "merged")


def test_a_model_that_takes_no_prompt_without_an_image_is_told_so_again(manager, tiny_llava, tmp_path, monkeypatch):
    from vrs_lmeval.asking.asker import Asker

    reason = "Tiny takes no prompt without an image (ValueError: no pixels)"
    with monkeypatch.context() as patch:
        patch.setattr(Asker, "_try_without_images", lambda *_: reason)
        whole, _ = ask(manager, "vrs_sample_mirage", pretrained=tiny_llava)
        ask_in_parts(manager, "vrs_sample_mirage", tmp_path, pretrained=tiny_llava)
    again, told = ask(manager, "vrs_sample_mirage", pretrained=tiny_llava, answers_from=tmp_path / "merged")
    assert again == whole
    assert told["vrs_without_images"] == reason


def test_a_folder_without_answers_is_refused(tiny_llava, tmp_path):
    with pytest.raises(AnswersNotKeptError, match="holds no verified_answers"):
        KeptRun(tmp_path / "none")
    AnswerCache(tmp_path, "x").keep({"a": "b"})
    with pytest.raises(AnswersNotKeptError, match="does not say which model answered"):
        KeptRun(tmp_path).open()


def test_parts_of_different_models_are_not_put_together(tmp_path):
    for name in "abc":
        kept = AnswerCache(tmp_path / name, name)
        kept.keep({name: name})
        kept.note(MODEL, "new" if name == "c" else "old")
    with pytest.raises(DifferentModelsError) as caught:
        merge_parts([tmp_path / name for name in "abc"], tmp_path / "merged")
    assert caught.value.odd == (0, 1)  # the newest is the measure
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(AnswersNotKeptError, match="holds no answers"):
        merge_parts([tmp_path / name for name in "abc"], tmp_path / "merged")


def test_rows_that_do_not_verify_are_left_behind_and_differences_counted(tmp_path):
    one, two = AnswerCache(tmp_path / "one", "m"), AnswerCache(tmp_path / "two", "m")
    one.keep({"same": "x", "other": "x", "spoilt": "x"})
    two.keep({"same": "x", "other": "y"})
    for kept in (one, two):
        kept.note(MODEL, "m")
    with one._connection as connection:
        connection.execute("UPDATE answers SET answer = ? WHERE key = 'spoilt'", (b'"z"',))
    merge_parts([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    merged = AnswerCache(tmp_path / "merged", "m")
    assert [merged.find(key) for key in ("same", "other", "spoilt")] == ["x", "x", None]
    assert KeptRun(tmp_path / "merged").describe()["vrs_parts"] == {"count": 2, "answers_that_differ": 1}


def test_a_damaged_note_is_none(tmp_path):
    kept = AnswerCache(tmp_path, "m")
    assert kept.read_note(MODEL) is None
    kept.note(MODEL, "m")
    kept.note(MODEL, "n")
    assert AnswerCache(tmp_path, "").read_note(MODEL) == "n"
    with kept._connection as connection:
        connection.execute("UPDATE notes SET text = ?", (b'"o"',))
    assert AnswerCache(tmp_path, "").read_note(MODEL) is None


def test_a_server_is_not_asked_again(manager, tmp_path):
    def answer(asked) -> Mapping:
        return {"choices": [{"message": {"content": f"yes {len(asked.text)}"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 2}}  # fmt: skip

    with serve(answer) as server:
        named = {"model": "m", "base_url": server.url, "canary": False, "num_concurrent": 8}
        whole, _ = ask(manager, "vrs_sample", kind="vrs-api", **named)
        infos = ask_in_parts(manager, "vrs_sample", tmp_path, "vrs-api", **named)
        asked = len(server.questions)
        again, told = ask(manager, "vrs_sample", kind="vrs-api", answers_from=tmp_path / "merged", **named)
        assert len(server.questions) == asked
        merge_parts([tmp_path / "0"], tmp_path / "one")
        with pytest.raises(AnswersNotKeptError):
            ask(manager, "vrs_sample", kind="vrs-api", answers_from=tmp_path / "one", **named)
        assert len(server.questions) == asked
    assert again == whole
    for name in ("requests", "tokens_in", "tokens_out"):
        assert told["vrs_api"][name] == sum(info["vrs_api"][name] for info in infos)
