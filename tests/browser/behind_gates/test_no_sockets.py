"""Behind a proxy that knows no websockets every place says how far it is: the same is asked for by calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import GalleryPage, make_gallery, write_padded_photo
from tests.browser.test_five_places import FILE_BYTES, FILES, PASSED, Valve, other_page, wait_for
from tests.fault_gate.faults import Answer, Rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from dev.services.site import Site
    from tests.browser.lines import GatedSite
    from tests.services.page_watch import PageWatch

__all__ = ["other_page"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.services,
    pytest.mark.parametrize("gated", ["local"], indirect=True),
]

# Asked for every two or three seconds; the rest is for a machine that does much else.
SAID_WITHIN_MS = 20_000
PERSON = """
from accounts.models import User
User.objects.filter(username="unplugged").exists() or User.objects.create_user("unplugged", password={password!r})
"""


@pytest.fixture
def site(gated: GatedSite) -> Site:
    """Seen by somebody without other galleries: the sum of all of theirs is that of one."""
    gated.site.manage("shell", "--verbosity", "0", "--command", PERSON.format(password=gated.site.password))
    return replace(gated.site, username="unplugged")


def test_without_sockets_the_dock_the_list_and_another_device_follow(
    gated: GatedSite,
    page: Page,
    page_watch: PageWatch,
    other_page: Callable[[str], Page],
    tmp_path: Path,
) -> None:
    page_watch.expect("WebSocket|400")
    sockets = gated.to_site.add(Rule(Answer(400), method="GET", path="^/ws/"))
    gated.to_site.forget()  # the page after signing in had one
    gallery = make_gallery(page, "Unplugged")
    valve = Valve(PASSED)
    page.context.route("**/*", valve)
    pages = {"list": other_page("/galleries/"), "device": other_page(f"/galleries/{gallery.gallery_id}/")}
    pages["all"] = pages["list"]
    files = [write_padded_photo(tmp_path / f"plug-{number}.jpg", FILE_BYTES) for number in range(FILES)]
    # The device has looked once before anything arrives: what was left and stands still is no news.
    gated.to_site.wait_until(
        lambda counts: counts.where(method="GET", path=f"/api/galleries/{gallery.gallery_id}$").requests > 0
    )

    gallery.choose(*files)
    wait_for(page, "dock", gallery.gallery_id, 50, within_ms=60_000)
    for place, shown in pages.items():
        wait_for(shown, place, gallery.gallery_id, 50, within_ms=SAID_WITHIN_MS)

    valve.open()
    wait_for(page, "dock", gallery.gallery_id, 100, within_ms=60_000)
    wait_for(pages["list"], "list", gallery.gallery_id, 100, within_ms=SAID_WITHIN_MS)
    GalleryPage(pages["device"], gallery.gallery_id).wait_for_tiles(FILES)
    asked = gated.to_site.counts
    assert asked.where(path="^/ws/").requests == asked.where(rule=sockets).requests >= len(pages)
    assert asked.where(method="POST", path="/progress$").requests
