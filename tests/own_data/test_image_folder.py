"""What a table calls an image is one file of the folder, or an error that says why; nothing outside is reached."""

import pytest
from PIL import Image

from vrs_lmeval.own_data.image_folder import OTHER_CASE, WITHOUT_SUFFIX, ImageFileError, ImageFolder


@pytest.fixture
def folder(tmp_path):
    for name in (
        "images/a.png",
        "images/B.PNG",
        "images/x/c.jpg",
        "images/twice.png",
        "images/twice.jpg",
        "secret.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path


def find(folder, name, images="images"):
    store = ImageFolder(folder / images if images else None, folder / "q.csv")
    return store.relate(store.find(name)), dict(store.remarks)


@pytest.mark.parametrize(
    ("name", "found", "remarks"),
    [
        ("a.png", "a.png", {}),
        ("x/c.jpg", "x/c.jpg", {}),
        ("x\\c.jpg", "x/c.jpg", {}),
        ("a", "a.png", {WITHOUT_SUFFIX: 1}),
        ("x/c", "x/c.jpg", {WITHOUT_SUFFIX: 1}),
        ("A.png", "a.png", {OTHER_CASE: 1}),
        ("b.png", "B.PNG", {OTHER_CASE: 1}),
        ("b", "B.PNG", {OTHER_CASE: 1}),
    ],
)
def test_names_without_their_ending_or_in_another_case_are_found_and_counted(folder, name, found, remarks):
    assert find(folder, name) == (found, remarks)


def test_an_absolute_path_into_the_folder_is_one_of_its_names(folder):
    assert find(folder, str(folder / "images" / "a.png")) == ("a.png", {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("twice", "could be any of twice.jpg, twice.png; write the whole name"),
        ("c.jpg", "is no file in .*images; there is x/c.jpg"),
        ("aa.png", "is no file in .*; there is a.png"),
        ("../secret.png", "leads by its path out of .*images"),
        ("../nothing.png", "is no file"),
        ("x/../../secret.png", "leads by its path out of .*images"),
        ("zzzzzzzz", "is no file in .*; it holds B.PNG, a.png, twice.jpg and 2 more"),
        ("a" * 5000, "is no file"),
    ],
)
def test_what_is_not_one_file_inside_is_refused(folder, name, message):
    with pytest.raises(ImageFileError, match=message):
        find(folder, name)


def test_links_that_lead_out_are_refused_and_links_inside_are_not(folder):
    (folder / "images" / "out.png").symlink_to(folder / "secret.png")
    (folder / "images" / "in.png").symlink_to(folder / "images" / "a.png")
    with pytest.raises(ImageFileError, match="leads through a link out of"):
        find(folder, "out.png")
    assert find(folder, "in.png") == ("a.png", {})


def test_absolute_paths_elsewhere_are_taken_only_where_no_folder_is_named(folder):
    secret = str(folder / "secret.png")
    with pytest.raises(ImageFileError, match="leave out --images where the table holds absolute paths that you trust"):
        find(folder, secret)
    assert find(folder, secret, images=None) == ("secret.png", {})  # of the table's own folder
    outside = ImageFolder(None, folder / "images" / "q.csv")
    assert outside.relate(outside.find(secret)) == secret
    with pytest.raises(ImageFileError, match="leads by its path out of"):
        outside.find("../secret.png")
