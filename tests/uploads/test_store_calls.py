"""What web requests ask of stores: so many at a time in a process, each refused alone when its time is over."""

import threading
from collections.abc import Callable, Iterator

import pytest

from galleries.errors import StorageUnavailable
from tests.faults.at_once import at_once
from uploads import store_calls
from uploads.store_calls import AT_ONCE, ask_all, threads_of


@pytest.fixture
def stalled() -> Iterator[Callable[[], str]]:
    """An ask that is answered when the test is over."""
    is_over = threading.Event()

    def ask() -> str:
        is_over.wait(30)
        return "too late"

    yield ask
    is_over.set()
    threads_of.cache_clear()


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(store_calls, "PLACE_WITHIN_S", 0.3)
    monkeypatch.setattr(store_calls, "ANSWER_WITHIN_S", 0.9)


def is_unavailable(answer: object) -> bool:
    return isinstance(answer, StorageUnavailable)


def unavailable() -> str:
    raise StorageUnavailable


def broken() -> str:
    raise ZeroDivisionError


def test_answers_come_in_the_order_of_the_asks():
    assert ask_all([lambda number=number: number for number in range(2 * AT_ONCE)]) == [*range(2 * AT_ONCE)]


def test_nothing_asked_is_nothing_answered():
    assert ask_all([]) == []


def test_one_that_is_unavailable_leaves_the_others():
    first, second, third = ask_all([lambda: "a", unavailable, lambda: "c"])

    assert (first, is_unavailable(second), third) == ("a", True, "c")


def test_an_error_of_ours_is_not_taken_for_the_store_s():
    with pytest.raises(ZeroDivisionError):
        ask_all([broken])


@pytest.mark.usefixtures("impatient")
def test_one_that_stalls_is_given_up_and_the_others_are_told(stalled):
    first, second = ask_all([stalled, lambda: "told"])

    assert (is_unavailable(first), second) == (True, "told")


@pytest.mark.usefixtures("impatient")
def test_what_gets_no_place_is_refused_and_never_asked(stalled):
    asked: list[str] = []
    ask_all([stalled] * AT_ONCE)

    [answer] = ask_all([lambda: asked.append("asked")])

    assert is_unavailable(answer)
    assert asked == []


def test_all_callers_together_ask_no_more_than_so_many_at_a_time():
    guard, running, most = threading.Lock(), [0], [0]
    full = threading.Event()

    def ask() -> None:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] >= AT_ONCE:
                full.set()
        full.wait(30)
        with guard:
            running[0] -= 1

    at_once([lambda: ask_all([ask] * AT_ONCE)] * 3)

    assert most == [AT_ONCE]
