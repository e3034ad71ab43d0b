"""The gates themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dev.services import site as site_service
from tests.browser.lines import local_behind_gates, swift_behind_gates


@dataclass
class StandIn:
    """A site of which nothing is asked but to stop."""

    base_url: str = ""
    stops: list[str] = field(default_factory=list)

    def stop(self) -> None:
        self.stops.append("stopped")


@pytest.mark.parametrize(
    "begin", [local_behind_gates, lambda folder: swift_behind_gates(folder, "http://127.0.0.1:9", {})]
)
def test_a_site_behind_gates_stops_also_when_its_user_fails(begin, monkeypatch, tmp_path) -> None:
    site = StandIn()
    monkeypatch.setattr(site_service, "start", lambda *_, **__: site)

    with pytest.raises(ZeroDivisionError), begin(tmp_path):
        raise ZeroDivisionError

    assert site.stops == ["stopped"]
