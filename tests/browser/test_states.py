"""The page of every state: each fits a phone and a desk, by day and by night, and each control has a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.services import site as site_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]

NAMELESS = """() => Array.from(document.querySelectorAll('button, a[href], input:not([type=hidden]), summary'))
  .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.length || each.title))
  .map((each) => each.outerHTML)"""
ROW_STATES = (
    *("inspecting", "queued", "signing", "uploading", "confirming", "done"),
    *("waiting", "paused", "failed", "invalid", "removed"),
)


@pytest.fixture(scope="session")
def site_with_debug(short_folder: Path) -> Iterator[Site]:
    site = site_service.start(short_folder / "site-debug", store={"DEBUG": "true"})
    yield site
    site.stop()


@pytest.fixture
def site(site_with_debug: Site) -> Site:
    return site_with_debug


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_fits_the_screen_and_names_its_controls(page, size, scheme) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)

    page.goto("/dev/states/")
    for state in ROW_STATES:
        page.locator(f"[data-upload-state={state}]").first.wait_for()

    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.evaluate(NAMELESS) == []


def test_the_list_is_walked_and_selected_by_keyboard(page) -> None:
    page.goto("/dev/states/")
    rows = page.locator("[data-file-id]")
    rows.nth(1).focus()

    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    page.get_by_text("2 files selected").wait_for()

    assert page.evaluate("document.activeElement.ariaRowIndex") == "4"
    page.keyboard.press("Control+a")
    page.get_by_text("21 files selected").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("21 files selected").wait_for(state="hidden")
    page.keyboard.press("Tab")
    assert "Hold" in page.evaluate("document.activeElement.ariaLabel")
