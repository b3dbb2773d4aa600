"""The imports of vrs_lmeval/ -> its rooms by floor, and what they import: `python -m tools.draw_imports` prints them.

A room is a folder of the package, or a door: a module beside the folders. Every room may import the ground, floor 0.
A room stands one floor above the highest room that it imports. `tests/test_import_directions.py` reads imports by the
same functions, and holds each arrow to the rule of docs/architecture.md.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "vrs_lmeval"

GROUND = {"records", "run_record", "keyed_draws"}
EXTENSION = "_native"

MOST = {"rooms": 20, "floors": 8, "arrows": 60}
"""As much as a reader can still remember; version 0.1 had 55 rooms on 9 floors."""

Arrows = Mapping[str, set[str]]
"""Room -> the rooms that it imports."""


def room_of(path: Path, package: Path = PACKAGE) -> str:
    """The folder or the door that a module belongs to."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def imported_rooms(path: Path, package: Path = PACKAGE) -> set[str]:
    """The rooms that a module imports, at its top or within a function, except its own room."""
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package.name:
            parts = node.module.split(".")[1:]
            rooms |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {name.name.split(".")[1] for name in node.names if name.name.startswith(f"{package.name}.")}
    return rooms - {room_of(path, package)}


def read_arrows(package: Path = PACKAGE) -> Arrows:
    """Every room with the rooms that it imports, the ground among them; the extension is no room of Python."""
    arrows: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        arrows.setdefault(room_of(path, package), set()).update(imported_rooms(path, package) - {EXTENSION})
    return arrows


def find_circle(arrows: Arrows) -> list[str]:
    """Rooms that import each other in a circle; the first stands again at the end. Empty if there is no circle."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # graphlib names each before the one that imports it
    return []


def find_floors(arrows: Arrows) -> dict[str, int]:
    """Each room's floor. Raises graphlib.CycleError if there is a circle."""
    floors: dict[str, int] = {}
    for room in TopologicalSorter(arrows).static_order():
        below = [floors[other] for other in arrows.get(room, ())]
        floors[room] = 0 if room in GROUND else 1 + max(below, default=0)
    return floors


def count(arrows: Arrows) -> dict[str, int]:
    """Counts of rooms, floors and arrows between them. The ground does not count as a room, since all may import it."""
    rooms = arrows.keys() - GROUND
    return {
        "rooms": len(rooms),
        "floors": len({floor for room, floor in find_floors(arrows).items() if room in rooms}),
        "arrows": sum(len(arrows[room] - GROUND) for room in rooms),
    }


def draw(arrows: Arrows) -> str:
    """The drawing: the highest floor first, a line for each room."""
    floors = find_floors(arrows)
    lines = []
    for floor in sorted(set(floors.values()), reverse=True):
        lines.append(f"floor {floor}" if floor else "ground")
        for room in sorted(room for room in floors if floors[room] == floor):
            others = sorted(arrows[room] - GROUND)
            lines.append(f"  {room}" + (f" -> {', '.join(others)}" if others else ""))
    return "\n".join(lines)


def main() -> int:
    """Print the drawing and the counts; return 1 if there is a circle, or more than MOST."""
    arrows = read_arrows()
    if circle := find_circle(arrows):
        print(f"a circle: {' -> '.join(circle)}")
        return 1
    counts = count(arrows)
    to_the_ground = sum(len(others & GROUND) for room, others in arrows.items() if room not in GROUND)
    print(draw(arrows))
    print(f"\n{', '.join(f'{number} {name} (at most {MOST[name]})' for name, number in counts.items())}; no circle")
    print(f"not counted: {len(GROUND)} modules of the ground and {to_the_ground} arrows to them")
    return int(any(number > MOST[name] for name, number in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
