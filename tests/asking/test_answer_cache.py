"""Kept answers: what changes an answer changes its key, and a killed run goes on where its last batch ended."""

import copy
import signal
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

from vrs_lmeval.asking.answer_cache import FILE_NAME, AnswerCache, hash_weights
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


def test_answers_are_found_again_by_the_same_identity_alone(tmp_path):
    cache = AnswerCache(tmp_path, "one model")
    key = cache.key("prompt", {"until": ["\n"]}, ("image", None))
    cache.keep({key: "liver"})
    again = AnswerCache(tmp_path, "one model")
    assert again.find(again.key("prompt", {"until": ["\n"]}, ("image", None))) == "liver"
    assert again.find(again.key("prompt", {"until": []}, ("image", None))) is None
    other = AnswerCache(tmp_path, "another model")
    assert other.find(other.key("prompt", {"until": ["\n"]}, ("image", None))) is None


def test_a_file_that_is_no_cache_is_refused_by_name(tmp_path):
    (tmp_path / FILE_NAME).write_text("not a database, but long enough to be read as the header of one" * 10)
    with pytest.raises(ValueError, match=f"cache_dir: .*{FILE_NAME} cannot be used"):
        AnswerCache(tmp_path, "model")


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
    assert not lm._find({index: lm._key_generation(request) for index, request in enumerate(requests)})


def test_drawn_answers_are_not_kept(llava, tmp_path):
    requests = [generation("<image>\nwhy?", show_images()[0], do_sample=True, temperature=1.0)]
    run(llava, tmp_path, requests)
    assert run(llava, tmp_path, requests)[1] == 0


def test_weights_are_known_by_their_values(llava):
    model, _ = copy.deepcopy(llava)
    assert hash_weights(model) == hash_weights(llava[0])
    assert hash_weights(model.to(torch.bfloat16)) != hash_weights(llava[0])


def test_the_harness_cache_is_refused_with_the_reason(llava, tmp_path):
    with pytest.raises(ValueError, match=r"--use_cache keeps answers without the model.*cache_dir"):
        CachingLM(wrap(VrsHF, *copy.deepcopy(llava), batch_size=1), str(tmp_path / "harness"))


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
