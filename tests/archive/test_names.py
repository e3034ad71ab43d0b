"""What files are called inside: as they were, wherever they are unpacked."""

import unicodedata

import pytest

from galleries.archive.names import Names, as_one, safe_name


@pytest.mark.parametrize(
    "name",
    ["IMG_1.JPG", "Sommer in Wien.jpg", "ünï.jpg", "花火 🎆.heic", "it's.jpg", "a+b & c=d.jpg", "-rf.jpg", "x.tar.gz",
     "console.jpg", "com10.jpg", "no ending"],
)  # fmt: skip
def test_a_name_that_every_system_takes_stays(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b.jpg", "a_b.jpg"), ("..\\..\\x.jpg", "_.._.._x.jpg"), ("../etc", "_.._etc"),
        ("..", "photo"), ("", "photo"),
        ('<>:"|?*.jpg', "_______.jpg"), ("a\nb\x00.jpg", "a b.jpg"), ("end. . ", "end"), (" x.jpg", "x.jpg"),
        ("CON", "_CON"), ("con.jpg", "_con.jpg"), ("Lpt1.tiff", "_Lpt1.tiff"), ("COM¹.x", "_COM¹.x"),
        ("nul .jpg", "_nul .jpg"),
        ("._IMG.jpg", "_._IMG.jpg"), ("U\u0308.jpg", "\u00dc.jpg"), ("photo\u202egpj.exe", "photogpj.exe"),
    ],
)  # fmt: skip
def test_a_name_that_some_system_refuses_is_changed(name, safe):
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".jpg", "ü" * 200 + ".jpg", "🎆" * 70, "x" * 250 + ".", "." + "y" * 300]
)
def test_no_name_is_longer_than_a_disk_takes(name):
    safe = safe_name(name)

    assert 0 < len(safe.encode()) <= 255
    assert safe.endswith(".jpg") == name.endswith(".jpg")


def given(*wanted: str) -> list[str]:
    names = Names()
    return [names.give(each) for each in wanted]


def test_the_same_name_again_gets_a_number():
    assert given("a.jpg", "a.jpg", "a.jpg", "b") == ["a.jpg", "a (2).jpg", "a (3).jpg", "b"]


def test_names_that_differ_in_case_alone_get_numbers():
    assert given("a.jpg", "A.JPG", "straße", "STRASSE") == ["a.jpg", "A (2).JPG", "straße", "STRASSE (2)"]


def test_names_that_become_one_get_numbers():
    assert given("a/b", "a:b", "\u00dc", "U\u0308") == ["a_b", "a_b (2)", "\u00dc", "\u00dc (2)"]


def test_a_number_that_somebody_else_has_is_passed_over():
    assert given("a.jpg", "a (2).jpg", "a.jpg", "a (2).jpg") == [
        "a.jpg",
        "a (2).jpg",
        "a (3).jpg",
        "a (2) (2).jpg",
    ]


def test_long_names_stay_apart():
    names = given(*["x" * 300 + ".jpg"] * 12)

    assert len({as_one(each) for each in names}) == 12
    assert max(len(each.encode()) for each in names) <= 255


def test_five_thousand_of_one_name_are_no_trouble():
    names = given(*["IMG.jpg"] * 5_000)

    assert names[-1] == "IMG (5000).jpg"
    assert len(set(map(as_one, names))) == 5_000
    assert all(unicodedata.is_normalized("NFC", each) for each in names)
