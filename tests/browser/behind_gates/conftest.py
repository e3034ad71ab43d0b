"""The product behind gates is the site of every test here; which store it has, the module says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.browser.lines import GatedSite, SentBytes, local_behind_gates, swift_behind_gates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.services.site import Site
    from dev.services.swift import SwiftServer


@pytest.fixture(scope="session")
def gated_local(short_folder: Path) -> Iterator[GatedSite]:
    with local_behind_gates(short_folder / "site-gated-local") as gated:
        yield gated


@pytest.fixture(scope="session")
def gated_swift(short_folder: Path, swift: SwiftServer) -> Iterator[GatedSite]:
    store = swift.environment(swift.make_bucket(f"site-{uuid4().hex[:12]}"))
    with swift_behind_gates(short_folder / "site-gated-swift", swift.endpoint, store) as gated:
        yield gated


@pytest.fixture
def gated(request: pytest.FixtureRequest) -> Iterator[GatedSite]:
    """Parametrized by the name of a store. Without rules, with nothing counted."""
    gated: GatedSite = request.getfixturevalue(f"gated_{request.param}")
    gated.heal()
    yield gated
    gated.heal()


@pytest.fixture
def site(gated: GatedSite) -> Site:
    return gated.site


@pytest.fixture
def sent(gated: GatedSite) -> SentBytes:
    return SentBytes(gated.to_store)
