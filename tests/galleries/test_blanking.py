"""The blanked form, as arithmetic: the same length, other bytes, whichever way it is cut."""

import hashlib
import io
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galleries.blanking import MAX_BLANKS, Blank, as_rows, blanked, blanked_form, from_rows

ORIGINAL = bytes(range(1, 101))
BLANKS = (Blank(0, 3, b"\0"), Blank(10, 5, b"ab"), Blank(15, 1, b" "), Blank(98, 2, b"\0"))
FORM = b"\0\0\0" + ORIGINAL[3:10] + b"ababa " + ORIGINAL[16:98] + b"\0\0"


def test_what_tells_a_place_is_overwritten_and_nothing_else():
    assert blanked(ORIGINAL, 0, BLANKS) == FORM


def test_without_blanks_it_is_the_original():
    assert blanked(ORIGINAL, 0, ()) == ORIGINAL


@given(st.lists(st.integers(0, 100), max_size=6))
def test_every_cut_of_it_is_a_part_of_the_whole(cuts):
    edges = [0, *sorted(cuts), 100]

    parts = [blanked(ORIGINAL[a:b], a, BLANKS) for a, b in pairwise(edges)]

    assert b"".join(parts) == FORM


def test_its_checksums_are_those_of_the_form():
    form = blanked_form(io.BytesIO(ORIGINAL), BLANKS)

    assert form.blanks == BLANKS
    assert form.crc32 == f"{zlib.crc32(FORM):08x}"
    assert form.sha256 == hashlib.sha256(FORM).hexdigest()


def test_a_form_longer_than_one_read_is_the_same(monkeypatch):
    monkeypatch.setattr("galleries.blanking.CHUNK_BYTES", 7)

    assert blanked_form(io.BytesIO(ORIGINAL), BLANKS).sha256 == hashlib.sha256(FORM).hexdigest()


def test_rows_become_the_blanks_they_were_made_of():
    assert from_rows(as_rows(BLANKS)) == BLANKS


LIES = {
    "no list": {},
    "no rows": [1],
    "a row too short": [[0, 1]],
    "before the file": [[-1, 2, "00"]],
    "of no length": [[0, 0, "00"]],
    "without a fill": [[0, 1, ""]],
    "a fill too long": [[0, 1, "00" * 65]],
    "no hex": [[0, 1, "zz"]],
    "a truth for a number": [[True, 1, "00"]],
    "out of order": [[5, 1, "00"], [0, 1, "00"]],
    "that overlap": [[0, 5, "00"], [4, 1, "00"]],
    "too many": [[2 * at, 1, "00"] for at in range(MAX_BLANKS + 1)],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_is_no_list_of_blanks_is_not_believed(lie):
    with pytest.raises(ValueError):  # noqa: PT011 - any of its own
        from_rows(lie)
