"""Layouts are read once for each key, those that there are and those that there are not; the oldest goes."""

from vrs_lmeval.pixels.geometry import UnsupportedGeometry
from vrs_lmeval.pixels.layouts import KnownLayouts


def test_what_was_said_of_a_key_is_known():
    known, asked = KnownLayouts(), []

    def read(key):
        asked.append(key)
        if key == "no":
            raise UnsupportedGeometry("too odd")
        return object()

    def find(key):
        return known.find(key, lambda: read(key))

    assert find("yes") is find("yes")
    assert find("no") is find("no")
    assert str(find("no")) == "too odd"
    assert asked == ["yes", "no"]


def test_the_oldest_goes():
    known, asked = KnownLayouts(most=2), []
    for key in "abacabb":
        known.find(key, lambda key=key: asked.append(key) or object())
    assert asked == ["a", "b", "c", "a", "b"]
