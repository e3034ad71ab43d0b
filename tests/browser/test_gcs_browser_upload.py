"""A client that others wrote for Google's resumable uploads, from npm as it is, sends to the local store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dev import node_packages
from tests.browser.conftest import GalleryPage, make_gallery, write_large_photo

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.slow]

CHUNK_BYTES = 256 * 1024
# Slow enough that a page is left in the middle of a chunk.
SLOW_BYTES_PER_S = 3_000_000

CALL = """async ({path, body}) => {
    const {csrf_token} = await (await fetch("/api/session")).json();
    const headers = {"content-type": "application/json", "x-csrftoken": csrf_token};
    return await (await fetch(`/api${path}`, {method: "POST", headers, body: JSON.stringify(body)})).json();
}"""
# The client keeps its own notes in localStorage, by this id, as a page of its readme does.
START = """({url, chunkSize}) => {
    window.sent = 0;
    window.ended = null;
    const upload = new window.GcsUpload({
        id: "photo", url, chunkSize, file: document.querySelector("#chosen").files[0],
        onChunkUpload: () => { window.sent += 1; },
    });
    upload.start().then(
        () => { window.ended = "whole"; },
        (error) => { window.ended = String(error); },
    );
}"""


@dataclass(frozen=True)
class Sender:
    """A page in which that client runs; it is loaded anew as often as a test likes."""

    page: Page
    script: str
    file: Path

    def begin(self, url: str) -> None:
        self.page.evaluate(self.script)
        self.page.evaluate(
            """() => document.body.append(Object.assign(document.createElement("input"),
                {type: "file", id: "chosen"}))"""
        )
        self.page.locator("#chosen").set_input_files(self.file)
        self.page.evaluate(START, {"url": url, "chunkSize": CHUNK_BYTES})

    def wait_for_chunks(self, count: int) -> None:
        self.page.wait_for_function(
            "count => window.sent >= count || window.ended !== null", arg=count, polling=10
        )
        assert self.page.evaluate("window.ended") is None

    def wait_for_end(self) -> None:
        self.page.wait_for_function("() => window.ended !== null", timeout=60_000)
        assert self.page.evaluate("window.ended") == "whole"

    def slow_down(self, bytes_per_s: int) -> None:
        """-1: as fast as it goes."""
        session = self.page.context.new_cdp_session(self.page)
        conditions = {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": bytes_per_s,
        }
        session.send("Network.emulateNetworkConditions", conditions)


@pytest.fixture(scope="module")
def client_script() -> str:
    return node_packages.ensure_resumable_client().read_text(encoding="utf-8")


def call(page: Page, path: str, body: Any) -> list[dict[str, Any]]:
    uploads: list[dict[str, Any]] = page.evaluate(CALL, {"path": path, "body": body})["uploads"]
    return uploads


def begin_upload(gallery: GalleryPage, file: Path) -> dict[str, Any]:
    declared = {"client_id": file.name, "name": file.name, "size": file.stat().st_size, "lane": "resumable"}
    [upload] = call(gallery.page, f"/galleries/{gallery.gallery_id}/uploads/batch", {"files": [declared]})
    assert upload["error"] is None
    return upload


def see_it_verified(gallery: GalleryPage, upload: dict[str, Any], file: Path, site: Site) -> None:
    """Whole, the same bytes, and exactly one object."""
    [after] = call(gallery.page, "/uploads/sign", {"uploads": [{"id": upload["id"]}]})
    assert after["state"] in {"uploaded", "verifying", "verified"}
    gallery.open().wait_for_tiles(1)
    assert [each["state"] for each in gallery.uploads()] == ["verified"]
    assert gallery.original_digests() == {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}
    originals = [
        path for path in (site.data_dir / "objects" / "originals").rglob("*") if upload["id"] in str(path)
    ]
    assert [path for path in originals if path.is_file()] == [originals[-1]]
    assert list((site.data_dir / "objects" / ".resumable").glob("*/body")) == []
    token = upload["transfer"]["session_uri"].rpartition("/")[2]
    assert token not in site.log()
    assert not any(token.encode() in path.read_bytes() for path in site.data_dir.glob("db.sqlite3*"))


def test_a_file_interrupted_five_times_arrives_whole(
    gallery_page: GalleryPage, client_script: str, tmp_path: Path, site: Site
) -> None:
    """From its second interruption on this client sends from the first byte again: those bytes are compared."""
    file = write_large_photo(tmp_path / "large.png", width_px=1400)
    upload = begin_upload(gallery_page, file)
    url = upload["transfer"]["session_uri"]
    sender = Sender(gallery_page.page, client_script, file)
    sender.slow_down(SLOW_BYTES_PER_S)

    for number in range(5):
        sender.begin(url)
        sender.wait_for_chunks(2 + number)
        gallery_page.page.reload()
    sender.slow_down(-1)
    sender.begin(url)
    sender.wait_for_end()

    see_it_verified(gallery_page, upload, file, site)


def test_a_page_of_another_origin_of_the_site_may_send(
    browser: Browser, session_of: Any, client_script: str, tmp_path: Path, site: Site
) -> None:
    """The site's other name is another origin: the browser asks first, and shows the page what is allowed."""
    file = write_large_photo(tmp_path / "large.png", width_px=600)
    context = browser.new_context(base_url=site.base_url, storage_state=session_of(site))
    # The site's own pages connect nowhere else; this one stands for a page that may.
    abroad = browser.new_context(bypass_csp=True)
    try:
        gallery = make_gallery(context.new_page())
        upload = begin_upload(gallery, file)
        page = abroad.new_page()
        page.goto(site.base_url.replace("localhost", "127.0.0.1") + "/livez")
        sender = Sender(page, client_script, file)
        sender.slow_down(SLOW_BYTES_PER_S // 4)
        sender.begin(site.base_url + upload["transfer"]["session_uri"])
        sender.wait_for_chunks(1)
        page.reload()
        sender.slow_down(-1)
        sender.begin(site.base_url + upload["transfer"]["session_uri"])
        sender.wait_for_end()

        see_it_verified(gallery, upload, file, site)
    finally:
        abroad.close()
        context.close()
