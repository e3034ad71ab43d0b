"""Takes the pictures of docs/screenshots from the running product: `.venv/bin/python -m dev.screenshots`.

Sample photos are drawn by code, uploaded through the browser as anybody would, and shown by day and by night.
"""

from __future__ import annotations

import colorsys
import math
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pyvips
from playwright.sync_api import ViewportSize, sync_playwright

from dev.places import ROOT
from dev.services import chromium, site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from dev.services.site import Site

FOLDER: Final = ROOT / "docs" / "screenshots"
PHOTO_COUNT: Final = 48
SHAPES: Final = (
    (1500, 1000),
    (1500, 1000),
    (1500, 1000),
    (1000, 1500),
    (1400, 1050),
    (1200, 1200),
    (1800, 750),
)
DESK: Final[ViewportSize] = {"width": 1440, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="sl-"))
    try:
        photos = [draw(folder / f"IMG_{4400 + number}.jpg", number) for number in range(PHOTO_COUNT)]
        running = site.start(folder / "site")
        try:
            with sync_playwright() as playwright:
                executable = str(chromium.ensure(Path(sys.executable)))
                browser = playwright.chromium.launch(executable_path=executable, args=list(chromium.FLAGS))
                for name in take(browser, running, photos):
                    print(FOLDER / name)
                browser.close()
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take(browser: Browser, running: Site, photos: list[Path]) -> Iterator[str]:
    page = signed_in(browser, running, "light")
    page.locator("input[name=title]").fill("Islands, summer 2026")
    page.get_by_role("button", name="Create gallery").click()
    page.locator("input[data-chooser=files]").set_input_files(photos)
    page.locator("[data-tile-state=uploading] ~ [data-drawn]").first.wait_for()
    yield snap(page, "receiving-desktop-light.jpg")
    page.locator("main[data-gallery-state=complete]").wait_for(timeout=120_000)
    url = page.url
    page.goto(url)
    yield shot(page, "gallery-desktop-light.jpg")
    page.locator("[data-photo-id] a").nth(3).click()
    page.locator(".pswp__img[src*='/view/']").first.wait_for()
    page.keyboard.press("i")
    yield shot(page, "photo-desktop-light.jpg")
    page.goto("/galleries/")
    yield shot(page, "galleries-desktop-light.jpg")

    page = signed_in(browser, running, "dark")
    page.goto(url)
    yield shot(page, "gallery-desktop-dark.jpg")
    page.set_viewport_size(PHONE)
    yield shot(page, "gallery-phone-dark.jpg")


def signed_in(browser: Browser, running: Site, scheme: Literal["light", "dark"]) -> Page:
    context = browser.new_context(base_url=running.base_url, viewport=DESK, color_scheme=scheme)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(running.username)
    page.locator("input[name=password]").fill(running.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/galleries/")
    return page


def shot(page: Page, name: str) -> str:
    """Waits until every picture in view has come and its fading in is over."""
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """Promise.all(document.getAnimations()
          .filter((each) => each.effect.getTiming().iterations !== Infinity)
          .map((each) => each.finished.catch(() => null)))"""
    )
    return snap(page, name)


def snap(page: Page, name: str) -> str:
    """At once, in the middle of things."""
    page.screenshot(path=FOLDER / name, type="jpeg", quality=82)
    return name


def draw(file: Path, seed: int) -> Path:
    """Hills before a sky, with the grain of film."""
    dice = random.Random(seed)  # noqa: S311  the same photos every time, and no secret
    width, height = dice.choice(SHAPES)
    hue = dice.choice((25, 38, 120, 190, 205, 215, 262)) + dice.uniform(-12, 12)
    top, horizon = ink(hue, 0.42, 0.38), ink(hue + 25, 0.84, 0.45)
    sky = f'<stop offset="0" stop-color="{top}"/><stop offset="1" stop-color="{horizon}"/>'
    sun = (
        f'cx="{dice.uniform(0.15, 0.85) * width}" cy="{dice.uniform(0.2, 0.5) * height}" r="{height * 0.07}"'
    )
    hills = "".join(hill(dice, width, height, layer, hue) for layer in range(4))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<defs><linearGradient id="sky" x2="0" y2="1">{sky}</linearGradient></defs>'
        f'<rect width="{width}" height="{height}" fill="url(#sky)"/>'
        f'<circle {sun} fill="{ink(hue + 30, 0.93, 0.6)}"/>{hills}</svg>'
    )
    picture = pyvips.Image.svgload_buffer(svg.encode()).flatten(background=255)
    grain = pyvips.Image.gaussnoise(width, height, mean=0, sigma=5, seed=seed)
    (picture + grain).cast("uchar").copy(interpretation="srgb").jpegsave(str(file), Q=88)
    return file


def hill(dice: random.Random, width: int, height: int, layer: int, hue: float) -> str:
    base, swing = height * (0.5 + 0.13 * layer), height * dice.uniform(0.04, 0.1)
    waves, phase = dice.uniform(0.8, 2.4), dice.uniform(0, math.tau)
    colour = ink(hue + 15 - 8 * layer, 0.5 - 0.1 * layer, 0.25)

    def ridge(x: int) -> float:
        turn = x / width * math.tau
        return (
            base + swing * math.sin(turn * waves + phase) + 0.4 * swing * math.sin(turn * waves * 2.4 + phase)
        )

    points = " ".join(f"{x},{ridge(x):.0f}" for x in range(0, width + 20, 20))
    return f'<polygon points="0,{height} {points} {width},{height}" fill="{colour}"/>'


def ink(hue: float, lightness: float, saturation: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)
    return f"rgb({red * 255:.0f},{green * 255:.0f},{blue * 255:.0f})"


if __name__ == "__main__":
    main()
