"""Joining checksums of parts without their bytes."""

import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploads.crc32 import combine, combine_parts

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "crc32.json").read_text())["vectors"]


@given(st.binary(max_size=2_000), st.binary(max_size=2_000))
def test_two_ranges_joined_have_the_checksum_of_all_their_bytes(first, second):
    assert combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_number_of_parts_joined_have_the_checksum_of_the_file(parts):
    known = [(f"{zlib.crc32(part):08x}", len(part)) for part in parts]

    assert combine_parts(known) == f"{zlib.crc32(b''.join(parts)):08x}"


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**33))
def test_joining_is_associative_with_lengths_beyond_four_gigabytes(first, second, second_bytes):
    zeros = combine(combine(first, 0, second_bytes), second, second_bytes)

    assert zeros == combine(first, combine(0, second, second_bytes), 2 * second_bytes)


@pytest.mark.parametrize("size", [8 * 1024 * 1024 - 1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1])
def test_a_part_of_eight_mebibytes_joins(size):
    part = bytes(size)

    assert combine(zlib.crc32(b"head"), zlib.crc32(part), size) == zlib.crc32(b"head" + part)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["crc32"])
def test_the_vectors_that_the_browser_reads_hold_here(vector):
    parts = [part.encode() for part in vector["parts"]]

    assert [f"{zlib.crc32(part):08x}" for part in parts] == vector["part_crc32"]
    assert combine_parts([(f"{zlib.crc32(p):08x}", len(p)) for p in parts]) == vector["crc32"]
