"""Results of `make demo` -> docs/leaderboard.png: the first screen of the leaderboard's page, for README.

Run `make readme-picture`, or `python -m tools.draw_readme_picture RESULTS`, after a change of the page; needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

TARGET = Path(__file__).parents[1] / "docs" / "leaderboard.png"
WIDTH, HEIGHT = 1280, 800  # CSS pixels: a laptop's window
COLOURS = 64  # text and charts on white need no more; a third of the bytes
LARGEST_BYTES = 150_000  # README is opened on phones, too


def draw(page: Path) -> bytes:
    """The page's first screen as Chromium shows it, as PNG."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium found: install the package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.wait_for_load_state("networkidle")
        shown = tab.screenshot()
        browser.close()
    return shown


def shrink(picture: bytes) -> bytes:
    """The same with few colours."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as opened:
        few = opened.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Make the page of the results in a folder of its own, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="what `vrs demo` wrote")
    parser.add_argument("--output", type=Path, default=TARGET)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        command = [sys.executable, "-c", "from vrs_lmeval.cli import app; app()", "leaderboard", str(asked.results)]
        subprocess.run([*command, "--html", str(page)], check=True, stdout=subprocess.DEVNULL)
        made = shrink(draw(page))
    if len(made) > LARGEST_BYTES:
        sys.exit(f"the picture would have {len(made)} bytes, over {LARGEST_BYTES}")
    asked.output.write_bytes(made)
    print(f"wrote {asked.output}: {len(made)} bytes")


if __name__ == "__main__":
    main()
