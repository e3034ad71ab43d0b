"""Several tabs of one browser: one uploads, the others show the same and go on when it is gone."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

from dev.processes import free_port
from dev.services import site as site_service
from tests.browser.conftest import digests_of, write_photos
from tests.fault_gate.faults import Late, Rule
from tests.fault_gate.gate import FaultGate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Dialog, Page

    from dev.services.site import Site
    from tests.browser.conftest import GalleryPage

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.services, pytest.mark.slow]

COUNT = 60
# Of the page's own origin: a tab that dies may have had so many requests on their way.
IN_FLIGHT = 4
GOES_ON_WITHIN_S = 2.0

MOVED = "percent => Number(document.querySelector('#upload-dock')?.dataset.progressPercent ?? 0) >= percent"


@pytest.fixture(scope="module")
def site_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def line(site_port: int) -> Iterator[FaultGate]:
    with FaultGate.start(f"http://127.0.0.1:{site_port}") as gate:
        yield gate


@pytest.fixture(scope="module")
def slow_site(line: FaultGate, site_port: int, short_folder: Path) -> Iterator[Site]:
    """Photos go to the local store, through a gate."""
    site = site_service.start(short_folder / "site-tabs", store={"SITE_URL": line.url}, port=site_port)
    yield replace(site, base_url=line.url)
    site.stop()


@pytest.fixture
def site(slow_site: Site) -> Site:
    return slow_site


@pytest.fixture
def gate(line: FaultGate, page_watch) -> Iterator[FaultGate]:
    """The store takes its time, so that there is a middle. A tab that ends breaks off what it has on its way."""
    page_watch.expect("ERR_")
    line.heal()
    line.forget()
    line.add(Rule(Late(0.3), method="PUT"))
    yield line
    line.heal()


@pytest.fixture
def second(gallery_page: GalleryPage, context, page_watch) -> GalleryPage:
    """The same gallery in another tab."""
    page = context.new_page()
    page_watch.watch(page)
    opened = gallery_page.open(page)
    # The Worker of the first tab has begun, so that it leads.
    page.wait_for_function("() => navigator.locks.query().then(({ held }) => held.length >= 3)")
    return opened


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return write_photos(tmp_path / "tabs", COUNT)


def paths_sent(gate: FaultGate) -> Counter[str]:
    return Counter(call.path for call in gate.counts.where(method="PUT").calls)


def crash(page: Page) -> None:
    """Its process is gone at once, without a word to anybody."""
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash", wait_until="commit", timeout=5_000)


def test_two_tabs_show_the_same_and_send_each_photo_once(gallery_page, second, gate, photos) -> None:
    gallery_page.choose(*photos[: COUNT // 2])
    second.choose(*photos[COUNT // 2 :])
    second.page.wait_for_function(MOVED, arg=20)

    second.page.get_by_role("button", name="Pause", exact=True).click()
    for tab in (gallery_page, second):
        tab.page.get_by_role("button", name="Resume", exact=True).wait_for()
    gate.wait_until(lambda counts: all(call.is_over for call in counts.where(method="PUT").calls))
    gallery_page.page.wait_for_function(MOVED, arg=second.percent())
    assert gallery_page.percent() == second.percent() < 100
    gallery_page.page.get_by_role("button", name="Resume", exact=True).click()
    for tab in (gallery_page, second):
        tab.wait_for_end()

    assert set(paths_sent(gate).values()) == {1}
    assert len(paths_sent(gate)) == COUNT
    assert gallery_page.original_digests() == digests_of(photos)


@pytest.mark.parametrize("end", ["closed", "crashed"])
def test_when_the_tab_that_uploads_is_gone_another_goes_on(gallery_page, second, gate, photos, end) -> None:
    gallery_page.choose(*photos)
    second.page.wait_for_function(MOVED, arg=20)
    sent_before = gate.counts.where(method="PUT").requests

    if end == "closed":
        gallery_page.page.close()
    else:
        crash(gallery_page.page)
    gone_at = time.monotonic()
    # The first of them may still have been on their way out of the tab.
    gate.wait_until(lambda counts: counts.where(method="PUT").requests > sent_before + IN_FLIGHT)
    assert time.monotonic() - gone_at < GOES_ON_WITHIN_S
    second.wait_for_end()

    assert gate.counts.where(method="PUT").requests <= COUNT + IN_FLIGHT
    assert [upload["state"] for upload in second.uploads()] == ["verified"] * COUNT
    assert second.original_digests() == digests_of(photos)


def test_signing_out_in_one_tab_stops_all_and_forgets_the_photos(
    gallery_page, second, gate, photos, page_watch
) -> None:
    page_watch.expect("status of 401")  # what the other tab was just about to ask
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    second.page.on("dialog", agree)
    gallery_page.choose(*photos)
    second.page.wait_for_function(MOVED, arg=10)
    assert databases(gallery_page.page) != []

    second.page.get_by_role("button", name="Sign out").click()
    second.page.get_by_role("button", name="Sign out anyway").click()
    second.page.wait_for_function("() => document.body.dataset.user === undefined")
    sent = gate.counts.where(method="PUT").requests
    gallery_page.page.wait_for_selector("#upload-dock[data-phase=signed_out]")
    gate.wait_until(lambda counts: all(call.is_over for call in counts.where(method="PUT").calls))

    assert asked == []  # the page has asked in its own words, and that is enough
    assert gate.counts.where(method="PUT").requests == sent < COUNT
    assert [databases(tab.page) for tab in (gallery_page, second)] == [[], []]


@pytest.mark.usefixtures("gate")
def test_a_tab_whose_account_was_signed_out_in_another_says_so_and_leads_back(
    gallery_page, second, photos, page_watch, site
) -> None:
    page_watch.expect("status of 401")  # what the first tab was just about to ask
    first = gallery_page.page
    gallery_page.choose(*photos)
    second.page.wait_for_function(MOVED, arg=10)

    second.page.get_by_role("button", name="Sign out").click()
    second.page.get_by_role("button", name="Sign out anyway").click()
    second.page.wait_for_function("() => document.body.dataset.user === undefined")

    expect(first.locator("#upload-dock")).to_contain_text("signed out in another tab")
    expect(first.locator("#upload-dock")).to_contain_text("Nothing is being sent from here")
    expect(first.locator("[data-part=shelf]")).to_be_hidden()
    expect(first.locator("[data-part=elsewhere]")).to_be_hidden()
    gallery_page.choose(photos[0])
    expect(first.locator(".notice-now")).to_contain_text("You are signed out")
    expect(first.locator("[data-part=shelf]")).to_be_hidden()

    first.locator("#upload-dock").get_by_role("link", name="Sign in").click()
    first.locator("[name=login]").fill(site.username)
    first.locator("[name=password]").fill(site.password)
    first.locator("[name=password]").press("Enter")

    expect(first.locator("[data-part=leftovers]")).to_contain_text("were begun")
    assert first.url.endswith(f"/galleries/{gallery_page.gallery_id}/")
    expect(first.locator("#upload-dock")).to_be_hidden()
    expect(first.locator("[data-part=elsewhere]")).to_be_hidden()


def databases(page: Page) -> list[str]:
    names: list[str] = page.evaluate("() => indexedDB.databases().then(all => all.map(({ name }) => name))")
    return [name for name in names if name.startswith("safelight-uploads")]
