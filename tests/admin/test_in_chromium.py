"""The admin in a real browser on the running product: nothing is refused by the site's policy, and actions act."""

from __future__ import annotations

import json
import os
import time
import uuid
import zlib
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.pictures import jpeg, noise

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from dev.services.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.services]

PAGES = (
    "/admin/", "/admin/uploads/upload/", "/admin/uploads/uploadevent/", "/admin/uploads/discard/",
    "/admin/uploads/publication/", "/admin/uploads/workerheartbeat/", "/admin/galleries/gallery/",
    "/admin/galleries/photo/", "/admin/galleries/rendition/", "/admin/accounts/user/", "/admin/accounts/apitoken/",
)  # fmt: skip


class Program:
    """Sends photos as any program does."""

    def __init__(self, site: Site) -> None:
        self.site, self.token = site, site.api_token()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return json.loads(
            self.ask(method, f"/api{path}", json.dumps(body).encode() if body else b"", headers)
        )

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        connection = HTTPConnection("localhost", self.site.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status < 300, (answer.status, said)
            return said
        finally:
            connection.close()

    def send(self, gallery_id: str, files: dict[str, bytes]) -> dict[str, str]:
        """Name -> state, once each has ended."""
        declared = [
            {"client_id": uuid.uuid4().hex, "name": name, "size": len(body), "type": "image/jpeg",
             "last_modified": 0, "crc32": f"{zlib.crc32(body):08x}"}
            for name, body in files.items()
        ]  # fmt: skip
        batch = self.call("POST", f"/galleries/{gallery_id}/uploads/batch", {"files": declared})["uploads"]
        for row in batch:
            request = row["transfer"]["request"]
            self.ask(request["method"], request["url"], files[row["name"]], request["headers"])
        self.call("POST", "/uploads/complete", {"uploads": [{"id": row["id"]} for row in batch]})
        return self.ended(gallery_id, {row["id"] for row in batch})

    def ended(self, gallery_id: str, upload_ids: set[str]) -> dict[str, str]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            rows = self.call("GET", f"/galleries/{gallery_id}/uploads?limit=1000")["uploads"]
            states = {row["name"]: row["state"] for row in rows if row["id"] in upload_ids}
            if set(states.values()) <= {"verified", "failed"}:
                return states
        raise TimeoutError(states)


@pytest.fixture(scope="module")
def program(site_local: Site) -> Program:
    site_local.manage(
        "shell", "-c", "from accounts.models import User; User.objects.filter(username='demo').update("
        "is_staff=True, is_superuser=True)",
    )  # fmt: skip
    return Program(site_local)


@pytest.fixture(scope="module")
def summer(program: Program) -> str:
    """A gallery with two photos, and a file that is none."""
    gallery_id: str = program.call("POST", "/galleries", {"title": "Summer"})["id"]
    files = {
        "one.jpg": jpeg(noise(900, 600)),
        "two.jpg": jpeg(noise(600, 900)),
        "not.jpg": b"not a photo at all",
    }
    states = program.send(gallery_id, files)
    assert states == {"one.jpg": "verified", "two.jpg": "verified", "not.jpg": "failed"}
    return gallery_id


def test_every_page_opens_and_nothing_on_it_is_refused(page: Page, summer: str) -> None:
    """`page` fails for whatever the content security policy refuses."""
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert answer.ok, path
        page.locator("#content h1").wait_for()


def test_a_photo_is_seen_in_its_list_and_on_its_page(page: Page, summer: str) -> None:
    page.goto(f"/admin/galleries/photo/?gallery__id__exact={summer}")
    for name in ("one.jpg", "two.jpg"):
        expect(page.get_by_role("img", name=name)).not_to_have_js_property("naturalWidth", 0)

    page.get_by_role("link", name="one.jpg").click()

    expect(page.locator(".readonly img.thumbnail")).to_have_js_property("naturalWidth", 400)


def test_a_photo_is_deleted_and_restored_by_hand(page: Page, summer: str) -> None:
    address = f"/admin/galleries/photo/?gallery__id__exact={summer}&q=two.jpg"
    page.goto(address)
    choose(page, "delete")
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("1 photo deleted.").wait_for()

    page.goto(address)
    choose(page, "restore")

    page.get_by_text("1 photo restored.").wait_for()


def choose(page: Page, action: str) -> None:
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()


def test_what_must_hold_holds_on_the_running_product(site_local: Site, summer: str) -> None:
    report = json.loads(site_local.manage("verify_invariants", "--json", "--read-bytes"))

    assert report["broken"] == []
    assert report["ok"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_page_reads_well_by_day_and_by_night(
    page: Page, summer: str, scheme: Any, tmp_path: Path
) -> None:
    """Text stands out from what it stands on by the 4.5 that WCAG asks."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1440, "height": 900})
    for path in ("/admin/", "/admin/uploads/upload/"):
        page.goto(path)
        kept = os.environ.get("SCREENSHOTS")
        page.screenshot(path=f"{kept or tmp_path}/admin{path.count('/')}-{scheme}.png")
        assert page.evaluate(WEAK_TEXTS) == [], path


# Every text on the page against the nearest background below it: those below 4.5 to 1 (3 to 1 where it is large).
WEAK_TEXTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const weak = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).find(Boolean);
    const style = getComputedStyle(element);
    if (element.closest("option, .visually-hidden")) continue;
    const box = element.getBoundingClientRect();
    if (!text || box.width < 2 || style.visibility === "hidden") continue;
    const [a, b] = [light(rgb(style.color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24;
    if (ratio < (isLarge ? 3 : 4.5)) weak.add(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${text}`);
  }
  return [...weak];
}"""
