"""Download in a real browser: the button, chosen photos, and a connection that breaks."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import GalleryPage, make_gallery, write_padded_photo
from tests.fault_gate.faults import Break, Rule
from tests.fault_gate.gate import FaultGate

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Download, Page

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]

PHOTO_BYTES = 700_000
WITHIN_MS = 60_000


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write_padded_photo(tmp_path / f"shot-{number}.jpg", PHOTO_BYTES + number) for number in range(3)]


@pytest.fixture
def gallery(page: Page, files: list[Path]) -> GalleryPage:
    gallery = make_gallery(page, "By the sea, „26“")
    gallery.choose(*files)
    gallery.wait_for_end()
    gallery.wait_for_tiles(len(files))
    return gallery


def kept(download: Download) -> bytes:
    return download.path().read_bytes()


def photos_in(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist() if name.startswith("shot-")}


def test_the_button_gives_every_photo(gallery, files):
    with gallery.page.expect_download(timeout=WITHIN_MS) as begun:
        gallery.page.get_by_role("link", name="Download", exact=True).click()

    assert begun.value.suggested_filename == "By the sea, „26“.zip"
    assert photos_in(kept(begun.value)) == {file.name: file.read_bytes() for file in files}


def test_chosen_photos_alone_are_downloaded(gallery, files):
    page = gallery.page
    page.locator("[data-photo-id]").first.hover()
    page.locator(".tile-select").first.click()
    with page.expect_download(timeout=WITHIN_MS) as begun:
        page.get_by_role("toolbar", name="Selected photos").get_by_role("button", name="Download").click()

    inside = photos_in(kept(begun.value))
    assert len(inside) == 1
    assert set(inside) < {file.name for file in files}


def test_a_download_that_breaks_has_visibly_failed(gallery, site: Site, context: Any):
    with FaultGate.start(site.base_url) as gate:
        gate.add(Rule(Break("answer", 900_001), method="GET", path="download.zip", calls={1}))
        page = context.new_page()
        near = gate.url.replace("127.0.0.1", "localhost")  # where the cookie is known
        page.goto(f"{near}/galleries/{gallery.gallery_id}/")
        with page.expect_download(timeout=WITHIN_MS) as begun:
            page.get_by_role("link", name="Download", exact=True).click()

        assert begun.value.failure() is not None


GO_ON = """async ([address, cuts]) => {
  const pieces = [];
  let etag = null, total = 1, got = 0;
  while (got < total) {
    const cutting = new AbortController();
    const headers = got ? { Range: `bytes=${got}-`, 'If-Range': etag } : {};
    const answer = await fetch(address, { headers, signal: cutting.signal, cache: 'no-store' });
    if (got && answer.status !== 206) throw new Error(`began anew: ${answer.status}`);
    etag = answer.headers.get('ETag');
    total = got + Number(answer.headers.get('Content-Length'));
    const cut = cuts.shift() ?? Infinity;
    const reader = answer.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      pieces.push(next.value);
      got += next.value.length;
      if (got >= cut) break;
    }
    cutting.abort();
  }
  const digest = await crypto.subtle.digest('SHA-256', await new Blob(pieces).arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}"""


def test_a_page_goes_on_with_what_was_cut_at_random_bytes(gallery):
    address = f"/galleries/{gallery.gallery_id}/download.zip"
    whole = gallery.page.request.get(address).body()
    cuts = sorted(random.Random(5).randrange(1, len(whole)) for _ in range(5))

    assert gallery.page.evaluate(GO_ON, [address, cuts]) == hashlib.sha256(whole).hexdigest()
