"""A key is made of UUIDs and numbers alone, and nothing else is a key."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galleries.objects.base import bound_key, is_key, original_key, rendition_key

UPLOAD = UUID("0192e4d0-1111-7222-8333-4444555566af")


def test_keys_say_what_they_hold():
    assert original_key(UPLOAD, 3) == f"originals/af/{UPLOAD}/3"
    assert bound_key(UPLOAD, 3) == f"originals/af/{UPLOAD}/3/bound"
    assert rendition_key(UPLOAD, "grid", "0123456789ab") == f"renditions/af/{UPLOAD}/grid-0123456789ab"


@given(st.uuids(), st.integers(min_value=1, max_value=999_999_999))
def test_every_key_that_is_made_is_a_key(identifier, attempt):
    assert is_key(original_key(identifier, attempt))
    assert is_key(bound_key(identifier, attempt))
    assert is_key(rendition_key(identifier, "view", f"{attempt:08x}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "originals",
        f"/originals/af/{UPLOAD}/1",
        f"originals/af/{UPLOAD}",
        f"originals/af/{UPLOAD}/",
        f"originals/af/{UPLOAD}/0",
        f"originals/af/{UPLOAD}/1/",
        f"originals/af/{UPLOAD}/1\n",
        f"originals/af/{UPLOAD}/1.bound",
        f"originals/AF/{UPLOAD}/1",
        f"originals/af/{str(UPLOAD).upper()}/1",
        f"originals/af/../{UPLOAD}/1",
        f"originals/af/{UPLOAD}/../../../../secret_key",
        f"originals/af/{UPLOAD}/١",  # noqa: RUF001  an Arabic digit one
        f"renditions/af/{UPLOAD}/grid",
        ".incoming/0123",
        ".multipart/0123/plan.json",
    ],
)
def test_nothing_else_is_a_key(text):
    assert not is_key(text)


def test_keys_of_many_uploads_are_spread():
    assert len({original_key(uuid4(), 1).split("/")[1] for _ in range(2_000)}) > 200
