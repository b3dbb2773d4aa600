"""The flow of the C++ rooms in docs/architecture.md, enforced: a room includes the rooms below it, never one above."""

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"

TOP = "bindings"  # the files that lie in csrc itself

BELOW = {
    # room: the rooms that it may include; a row names only rooms of rows above it
    "contract": set(),
    "runtime": set(),
    "resample": {"contract", "runtime"},
    "perturb": {"contract", "resample", "runtime"},
    "cuda": {"contract", "perturb", "resample", "runtime"},
    "preprocess": {"contract", "cuda", "perturb", "resample", "runtime"},
    TOP: {"contract", "runtime"},
}

MOST_ROOMS = 9

SOURCES = sorted(path for path in CSRC.rglob("*") if path.suffix in (".h", ".cpp", ".cu"))


def room_of(path):
    parts = path.relative_to(CSRC).parts
    return parts[0] if len(parts) > 1 else TOP


def included_files(path):
    """Our own headers; a name without a folder lies beside the file."""
    names = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
    return [CSRC / name if "/" in name else path.parent / name for name in names if name != "cuda_on_cpu.h"]


def included_rooms(path):
    return {room_of(file) for file in included_files(path)} - {room_of(path)}


def test_the_rule_has_no_circle():
    rooms = list(BELOW)
    for place, room in enumerate(rooms):
        assert BELOW[room] <= set(rooms[:place]), f"{room} names a room that stands below it in the list"


def test_the_rooms_are_few_and_flat():
    assert {room_of(path) for path in SOURCES} == set(BELOW)
    assert len(BELOW) <= MOST_ROOMS
    assert all(len(path.relative_to(CSRC).parts) <= 2 for path in SOURCES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CSRC)))
def test_a_room_includes_the_rooms_below_it(path):
    for file in included_files(path):
        assert file.is_file(), f"{file.name}: name another room's header with its room"
    foreign = included_rooms(path) - BELOW[room_of(path)]
    assert not foreign, f"{room_of(path)} includes {sorted(foreign)}: includes go one way, see docs/architecture.md"


def test_every_permission_is_used():
    """A row that allows more than the code needs hides the next wrong include."""
    used = {room: set() for room in BELOW}
    for path in SOURCES:
        used[room_of(path)] |= included_rooms(path)
    assert used == BELOW
