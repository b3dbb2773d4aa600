"""The order in which an engine with a prefix cache is asked: by images, and every answer at its request."""

import pytest
from lm_eval.models.hf_vlms import HFMultimodalLM
from support.architectures import ARCHITECTURES
from support.harness_models import make_requests, wrap

from vrs_lmeval.asking import image_order
from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.image_order import InImageOrder, chunk_by_images
from vrs_lmeval.records import NOT_ASKED


def images_of(requests, chunk):
    return [identify_image(requests[index].args[2]["visual"][0]) for index in chunk]


def test_requests_on_an_image_stay_together_in_chunks_that_fill_a_batch():
    requests = make_requests()  # three questions, each on six images: those on one image are six apart
    chunks = list(chunk_by_images(requests, size=7))
    assert sorted(index for chunk in chunks for index in chunk) == list(range(18))
    assert [len(chunk) for chunk in chunks] == [9, 9]
    for chunk in chunks:
        shown = images_of(requests, chunk)
        assert [shown[0]] * 3 + [shown[3]] * 3 + [shown[6]] * 3 == shown
    assert not set(images_of(requests, chunks[0])) & set(images_of(requests, chunks[1]))


def test_nothing_to_ask_gives_no_chunk():
    assert list(chunk_by_images([])) == []


class Behind:
    """A class of the harness that answers with what it was shown, and refuses texts alone if told to."""

    takes_texts = True

    def __init__(self):
        self.calls = []

    def generate_until(self, requests, disable_tqdm=False):
        self.calls.append(len(requests))
        if not self.takes_texts and not all(request.args[2]["visual"] for request in requests):
            raise ValueError("at least one image is needed")
        return [f"{request.args[0]} {len(request.args[2]['visual'])}" for request in requests]


class TakesTexts(InImageOrder, Behind):
    pass


class TakesImages(InImageOrder, Behind):
    takes_texts = False


def mix_requests():
    requests = make_requests()[:4]
    for request in requests[1::2]:
        request.arguments = (*request.args[:2], {"visual": []})
    return requests


def test_the_first_text_alone_is_tried_alone_and_asked_once():
    model, requests = TakesTexts(), mix_requests()
    answers = model.generate_until(requests)
    assert answers == [f"{request.args[0]} {len(request.args[2]['visual'])}" for request in requests]
    assert sorted(model.calls) == [1, 3]


def test_requests_of_text_tasks_are_a_call_of_their_own():
    model, requests = TakesTexts(), mix_requests()
    requests[0].arguments = requests[0].args[:2]
    calls = []

    class Stock(TakesTexts):
        def _ask(self, part, disable_tqdm):
            calls.append({len(request.args) for request in part})
            return [request.args[0] for request in part]

    assert Stock().generate_until(requests) == [request.args[0] for request in requests]
    assert all(len(kinds) == 1 for kinds in calls)
    assert model.without_images == "no prompt was without an image"


def test_one_prompt_that_is_too_long_does_not_cost_the_others():
    class Short(TakesTexts):
        def _ask(self, part, disable_tqdm):
            if any(len(request.args[0]) > 1000 for request in part):
                raise ValueError("longer than the model allows")
            return super()._ask(part, disable_tqdm)

    requests = mix_requests()
    requests[1].arguments = ("x" * 2000, *requests[1].args[1:])
    with pytest.raises(ValueError, match="longer than the model allows"):
        Short().generate_until(requests)
    model = Short()
    assert model.generate_until([requests[0], requests[2], requests[3]])
    assert model.get_model_info()["vrs_without_images"] == "asked"


def test_a_class_that_refuses_texts_alone_is_asked_the_rest(caplog):
    model, requests = TakesImages(), mix_requests()
    answers = model.generate_until(requests)
    assert answers[1::2] == [NOT_ASKED] * 2
    assert answers[0::2] == [f"{request.args[0]} 1" for request in requests[0::2]]
    assert "at least one image is needed), so 2 of 4 requests" in caplog.text


@pytest.mark.models
def test_the_class_behind_answers_each_request_and_sees_images_in_order(monkeypatch):
    calls = []

    class Stock(HFMultimodalLM):
        def generate_until(self, requests, disable_tqdm=False):
            calls.append(images_of(requests, range(len(requests))))
            return super().generate_until(requests, disable_tqdm=disable_tqdm)

    class Ordered(InImageOrder, Stock):
        pass

    monkeypatch.setattr(image_order, "chunk_by_images", lambda requests: chunk_by_images(requests, size=4))
    parts, requests = ARCHITECTURES["llava"].make(), make_requests()
    expected = wrap(HFMultimodalLM, *parts, batch_size=4).generate_until(requests, disable_tqdm=True)
    assert wrap(Ordered, *parts, batch_size=4).generate_until(requests, disable_tqdm=True) == expected
    assert [len(call) for call in calls] == [6, 6, 6]
    assert all(len(set(call)) == 2 for call in calls)
