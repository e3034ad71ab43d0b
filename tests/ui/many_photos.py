"""Fills a gallery of a running site with published photos, past the uploading of them. Run inside the site's Django."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta

import pyvips

from accounts.models import User
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from galleries.objects.base import StoredObject, original_key, rendition_key, store_named
from galleries.renditions import RECIPES, Recipe

SHAPES = ((3, 2), (3, 2), (3, 2), (2, 3), (4, 3), (1, 1), (16, 9))
LONG_SIDE = {"grid": 400, "view": 1600}
# A ThumbHash of a landscape.
THUMBHASH = bytes.fromhex("df07025d9a834e738078778888788777707307f778")


def fill(owner_name: str, title: str, photo_count: int, status: str = PhotoStatus.READY) -> str:
    """Returns the id of the gallery. Photos of one shape share their objects."""
    ready_count = photo_count if status == PhotoStatus.READY else 0
    gallery = Gallery.objects.create(
        owner=User.objects.get(username=owner_name),
        title=title,
        photo_count=ready_count,
        byte_count=ready_count,
        auto_publish=status == PhotoStatus.READY,
    )
    shapes = [(shape, make_objects(*shape)) for shape in SHAPES]
    dice = random.Random(5)
    photos, renditions = [], []
    for number in range(photo_count):
        (across, down), stored = dice.choice(shapes)
        photo = photo_of(gallery, number, width=1200 * across, height=1200 * down)
        photo.status = status
        photos.append(photo)
        renditions += [rendition_of(photo, recipe, stored[recipe.name], across, down) for recipe in RECIPES]
    Photo.objects.bulk_create(photos, batch_size=500)
    Rendition.objects.bulk_create(renditions, batch_size=500)
    return str(gallery.pk)


def photo_of(gallery: Gallery, number: int, *, width: int, height: int) -> Photo:
    taken = datetime(2026, 6, 20, 9, tzinfo=UTC) + timedelta(seconds=30 * number)
    return Photo(
        gallery=gallery,
        upload_id=uuid.uuid4(),
        name=f"IMG_{number:05}.JPG",
        size=1,
        crc32=f"{number:08x}",
        sha256=f"{number:064x}",
        media_type="image/jpeg",
        width=width,
        height=height,
        captured_at=taken,
        sort_at=taken,
        thumbhash=THUMBHASH,
        store="local",
        key=original_key(uuid.uuid4(), 1),
    )


def rendition_of(photo: Photo, recipe: Recipe, stored: StoredObject, across: int, down: int) -> Rendition:
    scale = LONG_SIDE[recipe.name] / max(across, down)
    return Rendition(
        photo=photo,
        name=recipe.name,
        recipe=recipe.digest,
        media_type=recipe.media_type,
        width=round(across * scale),
        height=round(down * scale),
        size=stored.size_bytes,
        crc32="0" * 8,
        sha256="0" * 64,
        key=stored.key,
    )


def make_objects(across: int, down: int) -> dict[str, StoredObject]:
    owner, stored = uuid.uuid4(), {}
    for recipe in RECIPES:
        scale = LONG_SIDE[recipe.name] / max(across, down)
        noise = pyvips.Image.gaussnoise(round(across * scale), round(down * scale), mean=128, sigma=30)
        picture = noise.bandjoin([noise + 20, noise - 20]).cast("uchar").copy(interpretation="srgb")
        content = (
            picture.webpsave_buffer() if recipe.media_type == "image/webp" else picture.jpegsave_buffer()
        )
        key = rendition_key(owner, recipe.name, recipe.digest)
        stored[recipe.name] = store_named("local").put_bytes(key, content, content_type=recipe.media_type)
    return stored
