"""Names planted where hospital data have them, and a key: looked for in all that is written, said and sent.

One run on a table of one's own, by a server of ours that repeats nothing; then the board with its page.
"""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin
from support.chat_server import is_canary, read_cards, reply, serve
from support.dicom import NAME as IN_DICOM
from support.dicom import write_dicom
from support.stores import gradient

pytestmark = pytest.mark.models

IN_FOLDER, IN_FILE, IN_EXIF, IN_PNG, IN_QUESTION, KEY = (
    f"Planted{what}" for what in ("Folder", "File", "Exif", "Png", "Question", "Key0815")
)
NEVER = (IN_FILE, IN_EXIF, IN_PNG, IN_DICOM, KEY)
"""In nothing that is written, said or sent; the folder is the user's own word on the command line."""


def write_hospital(folder):
    """Three images that hold names, and two questions on each."""
    images = folder / f"{IN_FOLDER}_images"
    images.mkdir(parents=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = exif[ExifTags.Base.ImageDescription] = IN_EXIF
    gradient(24, 20).save(images / f"{IN_FILE}_1.jpg", exif=exif)
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", IN_PNG)
    gradient(28, 20).save(images / f"{IN_FILE}_2.png", pnginfo=text)
    write_dicom(images, np.arange(480, dtype=np.uint16).reshape(20, 24), name=f"{IN_FILE}_3.dcm", bits=12)
    table = folder / "questions.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "question", "answer"])
        for image in sorted(images.iterdir()):
            writer.writerow([image.name, f"Is the scan of {IN_QUESTION} normal?", "yes"])
            writer.writerow([image.name, f"Is there a mass in {IN_QUESTION}?", "no"])
    return table, images


def call(folder, *command):
    """What a command said."""
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, capture_output=True, text=True, timeout=300, env=environment
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout + finished.stderr


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """(the folder of all that was written, what was said by command, what the server got)."""
    folder = tmp_path_factory.mktemp("work")
    table, images = write_hospital(tmp_path_factory.mktemp("data"))
    vrs = ("-c", "from vrs_lmeval.cli import app; app()")
    said = {"task": call(folder, *vrs, "task", table, "--images", images, "--output", "../task")}
    with serve(lambda asked: read_cards(asked) if is_canary(asked) else reply("yes")) as server:
        arguments = f"model=seeing,base_url={server.url},cache_dir=answers"
        run = ["-m", "lm_eval", "run", "--model", "vrs-openai", "--model_args", arguments, "--tasks", "my_task"]
        run += ["--apply_chat_template", "--include_path", "../task", "--log_samples", "--output_path", "results"]
        said["run"] = call(folder, *run)
        sent = [asked.text + "".join(asked.urls) for asked in server.asked]
    board = ["leaderboard", "results", "--html", "board.html", "--csv", "b.csv", "--json", "b.json", "--md", "b.md"]
    said["board"] = call(folder, *vrs, *board)
    said["compare"] = call(folder, *vrs, "compare", "results")
    return folder, said, sent


def list_written(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_that_names_a_patient_or_the_key_is_written_said_or_sent(hospital):
    folder, said, sent = hospital
    places = list_written(folder) | {name: text.encode() for name, text in said.items() if name != "task"}
    places |= {f"request {number}": text.encode() for number, text in enumerate(sent)}
    assert {"board.html", "b.csv", "b.json", "b.md", "run", "board", "compare", "request 0"} <= places.keys()
    assert any(name.startswith("answers/") for name in places)
    assert [(place, name) for place, content in places.items() for name in NEVER if name.encode() in content] == []


def test_no_folder_of_the_users_is_in_results_pages_or_caches(hospital):
    folder, _, _ = hospital
    whole = str(folder.parent).encode()
    assert [name for name, content in list_written(folder).items() if IN_FOLDER.encode() in content] == []
    assert [name for name, content in list_written(folder).items() if whole in content] == []


def test_questions_are_in_the_samples_and_on_the_page_alone(hospital):
    folder, said, _ = hospital
    holds = {name for name, content in list_written(folder).items() if IN_QUESTION.encode() in content}
    assert {name.split("/")[-1].split("_")[0] for name in holds} == {"board.html", "samples"}
    assert [name for name, text in said.items() if name != "task" and IN_QUESTION in text] == []
