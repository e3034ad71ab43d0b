"""A lease is held while its worker works, and not for ever."""

from __future__ import annotations

import threading

import pytest

from uploads import leases


def keepers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "lease"]


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    monkeypatch.setattr(leases, "LEASE_RENEWED_EVERY_S", 0.01)
    return []


def test_it_is_renewed_while_the_work_goes_on_and_not_afterwards(calls):
    renewed = threading.Event()

    def prolong() -> None:
        calls.append(1)
        if len(calls) == 3:
            renewed.set()

    with leases.held(prolong):
        assert renewed.wait(10)
        [keeper] = keepers()
    keeper.join(10)

    assert not keeper.is_alive()


def test_a_worker_that_is_stuck_loses_it_in_the_end(calls, monkeypatch):
    monkeypatch.setattr(leases, "LEASE_HELD_AT_MOST_S", 0.1)

    with leases.held(lambda: calls.append(1)):
        [keeper] = keepers()
        keeper.join(10)
        assert not keeper.is_alive()

    assert calls


def test_a_database_that_is_away_for_a_moment_does_not_end_it(calls):
    again = threading.Event()

    def prolong() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError
        again.set()

    with leases.held(prolong):
        assert again.wait(10)
