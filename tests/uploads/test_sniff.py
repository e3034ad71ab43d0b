"""A photo's type is in its first bytes, and nowhere else."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import pictures
from uploads.media_types import ACCEPTED
from uploads.sniff import SNIFF_BYTES, sniff

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sniff.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_type_is_that_of_the_shared_vectors(vector):
    assert sniff(bytes.fromhex(vector["head_hex"])) == vector["type"]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff", "avif", "heic"])
def test_a_photo_as_programs_write_it_is_known(kind):
    assert sniff(pictures.saved(pictures.compass(), kind)[:SNIFF_BYTES]) == f"image/{kind}"


@pytest.mark.parametrize("preview", [b"", pictures.jpeg()])
def test_a_dng_is_known_by_its_version_with_and_without_a_preview(preview):
    assert sniff(pictures.dng(preview=preview)[:SNIFF_BYTES]) == "image/x-adobe-dng"


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"II*\0", b"MM\0*", b"\0\0\0\x18ftyp", b"\xff\xff\xff\xffftypmif1", b"RIFF"]),
)
def test_no_bytes_raise_and_every_answer_is_a_type_we_take(data, start):
    assert sniff(start + data) in {None, *ACCEPTED}


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["type"]], ids=lambda vector: vector["name"]
)
def test_no_beginning_of_a_photo_raises(vector):
    head = bytes.fromhex(vector["head_hex"])

    assert all(sniff(head[:length]) in {None, *ACCEPTED} for length in range(len(head)))
