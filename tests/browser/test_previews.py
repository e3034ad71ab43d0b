"""Small pictures of files on their way: from the camera's own, the right way up, and none for what can't be shown."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.services]

RED, GREEN = (220, 30, 30), (30, 160, 30)
# What the canvas of the first row shows at its top and at its bottom.
COLOURS = """() => {
  const canvas = document.querySelector('[data-file-id] canvas');
  const at = (y) => Array.from(canvas.getContext('2d').getImageData(canvas.width / 2, y, 1, 1).data.slice(0, 3));
  return { size: [canvas.width, canvas.height], top: at(4), bottom: at(canvas.height - 5) };
}"""


def halves(left: tuple[int, int, int], right: tuple[int, int, int], size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def camera_photo(file: Path, *, with_thumbnail: bool) -> Path:
    """Grey pixels turned by a quarter; only its thumbnail has colours: red left, green right as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    main = Image.new("RGB", (900, 600), (128, 128, 128))
    if not with_thumbnail:
        main = halves(RED, GREEN, (900, 600))
    data = exif.tobytes()
    if with_thumbnail:
        data = exif_with_thumbnail(halves(RED, GREEN, (160, 120)))
    main.save(file, "JPEG", exif=data, quality=90)
    return file


def exif_with_thumbnail(thumbnail: Image.Image) -> bytes:
    """IFD0 with the orientation, IFD1 with the JPEG behind it (Exif 2.32, 4.5.4)."""
    held = io.BytesIO()
    thumbnail.save(held, "JPEG", quality=90)
    jpeg = held.getvalue()
    first, second, data = 8, 26, 56
    tiff = b"II*\0" + first.to_bytes(4, "little")
    tiff += b"\1\0" + entry(0x0112, 3, 6) + second.to_bytes(4, "little")
    tiff += b"\2\0" + entry(0x0201, 4, data) + entry(0x0202, 4, len(jpeg)) + bytes(4)
    assert len(tiff) == data
    return b"Exif\0\0" + tiff + jpeg


def entry(tag: int, kind: int, value: int) -> bytes:
    return b"".join(
        number.to_bytes(size, "little") for number, size in ((tag, 2), (kind, 2), (1, 4), (value, 4))
    )


@pytest.mark.parametrize("with_thumbnail", [True, False], ids=["camera's own", "from the photo"])
def test_a_photo_on_its_way_has_its_picture_the_right_way_up(gallery_page, tmp_path, with_thumbnail) -> None:
    page = gallery_page.page

    gallery_page.choose(camera_photo(tmp_path / "turned.jpg", with_thumbnail=with_thumbnail))
    page.wait_for_function("() => document.querySelector('[data-file-id] canvas')?.width > 1")
    seen = page.evaluate(COLOURS)

    # Orientation 6: what is stored at the left stands at the top.
    assert seen["size"][0] < seen["size"][1]
    assert near(seen["top"], RED), seen
    assert near(seen["bottom"], GREEN), seen
    gallery_page.wait_for_end()


def test_what_is_safe_has_its_picture_also_after_a_reload_without_asking_what_it_is(
    gallery_page, tmp_path
) -> None:
    page = gallery_page.page
    gallery_page.choose(camera_photo(tmp_path / "turned.jpg", with_thumbnail=False))
    gallery_page.wait_for_end()
    page.route("**/uploads/batch", lambda _: None)
    gallery_page.choose(camera_photo(tmp_path / "later.jpg", with_thumbnail=True))
    page.get_by_text("1 goes on by itself").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/photos/" in request.url else None)

    page.reload()
    page.wait_for_function("() => document.querySelector('[data-upload-state=done] canvas')?.width > 1")
    seen = page.evaluate(COLOURS)

    assert max(seen["size"]) <= 240
    assert near(seen["top"], RED), seen
    assert near(seen["bottom"], GREEN), seen
    [photo] = gallery_page.photos()
    pictures = {rendition["url"] for rendition in photo["renditions"]}
    assert {url.removeprefix(page.url.partition("/galleries")[0]) for url in asked} <= pictures


def test_what_this_browser_can_not_show_keeps_its_place_empty(gallery_page, tmp_path) -> None:
    (tmp_path / "notes.jpg").write_bytes(b"no photo at all" * 100)
    good = tmp_path / "good.jpg"
    halves(RED, GREEN, (300, 200)).save(good, "JPEG")

    gallery_page.choose(tmp_path / "notes.jpg", good)
    gallery_page.page.wait_for_function(
        "() => Array.from(document.querySelectorAll('[data-file-id] canvas'), c => c.width > 1).join() === 'false,true'"
    )
    gallery_page.wait_for_end("some")


def near(colour: list[int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(colour, wanted, strict=True))
