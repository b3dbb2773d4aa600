"""Sphinx's settings: README, docs/, and the pages that they link to, as they lie -> a site with an API reference.

`make docs` builds it into build/docs. The source folder is the repository, so that links work
on GitHub and here alike.
"""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

from sphinx.application import Sphinx

project = "vrs_lmeval"
copyright = "the vrs_lmeval authors"
release = metadata.version("vrs_lmeval")
extensions = ["myst_parser", "sphinx.ext.autodoc"]

PAGES = {
    "Using it": [
        "/docs/own_data",
        "/docs/tasks",
        "/docs/variants",
        "/docs/metrics",
        "/docs/leaderboard",
        "/docs/reliability",
        "/docs/security",
        "/docs/study",
        "/docs/command_line",
        "/docs/site/python",
    ],
    "Models and machines": [
        "/docs/vrs_hf",
        "/docs/vllm",
        "/docs/api_models",
        "/docs/engines",
        "/docs/cluster",
        "/docs/convert_llava",
        "/docs/bridge",
    ],
    "The project": [
        "/docs/architecture",
        "/docs/kernels",
        "/CONTRIBUTING",
        "/CHANGELOG",
        "/SECURITY",
        "/CODE_OF_CONDUCT",
    ],
}
"""Headings of the navigation, and the pages below each."""

BELOW = {
    "docs/tasks": ["/tasks/*/README", "/controls/README", "/controls/*/README"],
    "docs/study": ["/studies/miniature/README", "/studies/medical_vlms/README", "/studies/lora/README"],
    "CONTRIBUTING": ["/tests/cuda_on_cpu/README"],
}
"""Pages that the navigation shows below another."""

root_doc = "README"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**",
    "tasks/**.md",
    "controls/**.md",
    "studies/**.md",
    "tests/cuda_on_cpu/README.md",
]
myst_heading_anchors = 4  # headings can be linked to, as GitHub allows
default_role = "literal"  # docstrings quote names as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"vrs_lmeval {release}"
html_copy_source = False
html_show_sphinx = False


def add_navigation(app: Sphinx, name: str, text: list[str]) -> None:
    """Pages get tables of contents that GitHub does not show: the start page of all, others of what is below them."""
    if name == root_doc:
        for caption, pages in PAGES.items():
            text[0] += draw_toctree(pages, f":caption: {caption}")
    elif name in BELOW:
        text[0] += draw_toctree(BELOW[name], ":glob:")


def draw_toctree(pages: list[str], option: str) -> str:
    """A hidden table of contents as MyST writes it."""
    return "\n".join(["\n\n```{toctree}", option, ":hidden:", ":maxdepth: 1", "", *pages, "```\n"])


def make_start_page(app: Sphinx, error: Exception | None) -> None:
    """A site is opened at index.html; the README lies in the same folder, so its links hold there."""
    if error is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    """Sphinx calls this one."""
    app.connect("source-read", add_navigation)
    app.connect("build-finished", make_start_page)
