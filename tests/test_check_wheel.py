"""Parts of `make check-wheel`: a file left behind, a stranger in a wheel, a command that fails, a missing Python."""

import sys
import zipfile

import pytest

from tools.check_wheel import CheckFailedError, list_files, main, read_requirements, run

METADATA = """Metadata-Version: 2.4
Name: vrs_lmeval
Requires-Dist: numpy>=2
Requires-Dist: pydicom>=3; extra == "dicom"
Requires-Dist: pillow>=11

# A title
"""


def write_wheel(folder, *further):
    wheel = folder / "vrs_lmeval-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vrs_lmeval-0.dist-info/METADATA", METADATA)
        for name in ("vrs_lmeval/__init__.py", "vrs_lmeval_bridge.pth", *further):
            archive.writestr(name, "")
    return wheel


def test_requirements_are_read_without_those_of_extras(tmp_path):
    assert read_requirements(write_wheel(tmp_path)) == ["numpy>=2", "pillow>=11"]


def test_a_wheel_that_lays_tests_into_site_packages_is_refused(tmp_path):
    with pytest.raises(CheckFailedError, match=r"would lay into site-packages: tests$"):
        read_requirements(write_wheel(tmp_path, "tests/test_a.py"))


def test_compiled_files_of_others_are_no_remains_and_ours_are(tmp_path):
    for name in ("numpy/__pycache__/a.pyc", "numpy/a.py", "vrs_lmeval/__pycache__/b.pyc", "vrs_lmeval_bridge.pth"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_files(tmp_path) == {"numpy/a.py", "vrs_lmeval/__pycache__/b.pyc", "vrs_lmeval_bridge.pth"}


def test_a_command_that_fails_is_told_with_its_output():
    with pytest.raises(CheckFailedError, match="ended with 3:\nhm"):
        run(sys.executable, "-c", "print('hm'); raise SystemExit(3)")


def test_a_python_that_is_not_there_is_no_check_of_another(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_wheel", "python3.99"])
    with pytest.raises(SystemExit, match=r"there is no python3\.99"):
        main()
