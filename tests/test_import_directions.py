"""The flow of docs/architecture.md, enforced: a room imports the ground and the rooms below it, never one above."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vrs_lmeval"

GROUND = {"records", "run_record", "keyed_draws"}

BELOW = {
    # room: the rooms that it may import, besides the ground; a row names only rooms of rows above it
    "uncertainty": set(),
    "reading": set(),
    "benchmark": {"reading"},
    "variants": {"benchmark", "reading"},
    "pixels": {"benchmark", "variants"},
    "asking": {"benchmark", "reading"},
    "metrics": {"benchmark", "reading", "uncertainty"},
    "leaderboard": {"metrics", "reading", "uncertainty"},
    "conversion": set(),
    # the doors, which others name (YAML, entry points, the start-up line), and what stands behind the command line
    "bridge": set(),
    "model": {"asking", "pixels"},
    "vllm_model": {"asking"},
    "task": {"benchmark", "metrics", "pixels", "reading", "variants"},
    "commands": {"asking", "benchmark", "bridge", "leaderboard", "metrics", "pixels", "reading"},
    "page": {"commands", "leaderboard", "metrics", "variants"},
    "cli": {"commands", "conversion", "leaderboard", "page"},
    "__init__": {"bridge", "pixels"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vrs_lmeval":
            parts = node.module.split(".")[1:]
            rooms |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {name.name.split(".")[1] for name in node.names if name.name.startswith("vrs_lmeval.")}
    return rooms - {room_of(path)}


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
    used = {room: set() for room in BELOW}
    for path in MODULES:
        if room_of(path) not in GROUND:
            used[room_of(path)] |= imported_rooms(path) - GROUND - {"_native"}
    assert used == BELOW
