import pytest

from client.stream.sizes import (
    MAX_OBJECT_BYTES,
    MAX_PART_BYTES,
    MAX_PART_COUNT,
    MIB,
    MIN_PART_BYTES,
    Fixed,
    Growing,
    sizes_from,
)


@pytest.mark.parametrize("first_mib", [5, 6, 8, 16, 64, 100, 525, 1024, 5 * 1024])
def test_ten_thousand_parts_hold_whatever_a_store_takes(first_mib):
    sizes = Growing(first_mib * MIB)

    room_bytes, number = 0, 0
    while room_bytes < MAX_OBJECT_BYTES:
        number += 1
        room_bytes += sizes.of(number)

    assert number <= MAX_PART_COUNT
    assert sizes.of(number) <= MAX_PART_BYTES
    assert sizes.of(1) == first_mib * MIB


@pytest.mark.parametrize("number", [1, 899, 900, 901, 1800, 1801, 9_999])
def test_no_part_is_shorter_than_the_one_before(number):
    assert Growing().of(number) <= Growing().of(number + 1)
    assert Growing().of(900) * 2 == Growing().of(901)


@pytest.mark.parametrize("size_bytes", [0, MIN_PART_BYTES - 1, MAX_PART_BYTES + 1])
def test_parts_no_store_takes_are_refused(size_bytes):
    with pytest.raises(ValueError, match="a part has"):
        Growing(size_bytes)


@pytest.mark.parametrize("sizes", [Growing(), Growing(MIN_PART_BYTES), Growing(MAX_PART_BYTES), Fixed(7)])
def test_sizes_come_back_as_they_were_kept(sizes):
    kept = sizes.to_json()

    assert sizes_from(kept["kind"], kept["bytes"]) == sizes
