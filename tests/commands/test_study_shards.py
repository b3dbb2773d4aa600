"""How runs are cut: by image, all questions once, about as large; which are not, and what a shard begins with."""

from __future__ import annotations

import json
import os
from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrs_lmeval.asking.answer_cache import AnswerCache
from vrs_lmeval.asking.kept_run import MODEL, DifferentModelsError
from vrs_lmeval.commands.study import read_study
from vrs_lmeval.commands.study_plan import describe_plan
from vrs_lmeval.commands.study_shards import cut_by_image, plan_run, prepare_job, prepare_replay
from vrs_lmeval.commands.study_tasks import Questions


def test_questions_on_one_image_stay_together_as_by_hand():
    assert cut_by_image(["a", "a", "b", "c", "c", "d"], 2) == [[0, 1, 2], [3, 4, 5]]
    assert cut_by_image(["a", "b", "a", "b"], 2) == [[0, 2], [1, 3]]
    assert cut_by_image(["a", "b"], 5) == [[0], [1]]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(1, 9))
def test_every_question_is_in_one_shard_with_all_on_its_image(images, shards):
    cut = cut_by_image([str(image) for image in images], shards)
    assert sorted(chain.from_iterable(cut)) == list(range(len(images)))
    assert all(part and part == sorted(part) for part in cut)  # the harness takes an empty list for all
    owners = {image: {place for place, part in enumerate(cut) for n in part if images[n] == image} for image in images}
    assert all(len(places) == 1 for places in owners.values())
    assert len(cut) <= shards
    assert max(map(len, cut)) <= len(images) / shards + max(Counter(images).values())


IMAGES = tuple("aabbccdd")


def make_study(folder, entry, task="vrs_sample", **content):
    path = folder / "study.yaml"
    path.write_text(
        json.dumps({"models": [{"model_args": {"pretrained": "org/one"}} | entry], "tasks": [task]} | content)
    )
    return read_study(path, folder / "out")


def plan(folder, entry, questions=None, **content):
    study = make_study(folder, entry, **content)
    if questions is None:
        questions = {"vrs_sample": Questions(IMAGES, True, False)}
    return plan_run(study.runs[0], study, questions)


def option(job, name):
    return job.command[job.command.index(name) + 1]


@pytest.mark.parametrize(
    ("entry", "sizes"),
    [
        ({"shards": 4}, (2, 2, 2, 2)),
        ({"shards": 1}, ()),
        ({"shard_above": 4}, (4, 4)),
        ({"shard_above": 8}, ()),
        ({"shard_above": 3, "shards": 2}, (4, 4)),
        ({"shard_above": 9, "shards": 2}, ()),
        ({}, ()),
    ],
)
def test_a_run_is_cut_as_its_entry_says(tmp_path, entry, sizes):
    planned = plan(tmp_path, entry)
    assert planned.sizes == sizes
    assert planned.why_whole is None


def test_what_the_file_says_holds_for_entries_that_say_nothing(tmp_path):
    assert len(plan(tmp_path, {}, shards=2).jobs) == 2
    assert len(plan(tmp_path, {"shards": 4}, shards=2).jobs) == 4


@pytest.mark.parametrize(("limit", "sizes"), [(5, (2, 3)), (0.5, (2, 2)), (100, (4, 4))])
def test_a_limit_is_kept_by_the_shards(tmp_path, limit, sizes):
    planned = plan(tmp_path, {"shards": 2}, arguments={"limit": limit})
    assert planned.sizes == sizes
    assert all("--limit" not in job.command for job in planned.jobs)  # lm_eval takes it or --samples
    assert option(planned.replay, "--limit") == str(limit)


def test_commands_of_shards_and_of_the_replay(tmp_path):
    planned = plan(tmp_path, {"shards": 2}, arguments={"batch_size": 8})
    first, second = planned.jobs
    assert first.label == "one on vrs_sample, shard 1 of 2"
    assert first.samples == {"vrs_sample": [0, 1, 2, 3]}
    assert second.samples == {"vrs_sample": [4, 5, 6, 7]}
    assert option(first, "--model_args") == f"pretrained=org/one,cache_dir={first.folder / 'answers'}"
    assert option(first, "--output_path") == str(first.folder)
    assert option(first, "--samples") == str(first.folder / "samples.json")
    assert option(first, "--batch_size") == "8"
    assert planned.replay.folder == planned.run.folder
    assert option(planned.replay, "--model_args").startswith("pretrained=org/one,answers_from=")
    assert "runs" not in first.folder.relative_to(tmp_path).parts, "a board would take the shard for a run"


def test_each_task_of_a_group_is_cut(tmp_path):
    questions = {"one": Questions(tuple("aabb"), True, False), "two": Questions(("z",), True, False)}
    planned = plan(tmp_path, {"shards": 2}, questions)
    assert [job.samples for job in planned.jobs] == [{"one": [0, 1], "two": [0]}, {"one": [2, 3]}]
    assert [option(job, "--tasks") for job in planned.jobs] == ["one,two", "one"]
    assert option(planned.replay, "--tasks") == "vrs_sample"


@pytest.mark.parametrize(
    ("entry", "questions", "arguments", "why"),
    [
        (
            {"model": "hf-multimodal"},
            Questions(IMAGES, True, False),
            {},
            "hf-multimodal cannot tell a run",
        ),
        ({}, None, {}, "not a task of vrs_lmeval"),
        ({}, Questions(IMAGES, True, False), {"samples": "s.json"}, "samples are among the arguments"),
        ({}, Questions(IMAGES, True, True), {}, "its answers are drawn"),
        ({}, Questions(IMAGES, False, False), {}, "keeps no answers to prompts of tasks without images"),
        ({"model": "vrs-api"}, Questions(IMAGES, False, False), {}, None),
    ],
)
def test_a_run_that_cannot_be_cut_is_done_whole_and_the_plan_says_why(tmp_path, entry, questions, arguments, why):
    study = make_study(tmp_path, entry | {"shards": 2}, arguments=arguments)
    planned = plan_run(study.runs[0], study, questions and {"vrs_sample": questions})
    lines = "\n".join(describe_plan(study, (), [planned]))
    if why is None:
        assert len(planned.jobs) == 2
        assert "in 2 shards of 4, 4" in lines
    else:
        assert len(planned.jobs) == 1
        assert planned.replay is None
        assert f"not cut: {why}" in lines or f"not cut: {entry.get('model', 'vrs-hf')} {why}" in lines


def test_a_whole_run_keeps_its_answers_too(tmp_path):
    (job,) = plan(tmp_path, {}).jobs
    assert "cache_dir=" in option(job, "--model_args")
    (own,) = plan(tmp_path, {"model_args": {"pretrained": "a", "cache_dir": "mine"}}).jobs
    assert option(own, "--model_args") == "pretrained=a,cache_dir=mine"
    (spread,) = plan(tmp_path, {"model_args": {"pretrained": "a", "parallelize": True}}).jobs
    assert "cache_dir" not in option(spread, "--model_args")  # layers on the disk have no key
    (other,) = plan(tmp_path, {"model": "hf-multimodal"}).jobs
    assert option(other, "--model_args") == "pretrained=org/one"


def keep(folder, answers, model="one"):
    kept = AnswerCache(folder, model)
    kept.keep(answers)
    kept.note(MODEL, model)


def test_a_shard_begins_with_what_another_cut_or_the_users_cache_kept(tmp_path):
    mine = {"model_args": {"pretrained": "a", "cache_dir": str(tmp_path / "mine")}}
    keep(tmp_path / "mine", {"1": "before"})
    halves = plan(tmp_path, mine | {"shards": 2})
    keep(halves.answer_folders[0], {"2": "of a half"})
    quarters = plan(tmp_path, mine | {"shards": 4})
    prepare_job(quarters, quarters.jobs[3])
    found = AnswerCache(quarters.answer_folders[3], "one")
    assert (found.find("1"), found.find("2")) == ("before", "of a half")
    assert json.loads((quarters.jobs[3].folder / "samples.json").read_text()) == {"vrs_sample": [6, 7]}


def test_a_shard_that_another_model_answered_is_asked_again(tmp_path):
    """An upgrade between two shards: the older one is no longer done."""
    planned = plan(tmp_path, {"shards": 2})
    for job, folder, model in zip(planned.jobs, planned.answer_folders, ("old torch", "new torch"), strict=True):
        prepare_job(planned, job)
        keep(folder, {folder.parent.name: "x"}, model)
        job.mark_done()
    os.utime(planned.answer_folders[0] / "verified_answers.sqlite3", (1, 1))
    with pytest.raises(DifferentModelsError, match="of 2 shards, 1 were answered by other weights"):
        prepare_replay(planned)
    assert [(job.folder / "study_run.json").is_file() for job in planned.jobs] == [False, True]
