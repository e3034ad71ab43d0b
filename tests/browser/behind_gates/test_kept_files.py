"""What a browser says it keeps: true to the file, found again by whoever chose it, and gone when they sign out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import GalleryPage, make_gallery, write_padded_photo
from tests.browser.lines import BODIES
from tests.fault_gate.faults import Held, Rule

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.parametrize("gated", ["local"], indirect=True),
]

COUNT, FILE_BYTES = 100, 200_000
ROOM_SHARE = 0.3
SENT_BEFORE = 20
# static/src/engine/keeper.ts looks again for room 5 s after bytes were freed; then its number is the last.
STILL_MS = 7_000


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "shoot"
    folder.mkdir()
    return [write_padded_photo(folder / f"shot-{number:03}.jpg", FILE_BYTES) for number in range(COUNT)]


def test_as_many_go_on_by_themselves_as_the_page_says(own_browser, gated, sent, files, page_watch) -> None:
    page_watch.expect("ERR_|WebSocket|Quota")
    page = own_browser.open()
    page_watch.watch(page)
    give_room(page, gated.site.base_url, round(ROOM_SHARE * COUNT * FILE_BYTES))
    gallery = make_gallery(page)
    later = gated.to_store.add(Rule(Held(), **BODIES, calls=range(SENT_BEFORE + 1, 10_000)))
    gallery.choose_folder(files[0].parent)
    promised = promised_count(page)
    safe = len(verified(gallery))

    with sent.interrupted():
        own_browser.kill()
    gated.to_store.remove(later)
    gallery = gallery.open(own_browser.open())
    page_watch.watch(gallery.page)
    needed = needed_count(gallery.page, at_most=COUNT - safe - 1)

    assert safe <= SENT_BEFORE
    assert 0 < promised < COUNT - safe
    wait_for_done(gallery.page, safe + promised)
    assert (len(verified(gallery)), needed) == (safe + promised, COUNT - safe - promised)

    changed = next(file for file in reversed(files) if file.name not in verified(gallery))
    write_padded_photo(changed, FILE_BYTES + 1_000)
    gallery.choose_folder(files[0].parent)
    gallery.page.get_by_text(
        re.compile(rf"1 photo has changed since you chose it.*{changed.name}")
    ).wait_for()
    wait_for_done(gallery.page, COUNT)

    assert needed_count(gallery.page, at_most=1) == 1
    assert verified(gallery) == {file.name for file in files}
    assert len(gallery.uploads()) == COUNT + 1
    assert sent.again_bytes() <= sent.lost_bytes()


def test_who_signs_out_leaves_no_name_and_no_byte(own_browser, gated, sent, files, page_watch) -> None:
    page_watch.expect("ERR_|WebSocket")
    page = own_browser.open()
    page_watch.watch(page)
    gallery = make_gallery(page)
    gated.to_store.add(Rule(Held(), **BODIES))
    gallery.choose_folder(files[0].parent)
    assert promised_count(page) == COUNT
    assert "shot-042" in remembered(page)

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign out anyway").click()
    page.wait_for_url(lambda url: gallery.gallery_id not in url)

    known = sent.counts.requests
    assert remembered(page) == "[]"
    sign_up(page, "the-next-one")
    page.wait_for_load_state("networkidle")
    assert "shot-" not in page.content()
    assert "shot-" not in remembered(page)
    assert page.evaluate("Object.values({ ...localStorage, ...sessionStorage }).join()").find("shot-") == -1
    assert sent.counts.requests == known


def give_room(page: Page, origin: str, room_bytes: int) -> None:
    """Before the origin's first use of its store; holds as long as this browser lives."""
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": room_bytes})


def promised_count(page: Page) -> int:
    """How many files "go on by themselves", once that number has come to rest."""
    said = page.wait_for_function(
        """stillMs => {
            const words = document.querySelector('#upload-dock')?.textContent ?? '';
            const [, count] = words.match(/([\\d,]+) go(?:es)? on by/) ?? [];
            if (window.promised !== count) [window.promised, window.since] = [count, performance.now()];
            return count !== undefined && performance.now() - window.since > stillMs && count;
        }""",
        arg=STILL_MS,
        timeout=90_000,
    )
    return int(said.json_value().replace(",", ""))


def needed_count(page: Page, *, at_most: int) -> int:
    """How many files have to be chosen again, once nothing else is left to do."""
    said = page.wait_for_function(
        """atMost => {
            const words = document.querySelector('#upload-dock')?.textContent ?? '';
            const [, count] = words.match(/([\\d,]+) photos? to be chosen again/) ?? [];
            return count !== undefined && Number(count) <= atMost && count;
        }""",
        arg=at_most,
        timeout=90_000,
    )
    return int(said.json_value())


def verified(gallery: GalleryPage) -> set[str]:
    return {upload["name"] for upload in gallery.uploads() if upload["state"] == "verified"}


def wait_for_done(page: Page, count: int) -> None:
    page.wait_for_function(
        """count => {
            const words = document.querySelector('#upload-dock')?.textContent ?? '';
            return Number(words.match(/(\\d+) of \\d+/)?.[1]) >= count;
        }""",
        arg=count,
        timeout=90_000,
    )


def remembered(page: Page) -> str:
    """All records of all databases of this origin, as JSON."""
    return json.dumps(
        page.evaluate(
            """async () => {
                const asked = request => new Promise((resolve, reject) => {
                    request.onsuccess = () => resolve(request.result);
                    request.onerror = () => reject(request.error);
                });
                const all = [];
                for (const { name } of await indexedDB.databases()) {
                    const db = await asked(indexedDB.open(name));
                    for (const store of db.objectStoreNames) {
                        const records = db.transaction(store).objectStore(store);
                        all.push(name, await asked(records.getAllKeys()), await asked(records.getAll()));
                    }
                    db.close();
                }
                return all;
            }"""
        )
    )


def sign_up(page: Page, name: str) -> None:
    page.goto("/accounts/signup/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password1]").fill("a long enough password")
    page.locator("[name=password1]").press("Enter")
    page.wait_for_url("**/galleries/")
