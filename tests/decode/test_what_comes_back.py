"""The worker believes nothing that the child says: every field, and every byte of every rendition, is checked."""

import io
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galleries.decode.plain_picture import plain_size
from galleries.decode.wire import (
    MAX_DETAILS_BYTES,
    MAX_FRAME_BYTES,
    MAX_RENDITION_BYTES,
    MAX_SIDE_PX,
    Answer,
    MalformedAnswer,
    Refusal,
    framed,
    read_frame,
)
from galleries.renditions import GRID, RECIPES, VIEW, Recipe
from tests import pictures

HONEST = {
    "width": 3, "height": 2, "captured_at": "2024-02-29T23:59:58", "camera": "Canon", "details": {"iso": "400"},
    "thumbhash": "0a" * 20, "warnings": ["first_frame_only"], "sizes": [10, 10],
}  # fmt: skip

LIES = {
    "width": [0, -1, MAX_SIDE_PX + 1, 2**70, 1.5, True, "3", None, []],
    "captured_at": ["now", "2024-02-29T23:59:58+00:00", 5, None],
    "camera": ["x" * 101, "a\nb", "\x1b[31m", 5, None],
    "details": [
        {"gps": "1"}, {"gps_latitude": "1"}, {"location": "here"}, {"ISO": "1"}, {"iso": 4}, {"iso": "\0"}, {"": ""},
        {f"a{n}": "x" * 90 for n in range(12)}, [], None,
    ],
    "thumbhash": ["zz", "0", "00" * 26, None],
    "warnings": [["<script>"], ["a"] * 17, [1], "first_frame_only", None],
    "sizes": [[], [1], [1, 2, 3], [0, 1], [-1, 1], [1, MAX_RENDITION_BYTES + 1], [True, 1], ["1", 1], None],
}  # fmt: skip


def reader(data: bytes):
    stream = io.BytesIO(data)

    def read_exactly(size: int) -> bytes:
        read = stream.read(size)
        if len(read) < size:
            raise EOFError
        return read

    return read_exactly


def test_an_honest_answer_is_understood():
    answer = Answer.parse(read_frame(reader(framed(HONEST))))

    assert (answer.width_px, answer.height_px) == (3, 2)
    assert answer.captured_at.isoformat() == "2024-02-29T23:59:58+00:00"
    assert answer.details == {"iso": "400"}


@pytest.mark.parametrize(
    ("field", "lie"), [(field, lie) for field, lies in LIES.items() for lie in lies], ids=str
)
def test_an_answer_with_one_lie_is_refused(field, lie):
    with pytest.raises(MalformedAnswer):
        Answer.parse(HONEST | {field: lie})


@pytest.mark.parametrize("field", HONEST)
def test_an_answer_that_leaves_something_out_is_refused(field):
    with pytest.raises(MalformedAnswer):
        Answer.parse({name: value for name, value in HONEST.items() if name != field})


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_frame_has_an_end(more):
    body = json.dumps({"a": "x" * (MAX_FRAME_BYTES - 9 + more)}, separators=(",", ":")).encode()
    assert len(body) == MAX_FRAME_BYTES - 1 + more
    frame = struct.pack("!I", len(body) + 1) + body + b" "

    if more == 1:
        with pytest.raises(MalformedAnswer):
            read_frame(reader(frame))
    else:
        assert read_frame(reader(frame))


@given(st.binary(max_size=200))
def test_no_bytes_are_mistaken_for_a_frame(data):
    with pytest.raises((MalformedAnswer, EOFError)):
        Refusal.parse(read_frame(reader(struct.pack("!I", len(data)) + data)))


def test_details_stay_within_a_kilobyte():
    whole = {f"a{n}": "x" * 90 for n in range(9)}
    assert len(json.dumps(whole)) <= MAX_DETAILS_BYTES

    assert Answer.parse(HONEST | {"details": whole}).details == whole


BARE = {
    VIEW: pictures.saved(pictures.compass(300, 200), "jpeg"),
    GRID: pictures.saved(pictures.compass(300, 200), "webp"),
}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_bare_picture_says_its_size(recipe):
    assert plain_size(BARE[recipe], recipe) == (300, 200)


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"optimize": True}, {"subsampling": 0}, {"restart_marker_blocks": 4}]
)
def test_every_way_to_write_a_bare_jpeg_is_one(options):
    assert plain_size(pictures.jpeg(pictures.noise(300, 200), **options), VIEW) == (300, 200)


def test_every_way_to_write_a_bare_webp_is_one():
    see_through = pictures.compass(300, 200).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize((300, 200)))

    assert plain_size(pictures.saved(see_through, "webp"), GRID) == (300, 200)
    assert plain_size(pictures.saved(see_through, "webp", lossless=True), GRID) == (300, 200)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (kind, extra)
        for kind in ("jpeg", "webp")
        for extra in (
            {"exif": pictures.camera_exif()},
            {"xmp": pictures.XMP_WITH_A_PLACE},
            {"icc_profile": pictures.srgb()},
        )
    ]
    + [("jpeg", {"comment": b"here"})],
)
def test_a_picture_with_anything_beside_it_is_refused(kind, extra):
    recipe = VIEW if kind == "jpeg" else GRID

    with pytest.raises(MalformedAnswer):
        plain_size(pictures.saved(pictures.compass(300, 200), kind, **extra), recipe)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize(
    "change",
    [
        lambda p: p + b"x",
        lambda p: p + p,
        lambda p: p[:-1],
        lambda p: p[:20],
        lambda _: b"",
        lambda _: b"<html>",
    ],
)
def test_a_picture_with_a_byte_too_many_or_too_few_is_refused(recipe, change):
    with pytest.raises(MalformedAnswer):
        plain_size(change(BARE[recipe]), recipe)


def test_an_animation_is_not_a_bare_picture():
    frames = [pictures.compass(30, 20), pictures.noise(30, 20)]

    with pytest.raises(MalformedAnswer):
        plain_size(pictures.saved(frames[0], "webp", save_all=True, append_images=frames[1:]), GRID)


@pytest.mark.parametrize("longest", [399, 400, 401])
def test_a_picture_larger_than_its_recipe_is_refused(longest):
    picture = pictures.saved(pictures.compass(longest, 10), "webp")

    if longest > GRID.longest_side_px:
        with pytest.raises(MalformedAnswer):
            plain_size(picture, GRID)
    else:
        assert plain_size(picture, GRID) == (longest, 10)


@given(
    recipe=st.sampled_from(RECIPES),
    harm=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
)
def test_no_harmed_picture_raises_anything_else(recipe: Recipe, harm):
    picture = bytearray(BARE[recipe])
    for at, byte in harm:
        picture[at % len(picture)] = byte

    try:
        width, height = plain_size(bytes(picture), recipe)
    except MalformedAnswer:
        return
    assert max(width, height) <= recipe.longest_side_px
