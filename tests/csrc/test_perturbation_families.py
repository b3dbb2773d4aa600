"""A kind of perturbation that lacks a part does not compile; each family has a twin in Python by the same name."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cuda_on_cpu import COMPILER, PLAIN, ROOT, reason_to_skip

from vrs_lmeval.pixels.reference.families import FAMILIES

CSRC = ROOT / "csrc"
HEADERS = sorted((CSRC / "perturb").glob("family_*.h"))


def kinds_of(header: Path) -> set[str]:
    """What the header's list of kinds names."""
    return set(re.findall(r"\bKIND\((\w+), \w+\)", header.read_text(encoding="utf-8")))


def test_each_family_has_its_twin_by_the_same_name() -> None:
    twins = {family.__name__.rpartition(".")[2]: set(family.KINDS) for family in FAMILIES}
    assert twins == {header.stem: kinds_of(header) for header in HEADERS}


def test_each_family_has_an_example_of_each_of_its_kinds() -> None:
    for family in FAMILIES:
        assert {example.kind for example in family.EXAMPLES} == set(family.KINDS), family.__name__


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    if reason := reason_to_skip(PLAIN):
        pytest.skip(reason)
    return Path(shutil.copytree(CSRC, tmp_path / "csrc"))


def compile_rows(csrc: Path) -> str:
    """What the compiler says of `perturb.cpp`, which asks each kind for both halves; nothing where it is right."""
    source = csrc / "perturb" / "perturb.cpp"
    command = [*COMPILER, "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror=switch", f"-I{csrc}", str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def replace_once(path: Path, original: str, replaced: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(original) == 1, original
    path.write_text(text.replace(original, replaced), encoding="utf-8")


@pytest.mark.native
def test_whole_kinds_compile_without_cuda(copied: Path) -> None:
    assert compile_rows(copied) == ""


@pytest.mark.native
@pytest.mark.parametrize("place", ["  identity,\n", "  pixelate,\n", "  rotate_270,\n"])
def test_a_kind_that_no_family_lists_does_not_compile(copied: Path, place: str) -> None:
    replace_once(copied / "contract" / "preprocess.h", place, f"{place}  posterise,\n")
    assert re.search("error: enumeration value .posterise. not handled in switch", compile_rows(copied))


@pytest.mark.native
@pytest.mark.parametrize(
    ("family", "part"),
    [
        ("levels", "kDefinition"),
        ("places", "kIsTurned"),
        ("covers", "kShowsImage"),
        ("noise", "kIsMoving"),
        ("detail", "derive"),
        ("places", "write_row"),
        ("levels", "write_rows"),
        ("noise", "lay_out"),
        ("detail", "find_source"),
        ("levels", "change_run"),
    ],
)
def test_a_kind_that_lacks_a_part_does_not_compile(copied: Path, family: str, part: str) -> None:
    header = copied / "perturb" / f"family_{family}.h"
    text = header.read_text(encoding="utf-8")
    assert re.search(rf"\b{part}\b", text)
    header.write_text(re.sub(rf"\b{part}\b", f"{part}_forgotten", text), encoding="utf-8")
    said = compile_rows(copied)
    assert re.search(rf"error: .*{part}\W", said), said
