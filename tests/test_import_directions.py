"""The flow of docs/architecture.md, enforced: a room imports the ground and the rooms below it, never one above."""

import itertools

import pytest

from tools.draw_imports import GROUND, MOST, PACKAGE, count, draw, find_circle, imported_rooms, read_arrows, room_of

BELOW = {
    # room: the rooms that it may import, besides the ground; a row names only rooms of rows above it
    "uncertainty": set(),
    "reading": set(),
    "benchmark": {"reading"},
    "variants": {"benchmark", "reading"},
    "pixels": {"benchmark", "variants"},
    "asking": {"benchmark", "reading"},
    "chat_servers": {"asking"},
    "metrics": {"benchmark", "reading", "uncertainty"},
    "leaderboard": {"metrics", "reading", "uncertainty"},
    "conversion": set(),
    # the doors, which others name (YAML, entry points, the start-up line), and what stands behind the command line
    "bridge": {"benchmark", "variants"},
    "model": {"asking", "pixels"},
    "vllm_model": {"asking"},
    "api_model": {"asking", "chat_servers"},
    "own_data": {"benchmark", "bridge"},
    "commands": {
        "asking",
        "benchmark",
        "bridge",
        "chat_servers",
        "leaderboard",
        "metrics",
        "own_data",
        "pixels",
        "reading",
    },
    "task": {"benchmark", "commands", "metrics", "pixels", "reading", "variants"},  # commands: how a run ends
    "page": {"commands", "leaderboard", "metrics", "variants"},
    "cli": {"bridge", "commands", "conversion", "leaderboard", "page"},
    "__init__": {"bridge", "leaderboard", "pixels", "uncertainty"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_rule_has_no_circle():
    rooms = list(BELOW)
    for place, room in enumerate(rooms):
        assert BELOW[room] <= set(rooms[:place]), f"{room} names a room that stands below it in the list"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_the_ground_and_the_rooms_below_it(path):
    if room_of(path) in GROUND:
        assert imported_rooms(path) <= GROUND
        return
    foreign = imported_rooms(path) - GROUND - {"_native"} - BELOW[room_of(path)]
    assert not foreign, f"{room_of(path)} imports {sorted(foreign)}: data goes one way, see docs/architecture.md"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_room_of_pixels_imports_the_extension(path):
    if room_of(path) != "pixels":
        assert "_native" not in imported_rooms(path)


def test_every_permission_is_used():
    """A row that allows more than the code needs hides the next wrong import."""
    used = {room: others - GROUND for room, others in read_arrows().items() if room not in GROUND}
    assert used == BELOW


def test_the_house_stays_small_enough_to_keep_in_mind():
    counts = count(read_arrows())
    assert {name for name in MOST if counts[name] > MOST[name]} == set()


def write_package(folder, **modules):
    for name, text in modules.items():
        path = folder / "pack" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_arrows(folder / "pack")


def test_rooms_floors_and_arrows_are_counted_as_by_hand(tmp_path):
    arrows = write_package(
        tmp_path,
        records="",
        low__one="from pack.records import Sample\nfrom pack.low.two import f",
        low__two="import json, pack.records",
        high__one="def late():\n    from pack import low",
        door="from pack.high.one import late\nimport pack.low.two\nfrom pack.low import one\nfrom pack import _native",
    )
    assert arrows == {"records": set(), "low": {"records"}, "high": {"low"}, "door": {"high", "low"}}
    assert find_circle(arrows) == []
    assert count(arrows) == {"rooms": 3, "floors": 3, "arrows": 3}
    floors = ["floor 3", "  door -> high, low", "floor 2", "  high -> low", "floor 1", "  low", "ground", "  records"]
    assert draw(arrows).splitlines() == floors


def test_a_circle_is_named_in_the_order_of_its_imports(tmp_path):
    circle = find_circle(write_package(tmp_path, a="import pack.b", b="import pack.c", c="import pack.a"))
    assert circle[0] == circle[-1]
    assert {f"{room} {other}" for room, other in itertools.pairwise(circle)} == {"a b", "b c", "c a"}
