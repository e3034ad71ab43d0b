"""Run beside a site, with its environment: fills a gallery with photos, or counts the queries of its pages.

`python -m benchmarks._fill_gallery fill GALLERY COUNT` · `… count GALLERY` prints JSON: address -> queries.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

if TYPE_CHECKING:
    from galleries.models import Gallery

PICTURES: Final = 24
PHOTO_BYTES: Final = 6_000_000


def fill(gallery_id: str, count: int) -> None:
    """Rows as verification leaves them. The photos share two dozen small pictures, made here and really stored."""
    from django.db.models import F

    from galleries.models import Gallery, Photo, Rendition

    gallery = Gallery.objects.get(pk=gallery_id)
    pictures = [store_picture(number) for number in range(PICTURES)]
    photos = [photo_of(gallery, number) for number in range(count)]
    Photo.objects.bulk_create(photos, batch_size=200)
    Rendition.objects.bulk_create(
        (
            Rendition(photo=photo, **made)
            for number, photo in enumerate(photos)
            for made in pictures[number % PICTURES]
        ),
        batch_size=500,
    )
    Gallery.objects.filter(pk=gallery.pk).update(
        photo_count=count, byte_count=count * PHOTO_BYTES, version=F("version") + 1
    )


def photo_of(gallery: Gallery, number: int) -> Any:
    from galleries.models import Photo, PhotoStatus

    taken_at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=number)
    height_px = (4000, 6000, 3375)[number % 3]
    return Photo(
        gallery=gallery,
        upload_id=uuid.uuid4(),
        name=f"IMG_{number:05d}.jpg",
        status=PhotoStatus.READY,
        size=PHOTO_BYTES,
        crc32=f"{number:08x}",
        sha256=f"{number:064x}",
        media_type="image/jpeg",
        width=6000,
        height=height_px,
        captured_at=taken_at,
        sort_at=taken_at,
        store="local",
        key=f"originals/00/{uuid.uuid4()}/1",
    )


def store_picture(number: int) -> list[dict[str, Any]]:
    """What rendition rows of it hold, but for their photo."""
    import pyvips

    from galleries.objects.base import rendition_key, store_named
    from galleries.renditions import RECIPES

    image = pyvips.Image.gaussnoise(400, 267, mean=90 + 3 * number, sigma=20, seed=number).cast("uchar")
    content = image.webpsave_buffer(Q=80)
    key = rendition_key(uuid.uuid4(), "grid", RECIPES[-1].digest)
    store_named("local").put_bytes(key, content, content_type="image/webp")
    return [
        {
            "name": recipe.name,
            "recipe": recipe.digest,
            "media_type": "image/webp",
            "width": recipe.longest_side_px,
            "height": recipe.longest_side_px * 2 // 3,
            "size": len(content),
            "crc32": "00000000",
            "sha256": "0" * 64,
            "key": key,
        }
        for recipe in RECIPES
    ]


def count(gallery_id: str) -> dict[str, int]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from galleries.models import Gallery

    client = Client(SERVER_NAME="localhost")
    client.force_login(Gallery.objects.get(pk=gallery_id).owner)
    counted: dict[str, int] = {}
    for name, path in (
        ("page", f"/galleries/{gallery_id}/"),
        ("photos 10", f"/api/galleries/{gallery_id}/photos?limit=10"),
        ("photos 100", f"/api/galleries/{gallery_id}/photos?limit=100"),
    ):
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        counted[name] = len(captured)
    return counted


if __name__ == "__main__":
    django.setup()
    if sys.argv[1] == "fill":
        fill(sys.argv[2], int(sys.argv[3]))
    else:
        print(json.dumps(count(sys.argv[2])))
