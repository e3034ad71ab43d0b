"""Run inside a site's Django: a gallery of photos whose bytes are there, with the checksums that an archive needs."""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib

from django.utils import timezone

from accounts.models import User
from galleries.models import Gallery, Photo, PhotoStatus
from galleries.objects.base import original_key, store_named


def fill(count: int, photo_bytes: int) -> str:
    """Returns the id of the gallery. All photos have the same bytes, in objects of their own."""
    owner = User.objects.get(username="demo")
    gallery = Gallery.objects.create(owner=owner, title="A hundred at once", photo_count=count)
    content, now = os.urandom(photo_bytes), timezone.now()
    crc32, sha256 = f"{zlib.crc32(content):08x}", hashlib.sha256(content).hexdigest()
    for number in range(count):
        upload_id = uuid.uuid4()
        photo = Photo(
            gallery=gallery, upload_id=upload_id, name=f"IMG_{number:05}.JPG", status=PhotoStatus.READY,
            size=photo_bytes, crc32=crc32, sha256=sha256, media_type="image/jpeg", width=6000, height=4000,
            store="local", key=original_key(upload_id, 1), is_wanted_copy=True, sort_at=now,
        )  # fmt: skip
        store_named("local").put_bytes(photo.key, content, content_type=photo.media_type)
        photo.save(force_insert=True)
    return str(gallery.pk)
