"""The order in which an engine or a server with a cache is asked: by images; requests of text tasks apart."""

from support.harness_models import make_requests

from vrs_lmeval.asking.batch_planning import identify_image
from vrs_lmeval.asking.image_order import ask_kinds_apart, order_by_images


def test_requests_on_an_image_follow_each_other():
    requests = make_requests()  # three questions, each on six images: those on one image are six apart
    order = order_by_images(requests)
    assert sorted(order) == list(range(18))
    shown = [identify_image(requests[index].args[2]["visual"][0]) for index in order]
    assert shown == [image for first in shown[::3] for image in [first] * 3]
    assert order[:3] == [0, 6, 12]


def test_requests_without_an_image_stay_where_they_come():
    requests = make_requests()[:4]
    for request in requests[1::2]:
        request.arguments = (*request.args[:2], {"visual": []})
    assert order_by_images(requests) == [0, 1, 2, 3]
    assert order_by_images([]) == []


def test_requests_of_text_tasks_are_a_call_of_their_own():
    requests = make_requests()[:3]
    requests[1].arguments = requests[1].args[:2]
    calls = []

    def ask(part):
        calls.append({len(request.args) for request in part})
        return [request.args[0] for request in part]

    assert ask_kinds_apart(requests, ask) == [request.args[0] for request in requests]
    assert calls == [{3}, {2}]
    assert ask_kinds_apart(requests[:1], ask) is None
