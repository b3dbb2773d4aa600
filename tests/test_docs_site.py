"""The documentation as a site: README, docs/ and the pages beside them, built with every warning an error."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()


def build(source, target):
    """As `make docs` does it."""
    (command,) = re.findall(r"^\t\$\(BIN\)/python (-m sphinx .*) \. build/docs$", MAKEFILE, re.M)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}  # other people's; Sphinx counts its own
    return subprocess.run(
        [sys.executable, *command.split(), ".", str(target)],
        cwd=source, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.native
def test_the_site_is_built_without_a_warning(tmp_path):
    done = build(ROOT, tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    start = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {page for page in pages if f'href="docs/{page}.html"' not in start} == set()
    reference = (tmp_path / "site" / "docs" / "site" / "python.html").read_text(encoding="utf-8")
    assert "clustered by image" in reference  # of a docstring


@pytest.mark.native
@pytest.mark.parametrize("link", ["[a](no_such_page.md)", "[a](docs/metrics.md#no-such-heading)"])
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path, link):
    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "docs" / "site", tmp_path / "docs" / "site")
    (tmp_path / "docs" / "site" / "python.rst").write_text(":orphan:\n\nFrom Python\n===========\n")
    (tmp_path / "docs" / "metrics.md").write_text("---\norphan: true\n---\n# Metrics\n")
    (tmp_path / "README.md").write_text(f"# All\n\n{link}\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert link[4:-1].split("#")[-1].split("/")[-1].removesuffix(".md") in done.stderr
