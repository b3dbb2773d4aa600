"""The embedded benchmark as it is shipped: schema, hashes, licences, balance, sizes; needs none of its sources."""

import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tasks" / "vrs_sample" / "data"
LONGEST_SIDE = 256
LARGEST_BYTES = 3_000_000
BLIND_LIMIT = 0.45
QUESTION_FIELDS = {"image", "question", "answer", "question_type", "answer_type", "options", "evidence"}
IMAGE_FIELDS = {
    "image",
    "sha256",
    "pixel_sha256",
    "package",
    "package_version",
    "package_file",
    "package_sha256",
    "package_path",
    "licence",
    "licence_file",
    "attribution",
    "made",
}
# What a PNG needs to be shown, and nothing else: no text, time, EXIF or colour profile.
PNG_CHUNKS = {b"IHDR", b"IDAT", b"IEND"}


def read_rows(name):
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


QUESTIONS = read_rows("questions.jsonl")
IMAGES = read_rows("images.jsonl")
by_image = pytest.mark.parametrize("row", IMAGES, ids=lambda row: Path(row["image"]).stem)


def list_png_chunks(payload):
    position, kinds = 8, []
    while position < len(payload):
        kinds.append(payload[position + 4 : position + 8])
        position += 12 + int.from_bytes(payload[position : position + 4], "big")
    return kinds


def count_blind_hits(rows):
    answers = {}
    for row in rows:
        answers.setdefault(row["question"], Counter())[row["answer"]] += 1
    return sum(max(counts.values()) for counts in answers.values())


def test_every_question_has_every_field_filled():
    for row in QUESTIONS:
        assert set(row) == QUESTION_FIELDS
        assert all(row[field].strip() for field in QUESTION_FIELDS - {"options"}), row


def test_closed_questions_name_their_answers_and_open_ones_do_not():
    for row in QUESTIONS:
        if row["answer_type"] == "closed":
            assert row["answer"] in row["options"]
            assert len(set(row["options"])) == len(row["options"]) > 1
        else:
            assert row["answer_type"] == "open"
            assert row["options"] == []


def test_answers_are_lower_case():
    assert all(row["answer"] == row["answer"].lower() for row in QUESTIONS)


def test_no_question_is_asked_twice_of_an_image():
    asked = [(row["image"], row["question"]) for row in QUESTIONS]
    assert len(set(asked)) == len(asked)


def test_images_manifest_and_questions_name_the_same_files():
    files = {f"images/{path.name}" for path in (DATA / "images").iterdir()}
    assert files == {row["image"] for row in IMAGES} == {row["image"] for row in QUESTIONS}


def test_no_two_images_have_the_same_pixels():
    assert len({row["pixel_sha256"] for row in IMAGES}) == len(IMAGES)


@by_image
def test_image_is_the_one_in_the_manifest(row):
    payload = (DATA / row["image"]).read_bytes()
    image = Image.open(io.BytesIO(payload))
    header = f"{image.mode} {image.width}x{image.height}\n".encode()
    assert hashlib.sha256(payload).hexdigest() == row["sha256"]
    assert hashlib.sha256(header + image.tobytes()).hexdigest() == row["pixel_sha256"]


@by_image
def test_image_is_a_small_eight_bit_png_without_metadata(row):
    payload = (DATA / row["image"]).read_bytes()
    image = Image.open(io.BytesIO(payload))
    assert (image.format, image.mode) in {("PNG", "L"), ("PNG", "RGB")}
    assert max(image.size) <= LONGEST_SIDE
    assert set(list_png_chunks(payload)) <= PNG_CHUNKS


@by_image
def test_image_says_where_it_comes_from_and_under_what_licence(row):
    assert set(row) == IMAGE_FIELDS
    assert all(row[field] for field in IMAGE_FIELDS)
    text = (ROOT / row["licence_file"]).read_text(encoding="utf-8")
    named = (row["made"].get("volume", ""), Path(row["package_path"]).name, Path(row["image"]).name)
    assert any(name and name in text for name in named)
    assert row["licence_file"] in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_the_majority_answer_to_each_question_stays_low():
    assert count_blind_hits(QUESTIONS) / len(QUESTIONS) < BLIND_LIMIT


@pytest.mark.parametrize("kind", sorted({row["question_type"] for row in QUESTIONS}))
def test_no_question_type_can_be_half_guessed(kind):
    rows = [row for row in QUESTIONS if row["question_type"] == kind]
    assert count_blind_hits(rows) / len(rows) <= 0.5


def test_yes_and_no_are_equally_frequent_for_each_question():
    for question in {row["question"] for row in QUESTIONS if "yes" in row["options"]}:
        counts = Counter(row["answer"] for row in QUESTIONS if row["question"] == question)
        assert counts["yes"] == counts["no"], question


def test_the_size_is_as_promised():
    assert 120 <= len(QUESTIONS) <= 170
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < LARGEST_BYTES


def test_controls_were_trained_away_from_every_benchmark_slice():
    split = json.loads((ROOT / "controls" / "split.json").read_text(encoding="utf-8"))
    for made in (row["made"] for row in IMAGES if "volume" in row["made"]):
        for volume in split["volumes"]:
            if split["head"][volume] == split["head"][made["volume"]]:
                gap = split["gap_mm"][split["head"][volume]] / split["voxel_mm"][volume]
                trained = split["volumes"][volume][made["plane"]]
                assert min(abs(index - made["index"]) for index in trained) >= gap, (volume, made)


def test_one_brain_was_never_trained_on():
    split = json.loads((ROOT / "controls" / "split.json").read_text(encoding="utf-8"))
    assert "mni152" in {row["made"].get("volume") for row in IMAGES}
    assert "mni152" not in split["volumes"]
