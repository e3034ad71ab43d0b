"""A person at the product: folders on a disk, a gallery on a page, drops that come from the system."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.browsers import OwnBrowser
from tests.pictures import compass, jpeg, noise, saved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from PIL import Image
    from playwright.sync_api import Browser, Page

    from dev.services.site import Site

COMPLETE_WITHIN_MS = 120_000


@dataclass(frozen=True)
class GalleryPage:
    """One gallery in one browser page; what it says comes from the page's own words."""

    page: Page
    gallery_id: str

    def open(self, page: Page | None = None) -> GalleryPage:
        shown = page or self.page
        shown.goto(f"/galleries/{self.gallery_id}/")
        return GalleryPage(shown, self.gallery_id)

    def choose(self, *files: Path) -> None:
        self.page.locator("[data-chooser=files]").set_input_files(list(files))

    def choose_folder(self, folder: Path) -> None:
        self.page.locator("[data-chooser=folder]").set_input_files(folder)

    def drop(self, *paths: Path) -> None:
        """A real drag from outside the browser, files and folders alike."""
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 400, "data": data})

    def wait_for_end(self, outcome: str = "all", *, within_ms: int = COMPLETE_WITHIN_MS) -> None:
        self.page.wait_for_selector(
            f"[data-gallery-state=complete][data-outcome={outcome}]", timeout=within_ms
        )

    def wait_for_tiles(self, at_least: int) -> None:
        self.page.wait_for_function(
            "count => document.querySelectorAll('[data-photo-id]').length >= count", arg=at_least
        )

    def wait_for_percent(self, at_least: int) -> int:
        """What it says then."""
        said = self.page.wait_for_function(
            """wanted => {
                const dock = document.querySelector('[data-progress-percent]');
                const percent = Number(dock?.dataset.progressPercent ?? -1);
                return percent >= wanted && { percent };
            }""",
            arg=at_least,
            timeout=COMPLETE_WITHIN_MS,
        )
        return int(said.json_value()["percent"])

    def percent(self) -> int:
        return int(self.page.locator("[data-progress-percent]").get_attribute("data-progress-percent") or "0")

    def photos(self) -> list[dict[str, Any]]:
        answer = self.page.request.get(f"/api/galleries/{self.gallery_id}/photos?limit=1000")
        photos: list[dict[str, Any]] = answer.json()["photos"]
        return photos

    def uploads(self) -> list[dict[str, Any]]:
        answer = self.page.request.get(f"/api/galleries/{self.gallery_id}/uploads?limit=1000")
        uploads: list[dict[str, Any]] = answer.json()["uploads"]
        return uploads

    def original_digests(self) -> dict[str, str]:
        """SHA-256 of each original as the product hands it out, by name."""
        return {
            photo["name"]: hashlib.sha256(self.page.request.get(photo["original_url"]).body()).hexdigest()
            for photo in self.photos()
        }


@pytest.fixture
def gallery_page(page: Page) -> GalleryPage:
    """A new, empty gallery, made by the form and open in `page`."""
    return make_gallery(page)


def make_gallery(page: Page, title: str = "By the sea") -> GalleryPage:
    page.goto("/galleries/")
    page.get_by_label("Title of a new gallery").fill(title)
    page.get_by_role("button", name="Create gallery").click()
    page.wait_for_selector("[data-gallery-state]")
    gallery_id = page.locator("[data-gallery-id]").first.get_attribute("data-gallery-id")
    assert gallery_id is not None
    return GalleryPage(page, gallery_id)


def digests_of(files: Iterable[Path]) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def write_photos(folder: Path, count: int, *, width_px: int = 320) -> list[Path]:
    """Small JPEGs, each another picture."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(count):
        image = compass(width_px, width_px * 2 // 3)
        image.paste((number % 256, number // 256, 99), (0, 0, 8, 8))
        files.append(folder / f"{folder.name}-{number:04}.jpg")
        # Two pictures that differ in a few pixels may well be the same bytes; a comment makes them differ.
        files[-1].write_bytes(jpeg(image, comment=f"{folder.name} {number}".encode()))
    return files


def write_padded_photo(file: Path, file_bytes: int) -> Path:
    """A small picture with noise behind its end: as many bytes as wanted, and next to no work to decode."""
    picture = jpeg(compass(), comment=file.name.encode())
    file.write_bytes(picture + random.Random(file.name).randbytes(file_bytes - len(picture)))
    return file


def write_large_photo(file: Path, *, width_px: int = 2600) -> Path:
    """A PNG of noise: far more than one part of 8 MiB."""
    file.write_bytes(saved(noise(width_px, width_px), "PNG", compress_level=0))
    return file


def write_every_kind(folder: Path) -> list[Path]:
    """One photo of each kind that Pillow writes, upright and small."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {
        "jpg": "JPEG",
        "png": "PNG",
        "webp": "WEBP",
        "gif": "GIF",
        "avif": "AVIF",
        "tif": "TIFF",
        "heic": "heic",
    }
    files = []
    for number, (ending, kind) in enumerate(kinds.items()):
        image = compass(400, 260).convert("RGB")
        image.paste((number * 30, 20, 20), (0, 0, 30, 30))
        files.append(folder / f"kind.{ending}")
        files[-1].write_bytes(saved(flat(image, kind), kind))
    return files


def flat(image: Image.Image, kind: str) -> Image.Image:
    return image.convert("P") if kind == "GIF" else image


# A browser that may be killed


@pytest.fixture
def own_browser(
    browser: Browser, chromium: Path, site: Site, session_of: Callable[[Site], Any], tmp_path: Path
) -> Iterator[OwnBrowser]:
    """Signed in to `site`, and not open."""
    own = OwnBrowser(browser.browser_type, chromium, tmp_path / "profile", site.base_url)
    own.sign_in(session_of(site)["cookies"])
    yield own
    own.kill()
