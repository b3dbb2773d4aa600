"""Kept answers: what changes an answer changes its key, and a killed run goes on where its last batch ended."""

import copy
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import CachingLM
from support.architectures import ARCHITECTURES
from support.harness_models import generation, make_requests, show_images, wrap

from vrs_lmeval.asking.answer_cache import FILE_NAME
from vrs_lmeval.model import VrsHF

pytestmark = pytest.mark.models

BATCH = 4


@pytest.fixture(scope="module")
def llava():
    return ARCHITECTURES["llava"].make()


def run(parts, folder, requests, **options):
    """(answers, how many of them the cache gave) of a fresh vrs-hf."""
    lm = wrap(VrsHF, *copy.deepcopy(parts), batch_size=BATCH, cache_dir=str(folder), **options)
    answers = lm.generate_until(requests, disable_tqdm=True)
    return answers, lm.get_model_info()["vrs_work"]["cache_hits"]


def test_a_second_run_computes_nothing(llava, tmp_path):
    requests = make_requests()
    first, found = run(llava, tmp_path, requests)
    assert found == 0
    again, found = run(llava, tmp_path, requests)
    assert (again, found) == (first, len(requests))


def test_likelihoods_are_kept_too(llava, tmp_path):
    requests = [
        Instance("loglikelihood", {}, ("<image>\nwhy? ", option, {"visual": show_images()[:1]}), 0)
        for option in ("yes", "no")
    ]
    first, again = (wrap(VrsHF, *copy.deepcopy(llava), cache_dir=str(tmp_path), batch_size=2) for _ in range(2))
    scores = first.loglikelihood(requests, disable_tqdm=True)
    assert again.loglikelihood(requests[::-1], disable_tqdm=True) == scores[::-1]
    assert again.get_model_info()["vrs_work"]["cache_hits"] == 2


def test_other_weights_share_no_answer(llava, tmp_path):
    requests = make_requests()
    run(llava, tmp_path, requests)
    model, processor = copy.deepcopy(llava)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-3
    assert run((model, processor), tmp_path, requests)[1] == 0


def test_what_changes_an_answer_changes_its_key(llava, tmp_path):
    real, blank, other, *_ = show_images()
    run(llava, tmp_path, [generation("<image>\nwhy?", real)])
    changed = [
        generation("<image>\nwhy?", blank),
        generation("<image>\nwhy?", other),
        generation("<image>\nWhy?", real),
        generation("<image>\nwhy?", real, max_gen_toks=5),
    ]
    assert run(llava, tmp_path, changed)[1] == 0
    assert run(llava, tmp_path, [generation("<image>\nwhy?", real)], max_length=1024)[1] == 0
    assert run(llava, tmp_path, [generation("<image>\nwhy?", real)])[1] == 1


def test_a_processor_that_writes_other_image_tokens_shares_no_answer(llava, tmp_path):
    requests = make_requests()
    run(llava, tmp_path, requests)
    model, processor = copy.deepcopy(llava)
    processor.num_additional_image_tokens += 1
    lm = wrap(VrsHF, model, processor, batch_size=BATCH, cache_dir=str(tmp_path))
    keys = {index: lm._key_generation(request) for index, request in enumerate(requests)}
    assert not lm._find(keys, lambda answer: True)


def test_drawn_answers_are_not_kept(llava, tmp_path):
    requests = [generation("<image>\nwhy?", show_images()[0], do_sample=True, temperature=1.0)]
    run(llava, tmp_path, requests)
    assert run(llava, tmp_path, requests)[1] == 0


def test_the_harness_cache_is_refused_with_the_reason(llava, tmp_path):
    with pytest.raises(ValueError, match=r"--use_cache keeps answers without the model.*cache_dir"):
        CachingLM(wrap(VrsHF, *copy.deepcopy(llava), batch_size=1), str(tmp_path / "harness"))


def overwrite(place, content):
    return lambda path: path.write_bytes(
        path.read_bytes()[:place] + content + path.read_bytes()[place + len(content) :]
    )


def flip(place, bit):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[place] ^= 1 << bit
        path.write_bytes(content)

    return damage


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "no database": lambda path: path.write_text("no database " * 400),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a page of noise": overwrite(4096, random.Random(0).randbytes(4096)),
    "a folder": replace_by_a_folder,
    **{f"bit {bit} of byte {place}": flip(place, bit) for place, bit in [(20, 0), (56, 1), (4100, 3), (8000, 5)]},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_run_on_a_damaged_cache_answers_as_one_without(llava, tmp_path, damage):
    requests = make_requests()
    expected, _ = run(llava, tmp_path, requests)
    damage(tmp_path / FILE_NAME)
    assert run(llava, tmp_path, requests)[0] == expected
    assert run(llava, tmp_path, requests)[0] == expected


def test_every_row_with_a_flipped_bit_is_asked_again_and_counted(llava, tmp_path):
    requests = make_requests()
    expected, _ = run(llava, tmp_path, requests)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        for key, answer in connection.execute("SELECT key, answer FROM answers").fetchall():
            flipped = bytes([answer[0], answer[1] ^ 1, *answer[2:]])
            connection.execute("UPDATE answers SET answer = ? WHERE key = ?", (flipped, key))
    lm = wrap(VrsHF, *copy.deepcopy(llava), batch_size=BATCH, cache_dir=str(tmp_path))
    assert lm.generate_until(requests, disable_tqdm=True) == expected
    said = lm.get_model_info()["vrs_cache"]
    counts = {"hits": 0, "rows_not_verified": len(requests), "answers_kept": len(requests), "answers_not_kept": 0}
    assert said == counts | {"problems": []}
    assert run(llava, tmp_path, requests) == (expected, len(requests))


def test_an_answer_of_another_kind_is_asked_again(llava, tmp_path):
    requests = make_requests()[:2]
    lm = wrap(VrsHF, *copy.deepcopy(llava), batch_size=BATCH, cache_dir=str(tmp_path))
    lm._cache.keep({lm._key_generation(request): 5 for request in requests})
    assert all(isinstance(text, str) for text in lm.generate_until(requests, disable_tqdm=True))
    assert lm.get_model_info()["vrs_cache"]["rows_not_verified"] == 2


def test_a_run_that_can_keep_nothing_says_so_in_its_results(llava, tmp_path, caplog):
    (tmp_path / FILE_NAME).mkdir()
    lm = wrap(VrsHF, *copy.deepcopy(llava), batch_size=BATCH, cache_dir=str(tmp_path))
    answers = lm.generate_until(make_requests(), disable_tqdm=True)
    said = lm.get_model_info()["vrs_cache"]
    assert (said["answers_not_kept"], said["problems"]) == (len(answers), ["unable to open database file"])
    assert f"{len(answers)} answers were not kept" in caplog.text


KILLED_RUN = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[1])
    from support.harness_models import make_requests, wrap
    from support.architectures import ARCHITECTURES
    from vrs_lmeval.model import VrsHF
    from vrs_lmeval.asking.text_answers import TextWriter

    write, batches = TextWriter.write_continued, []

    def write_and_be_killed_in_the_third_batch(self, batch):
        texts = write(self, batch)
        batches.append(texts)
        if len(batches) == 3:
            os.kill(os.getpid(), signal.SIGKILL)  # computed, not kept yet
        return texts

    TextWriter.write_continued = write_and_be_killed_in_the_third_batch
    lm = wrap(VrsHF, *ARCHITECTURES["llava"].make(), batch_size=int(sys.argv[3]), cache_dir=sys.argv[2])
    lm.generate_until(make_requests(), disable_tqdm=True)
"""


def test_a_killed_run_computes_at_most_one_batch_again(llava, tmp_path):
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", textwrap.dedent(KILLED_RUN), tests, str(tmp_path / "killed"), str(BATCH)]
    assert subprocess.run(command, timeout=300, cwd=tmp_path).returncode == -signal.SIGKILL
    requests = make_requests()
    resumed, found = run(llava, tmp_path / "killed", requests)
    assert found == 2 * BATCH
    assert resumed == run(llava, tmp_path / "never killed", requests)[0]
