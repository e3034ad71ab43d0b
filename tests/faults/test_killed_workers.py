"""Workers killed at every point of the pipeline, every bell rung twice, Redis emptied: each photo is published once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, Final

import pytest
from celery import Celery

from tests.builders import jpeg
from tests.faults.small_product import SOUND, File, Gallery, SmallProduct
from uploads import crash_points
from uploads.limits import MAX_BATCH_ITEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.services, pytest.mark.slow]
POINTS: Final = [point for point in crash_points.POINTS if point.startswith("verify.")]
PHOTOS_IN_ALL: Final = 500
PHOTOS: Final = ceil(PHOTOS_IN_ALL / len(POINTS))
seeds = count(70_000)


@pytest.fixture(scope="module")
def ringer(small_product: SmallProduct) -> Iterator[Celery]:
    """Whoever rings the product's bells beside the product itself."""
    url = small_product.redis.url.replace("unix://", "redis+socket://", 1)
    with Celery(broker=url, set_as_current=False) as ringer:
        yield ringer


def ring(ringer: Celery, times: int) -> None:
    for _ in range(times):
        ringer.send_task("uploads.tasks.work", queue="work", ignore_result=True)


def some_photos() -> list[File]:
    """By each way in; one in ten in parts, so that there is something to join."""
    numbers = [next(seeds) for _ in range(PHOTOS)]
    return [
        File(f"photo-{number}", jpeg(number), lane="put" if number % 10 else "multipart")
        for number in numbers
    ]


def verified_in(gallery: Gallery) -> int:
    """Read from the file: the site has enough to do."""
    path = f"file:{gallery.product.folder}/db.sqlite3?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as database:
        [(found,)] = database.execute(
            "SELECT count(*) FROM uploads_upload WHERE gallery_id = ? AND state = 'verified'",
            [gallery.id.replace("-", "")],
        )
        return int(found)


def send_all(gallery: Gallery, files: list[File]) -> None:
    for start in range(0, len(files), MAX_BATCH_ITEMS):
        gallery.send(files[start : start + MAX_BATCH_ITEMS])


@pytest.mark.parametrize("point", POINTS)
def test_every_photo_is_published_exactly_once(small_product, inspector, ringer, point) -> None:
    gallery, files = small_product.make_gallery(), some_photos()
    small_product.call("PATCH", f"/galleries/{gallery.id}", {"auto_publish": False})
    for start in range(0, len(files), MAX_BATCH_ITEMS):
        gallery.register(files[start : start + MAX_BATCH_ITEMS])
    asked = small_product.call(
        "POST", f"/galleries/{gallery.id}/publications", {"idempotency_key": f"at {point}"}
    )
    small_product.arm(point)

    send_all(gallery, files)
    ring(ringer, len(files))
    small_product.wait_until(lambda: verified_in(gallery) >= len(files) // 3)
    small_product.redis.forget_everything()
    ring(ringer, 2 * len(files))
    gallery.wait_until_done()

    ended = small_product.call("GET", f"/publications/{asked['id']}")
    assert small_product.has_struck(point)
    assert (ended["state"], ended["counts"]) == (
        "all_succeeded", {"chosen": PHOTOS, "published": PHOTOS, "failed": 0, "pending": 0},
    )  # fmt: skip
    gallery.assert_nothing_lost_or_doubled()
    shown = small_product.call("GET", f"/galleries/{gallery.id}")
    assert (shown["photo_count"], shown["byte_count"]) == (PHOTOS, sum(len(file.content) for file in files))
    assert inspector.look() == SOUND
