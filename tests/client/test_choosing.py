import json
import os
from pathlib import Path

import pytest

from client.choosing import Filters, NothingThereError, Stray, choose
from client.identity import client_id_of, client_id_of_pipe

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "client_id.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_a_file_is_who_it_is_in_the_browser(vector):
    assert client_id_of(vector["path"], vector["size"], vector["last_modified"]) == vector["client_id"]


def test_a_pipe_is_known_by_its_bytes_and_name():
    assert client_id_of_pipe("a.jpg", "1") == client_id_of_pipe("a.jpg", "1")
    assert len({client_id_of_pipe(*each) for each in (("a.jpg", "1"), ("a.jpg", "2"), ("b.jpg", "1"))}) == 3


@pytest.fixture
def shoot(tmp_path) -> Path:
    names = [
        "shoot/IMG_1.CR3", "shoot/IMG_1.JPG", "shoot/IMG_1.xmp", "shoot/IMG_2.JPG", "shoot/IMG_2.JPG.xmp",
        "shoot/day 2/IMG_3.jpg", "shoot/readme.txt", "shoot/.hidden.jpg", "shoot/.thumbs/IMG_4.jpg",
        "shoot/lonely.xmp", "other/IMG_9.png",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "shoot"


def paths(files) -> list[str]:
    return [file.path for file in files]


def test_a_folder_is_walked_to_its_end_with_its_own_name_in_front(shoot):
    choice = choose([str(shoot)], Filters())

    assert paths(choice.files) == [
        "shoot/day 2/IMG_3.jpg", "shoot/IMG_1.JPG", "shoot/IMG_1.CR3", "shoot/IMG_2.JPG",
    ]  # fmt: skip
    assert choice.left_out == ("shoot/readme.txt",)
    assert choice.stray == (Stray("shoot/lonely.xmp", "no_photo"),)


def about(shoot) -> dict[str, list[str]]:
    notes = choose([str(shoot)], Filters()).notes
    return {note.path.rpartition("/")[2]: [photo.name for photo in note.about] for note in notes}


def test_notes_are_about_the_file_they_name_else_about_raw_and_jpeg_of_their_shot(shoot):
    assert about(shoot) == {"IMG_1.xmp": ["IMG_1.JPG", "IMG_1.CR3"], "IMG_2.JPG.xmp": ["IMG_2.JPG"]}


@pytest.mark.parametrize(
    ("notes", "photos"),
    [
        ("IMG_1.CR3.xmp", ["IMG_1.CR3"]),
        ("img_1.cr3.XMP", ["IMG_1.CR3"]),
        ("IMG_2.CR3.xmp", ["IMG_2.JPG"]),
        ("IMG_7.xmp", ["IMG_7.heic"]),
        ("IMG_8.xmp", ["IMG_8.png"]),
    ],
)
def test_what_notes_are_about_is_what_the_browser_says(shoot, notes, photos):
    for name in ("IMG_7.png", "IMG_7.heic", "IMG_8.png", notes):
        (shoot / name).write_text(name)

    assert about(shoot)[notes] == photos


def test_notes_that_several_photos_could_be_meant_by_are_stray(tmp_path):
    for card in ("one", "two"):
        (tmp_path / card / "DCIM").mkdir(parents=True)
        (tmp_path / card / "DCIM" / "IMG_1.JPG").write_text(card)
    (tmp_path / "one" / "DCIM" / "IMG_1.xmp").write_text("notes")

    choice = choose([str(tmp_path / "one" / "DCIM"), str(tmp_path / "two" / "DCIM")], Filters())

    assert choice.stray == (Stray("DCIM/IMG_1.xmp", "several_photos"),)


def test_the_same_from_another_place_is_the_same(shoot, monkeypatch):
    before = choose([str(shoot)], Filters()).files
    monkeypatch.chdir(shoot)

    assert choose(["."], Filters()).files == before


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(include=("*.cr3",)), ["IMG_1.CR3"]),
        (Filters(exclude=("*.CR3", "shoot/day 2/*")), ["IMG_1.JPG", "IMG_2.JPG"]),
        (Filters(exclude=("*.CR3", "Day 2/*")), ["IMG_1.JPG", "IMG_2.JPG"]),
        (Filters(exclude=("*.CR3", "ay 2/*")), ["IMG_3.jpg", "IMG_1.JPG", "IMG_2.JPG"]),
        (Filters(include=("IMG_1.*", "*.txt")), ["IMG_1.JPG", "IMG_1.CR3", "readme.txt"]),
    ],
)
def test_globs_choose_and_leave_out(shoot, filters, names):
    assert [file.name for file in choose([str(shoot)], filters).files] == names


def test_globs_files_and_folders_named_together_and_twice(shoot):
    sources = [f"{shoot}/*.JPG", str(shoot / "IMG_1.JPG"), str(shoot.parent / "other")]

    assert paths(choose(sources, Filters()).files) == ["IMG_1.JPG", "IMG_2.JPG", "other/IMG_9.png"]


@pytest.mark.parametrize("source", ["nowhere", "nothing*.jpg"])
def test_what_is_not_there_is_said(tmp_path, source):
    with pytest.raises(NothingThereError):
        choose([str(tmp_path / source)], Filters())


def test_broken_links_and_devices_end_nothing(shoot):
    (shoot / "broken.jpg").symlink_to(shoot / "gone.jpg")
    os.mkfifo(shoot / "pipe.jpg")

    assert len(choose([str(shoot)], Filters()).files) == 4


def test_times_are_whole_milliseconds(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x")
    os.utime(file, ns=(0, 1_760_000_000_123_999_999))

    assert choose([str(file)], Filters()).files[0].last_modified_ms == 1_760_000_000_123


def test_names_of_any_bytes_are_said_in_utf8(tmp_path):
    for name in (b"caf\xe9.jpg", b"caf\xe9.xmp", b"caf\xe9.txt"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")

    choice = choose([str(tmp_path)], Filters())
    [file], [note], [left_out] = choice.files, choice.notes, choice.left_out

    assert file.name == "caf\ufffd.jpg"
    assert file.file.read_bytes() == b"x"
    assert (note.path.rpartition("/")[2], note.about) == ("caf\ufffd.xmp", (file,))
    assert left_out.endswith("/caf\ufffd.txt")
