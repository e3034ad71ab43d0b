"""Bad files among good ones, sent to the whole product: each ends with its code, and nobody else is harmed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest

from tests import pictures
from tests.bad_photos import ALL, SHOWN
from tests.faults.small_product import File

if TYPE_CHECKING:
    from galleries.decode.developer import Developer
    from tests.faults.small_product import Gallery, SmallProduct

CHOSEN: Final = (
    "T3 an SVG with a script", "T4 a ZIP", "T4 a page that begins like a JPEG", "T6 a matrix", "S1 zeros",
    "D1 a PNG of 2.5 gigapixels", "D1 a PNG of 400 megapixels", "D1 a HEIC made of itself", "D1 boxes in boxes",
    "D2 a GIF of 100,000 frames", "D3 a text of 200 MB", "D3 a TIFF of 65,535 entries",
    "D4 a JPEG cut in its data and closed", "D5 a CR3 of nothing", "D7 EXIF in circles",
)  # fmt: skip
BAD: Final = [each for each in ALL if each.name in CHOSEN]
GOOD: Final = [
    File(f"good-{at}", pictures.jpeg(pictures.compass(600 + at, 400), exif=pictures.camera_exif(1 + at % 8)))
    for at in range(8)
]


def bad_files() -> dict[str, str]:
    """Their ends by the name of the file."""
    return {f"bad-{at}": bad.ends for at, bad in enumerate(BAD)}


def mixed() -> list[File]:
    """A good one after every second bad one."""
    bad = [File(f"bad-{at}", each.make()) for at, each in enumerate(BAD)]
    files: list[File] = []
    for at, each in enumerate(bad):
        files += [each, GOOD[at // 2]] if at % 2 else [each]
    return [*files, GOOD[-1]]


def ends_of(gallery: Gallery) -> dict[str, str]:
    rows = {row["name"].removesuffix(".jpg"): row for row in gallery.uploads()}
    ends = {"verified": SHOWN}
    return {
        name: row["error"]["code"] if row["state"] == "failed" else ends.get(row["state"], row["state"])
        for name, row in rows.items()
    }


def fetched(product: SmallProduct, url: str) -> bytes:
    status, body = product.send("GET", url, b"", {"Authorization": f"Bearer {product.token}"})
    assert status == 200, (url, status)
    return body


def renditions_of(developer: Developer, file: File) -> dict[str, bytes]:
    developed = developer.develop(io.BytesIO(file.content), media_type="image/jpeg")
    return {each.name: each.content.read() for each in developed.renditions}


def workers_of(product: SmallProduct) -> set[int]:
    """The pool's own processes: their children look at photos, and may end."""
    main = psutil.Process(product.servers["worker"].pid)
    return {main.pid, *(child.pid for child in main.children() if "celery" in " ".join(child.cmdline()))}


@pytest.mark.services
@pytest.mark.slow
def test_bad_files_end_with_their_codes_and_harm_nobody(small_product, developer) -> None:
    gallery, files = small_product.make_gallery(), mixed()
    small_product.revive()
    small_product.wait_until(small_product.is_up)
    before = workers_of(small_product)
    assert len(before) > 1

    gallery.send(files)
    small_product.wait_until(lambda: not set(ends_of(gallery).values()) & {"uploaded", "verifying", "signed"})

    ends = ends_of(gallery)
    assert {name: ends[name] for name in bad_files()} == bad_files()
    assert {file.name: ends[file.name] for file in GOOD} == {file.name: SHOWN for file in GOOD}
    assert workers_of(small_product) == before
    photos: dict[str, dict[str, Any]] = {photo["name"]: photo for photo in gallery.photos()}
    for file in GOOD:
        photo = photos[f"{file.name}.jpg"]
        assert fetched(small_product, photo["original_url"]) == file.content
        shown = {each["name"]: fetched(small_product, each["url"]) for each in photo["renditions"]}
        assert shown == renditions_of(developer, file)
