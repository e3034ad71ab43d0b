"""Takes a picture of every state of an upload: `.venv/bin/python -m dev.state_pictures FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from playwright.sync_api import ViewportSize, sync_playwright

from dev.services import chromium, site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES: Final[dict[str, ViewportSize]] = {
    "desk": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sl-") as data_dir, sync_playwright() as playwright:
        running = site.start(Path(data_dir) / "site", store={"DEBUG": "true"})
        try:
            executable = str(chromium.ensure(Path(sys.executable)))
            browser = playwright.chromium.launch(executable_path=executable, args=list(chromium.FLAGS))
            take(browser, running.base_url, folder)
            browser.close()
        finally:
            running.stop()


def take(browser: Browser, base_url: str, folder: Path) -> None:
    for name, size in SIZES.items():
        for scheme in SCHEMES:
            page = browser.new_page(base_url=base_url, viewport=size, color_scheme=scheme)
            page.goto("/dev/states/")
            page.locator("[data-upload-state=paused]").wait_for()
            page.screenshot(path=folder / f"states-{name}-{scheme}.png", full_page=True)
            page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
