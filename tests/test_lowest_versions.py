"""What is tested as the oldest allowed set is what pyproject.toml allows."""

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_oldest_set_that_is_tested_is_the_oldest_that_is_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = dict(
        re.fullmatch(r"([\w.-]+)(?:\[\w+\])?>=([\d.]+)", requirement).groups()
        for requirement in [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    )
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    tested = dict(line.split("#")[0].strip().split("==") for line in lines if not line.startswith("#"))
    assert tested.keys() == allowed.keys()
    for name, version in tested.items():
        assert re.fullmatch(rf"{re.escape(allowed[name])}(\.0)*", version), (
            f"{name}: {version} is tested, {allowed[name]} allowed"
        )
