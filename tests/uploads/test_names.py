"""What a person reads of a file's name."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uploads.limits import MAX_NAME_BYTES, MAX_PATH_CHARS, MAX_PATH_DEPTH
from uploads.names import INVISIBLE, display_name, display_path, extension_of

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("IMG_1.JPG", "IMG_1.JPG"),
        ("  spaced name .jpg ", "spaced name .jpg"),
        ("día 1/été.jpg", "été.jpg"),
        ("C:\\Photos\\a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd"),
        ("folder/", "folder"),
        ("e\u0301te\u0301.jpg", "été.jpg"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("zero\u200bwidth.jpg", "zerowidth.jpg"),
        ("line\nbreak\x00.jpg", "linebreak.jpg"),
        ("", "photo"),
        ("...", "photo"),
        (" / ", "photo"),
        (".jpg", "photo.jpg"),
        ("写真.heic", "写真.heic"),
        ("🏔️.png", "🏔️.png"),
        ("<img src=x onerror=alert(1)>.jpg", "<img src=x onerror=alert(1)>.jpg"),
    ],
)
def test_a_name_is_shown_without_what_could_mislead(raw, shown):
    assert display_name(raw) == shown


@given(TEXT)
@example("e\u200b\u0301.jpg")
@example("x" * 300 + "." + "é" * 300)
@example("no extension " * 30)
@example("." + "x" * 300)
@example("\u1e9b\u0323" * 100)
def test_a_shown_name_is_never_empty_long_or_invisible(raw):
    shown = display_name(raw)

    assert shown.strip(". ")
    assert len(shown.encode()) <= MAX_NAME_BYTES
    assert not INVISIBLE.search(shown)
    assert "/" not in shown
    assert "\\" not in shown
    assert unicodedata.is_normalized("NFC", shown)


@given(TEXT)
def test_showing_a_shown_name_changes_nothing(raw):
    shown = display_name(raw)

    assert display_name(shown) == shown


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_name_is_cut_at_its_limit_and_keeps_its_extension(extra):
    name = "n" * (MAX_NAME_BYTES - len(".jpg") + extra) + ".jpg"

    shown = display_name(name)

    assert shown.endswith(".jpg")
    assert len(shown.encode()) == min(len(name), MAX_NAME_BYTES)


def test_a_long_name_is_never_cut_inside_a_letter():
    shown = display_name("é" * 200 + ".jpg")

    assert shown.startswith("éé")
    assert shown.endswith("é.jpg")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("", ""),
        ("a.jpg", "a.jpg"),
        ("day 1/a.jpg", "day 1/a.jpg"),
        ("/abs/a.jpg", "abs/a.jpg"),
        ("../../a.jpg", "a.jpg"),
        ("a/./b/../c.jpg", "a/b/c.jpg"),
        ("a\\b\\c.jpg", "a/b/c.jpg"),
        ("1/2/3/4/5/6/7/8.jpg", "1/2/3/4/5/6/7/8.jpg"),
        ("0/1/2/3/4/5/6/7/8.jpg", "1/2/3/4/5/6/7/8.jpg"),
    ],
)
def test_a_path_keeps_its_folders_and_climbs_nowhere(raw, shown):
    assert display_path(raw) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=3_000))
def test_a_shown_path_is_relative_and_bounded(raw):
    shown = display_path(raw)

    assert len(shown) <= MAX_PATH_CHARS
    assert not shown.startswith("/")
    assert shown.count("/") < MAX_PATH_DEPTH
    assert ".." not in shown.split("/")


def test_a_path_cut_at_its_limit_does_not_begin_with_a_slash():
    shown = display_path("x" * 2_000 + "/" + "y" * (MAX_PATH_CHARS - 1))

    assert shown == "y" * (MAX_PATH_CHARS - 1)


@pytest.mark.parametrize(
    ("name", "extension"), [("a.JPG", "jpg"), ("a", ""), ("a.b.CR3", "cr3"), ("a.", ""), (".heic", "heic")]
)
def test_an_extension_is_read_without_its_case(name, extension):
    assert extension_of(name) == extension
