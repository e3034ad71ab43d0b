"""The product's clock, in the hands of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands: what is a second before an edge stays before it, however long the test takes."""
    from uploads import clock

    moment = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets it forward."""
    from uploads import clock

    def move(by: timedelta) -> None:
        then = timezone.now() + by
        monkeypatch.setattr(clock, "now", lambda: then)

    return move
