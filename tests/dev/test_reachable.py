"""The check that finds refusals nothing raises and moves nothing makes."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dev import reachable

if TYPE_CHECKING:
    import pytest


def with_source(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    real = dict(reachable.sources())
    monkeypatch.setattr(reachable, "sources", lambda: iter({**real, name: ast.parse(text)}.items()))


def test_the_product_has_nothing_unreachable() -> None:
    assert reachable.main() == 0


def test_a_refusal_that_nothing_raises_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = 'class Lonely(UploadError):\n    code, status = "lonely", 400\n'
    with_source(monkeypatch, "planted/errors.py", planted)

    assert list(reachable.unraised_refusals()) == ["nothing raises Lonely (lonely)"]


def test_a_move_that_nothing_makes_and_a_state_without_ways_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = (
        "class State:\n    REGISTERED = 'registered'\n    LOST = 'lost'\n"
        "class Event:\n    VANISH = 'vanish'\n"
        "MOVES = {Event.VANISH: move(State.REGISTERED, to=State.REGISTERED)}\n"
    )
    with_source(monkeypatch, "uploads/states.py", planted)

    assert list(reachable.unmade_moves()) == ["nothing makes the move VANISH"]
    assert list(reachable.unreached_states()) == ["no move leads to LOST", "no move leads out of LOST"]
