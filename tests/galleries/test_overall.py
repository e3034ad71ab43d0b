"""All galleries of a person as one round; and when a gallery's number is a hundred."""

from datetime import UTC, datetime

import pytest

from galleries.overall import overall_of
from galleries.ports import Totals


def at(minute):
    return datetime(2026, 11, 21, 12, minute, tzinfo=UTC)


def filled(stored, total, began, ended=None, **fields):
    files = {"verified": 1} if ended is not None else {"uploading": 1}
    ended_at = None if ended is None else at(ended)
    return Totals(stored, total, files, began_at=at(began), ended_at=ended_at, **fields)


@pytest.mark.parametrize(
    ("galleries", "stored", "total"),
    [
        ([], 0, 0),
        ([Totals(began_at=None)], 0, 0),
        ([filled(3, 9, 0)], 3, 9),
        ([filled(3, 9, 0), filled(2, 5, 1)], 5, 14),
        ([filled(9, 9, 0, 5), filled(2, 5, 4)], 11, 14),  # one is over, the other began before
        ([filled(9, 9, 0, 3), filled(2, 5, 4)], 2, 5),  # one was over before the other began
        ([filled(9, 9, 0, 3), filled(5, 5, 4, 6)], 5, 5),  # all is over: the last round stands
        ([filled(1, 1, 0, 2), filled(2, 2, 1, 4), filled(4, 4, 3)], 7, 7),  # a chain
    ],
)
def test_what_was_filled_at_the_same_time_is_one_round(galleries, stored, total):
    for order in (galleries, galleries[::-1]):
        overall = overall_of(order)
        assert (overall.bytes, overall.bytes_total) == (stored, total)


def test_speeds_add_up_and_the_time_left_is_that_of_the_whole():
    overall = overall_of([filled(0, 100, 0, rate=10), filled(50, 150, 0, rate=30), filled(0, 40, 0)])

    assert (overall.rate, overall.seconds_left) == (40, 6)
    assert overall.files == {"uploading": 3}


@pytest.mark.parametrize(
    ("files", "stored", "percent"),
    [
        ({}, 0, 0), ({"registered": 2}, 0, 0), ({"uploading": 2}, 50, 50), ({"uploaded": 2}, 100, 99),
        ({"verifying": 1, "verified": 1}, 100, 99), ({"verified": 2}, 100, 100),
        ({"verified": 1, "failed": 1}, 50, 100),
        ({"failed": 2}, 0, 0), ({"cancelled": 1}, 0, 0),
    ],
)  # fmt: skip
def test_a_hundred_is_said_of_what_is_verified_alone(files, stored, percent):
    assert Totals(stored, 100, files).percent == percent
