import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploads.limits import MAX_FILE_BYTES, MAX_PART_COUNT, MIB, MIN_PART_BYTES, PREFERRED_PART_BYTES
from uploads.part_plan import PartPlan, plan_parts

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "part_plan.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["size"]))
def test_the_plan_is_that_of_the_shared_vectors(vector):
    plan = plan_parts(vector["size"])

    assert plan.part_bytes == vector["part_bytes"]
    assert plan.part_count == vector["part_count"]
    assert plan.part(plan.part_count).size_bytes == vector["last_part_bytes"]


@pytest.mark.parametrize(
    "size", [limit + more for limit in (PREFERRED_PART_BYTES, MAX_FILE_BYTES) for more in (-1, 0, 1)]
)
def test_the_parts_cover_the_file_once_and_in_order(size):
    parts = list(plan_parts(size))

    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert [part.offset for part in parts] == [
        sum(p.size_bytes for p in parts[:i]) for i in range(len(parts))
    ]
    assert sum(part.size_bytes for part in parts) == size


@given(st.integers(min_value=0, max_value=5 * 1024**4))
def test_no_plan_is_one_a_store_refuses(size):
    plan = plan_parts(size)

    assert plan.part_count <= MAX_PART_COUNT
    assert plan.part_bytes >= MIN_PART_BYTES
    assert plan.part_bytes % MIB == 0
    assert (plan.part_count - 1) * plan.part_bytes <= size <= plan.part_count * plan.part_bytes


@pytest.mark.parametrize(("more_bytes", "part_bytes"), [(-1, 8 * MIB), (0, 8 * MIB), (1, 9 * MIB)])
def test_parts_grow_where_ten_thousand_would_not_do(more_bytes, part_bytes):
    assert plan_parts(MAX_PART_COUNT * PREFERRED_PART_BYTES + more_bytes).part_bytes == part_bytes


def test_an_empty_file_is_one_empty_part():
    assert [part.size_bytes for part in plan_parts(0)] == [0]


def test_a_plan_that_was_kept_is_read_as_it_was_cut():
    assert [part.size_bytes for part in PartPlan(file_bytes=11, part_bytes=5)] == [5, 5, 1]


@pytest.mark.parametrize("number", [0, 3])
def test_a_number_outside_the_plan_is_no_part(number):
    with pytest.raises(IndexError):
        PartPlan(file_bytes=10, part_bytes=5).part(number)


def test_a_file_of_less_than_nothing_has_no_plan():
    with pytest.raises(ValueError, match="-1"):
        plan_parts(-1)
