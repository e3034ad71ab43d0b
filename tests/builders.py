"""Rows, files and pictures in any state, by a call each. Names of the keyword arguments are those of the columns."""

from __future__ import annotations

import itertools
import uuid
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyvips
from django.utils import timezone

from galleries.access import Actor
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from galleries.objects.base import original_key, rendition_key, store_named
from galleries.renditions import RECIPES
from uploads.lanes.base import lanes_of
from uploads.limits import SIGNED_URL_LIFE
from uploads.models import Upload
from uploads.part_plan import plan_parts
from uploads.progress import take_report
from uploads.states import State

if TYPE_CHECKING:
    from accounts.models import User

MIB = 1024 * 1024
# Of nothing that there is; the same in every process, for the names of parametrized tests.
UNKNOWN_ID = "7d3f0b52-1c86-4e7a-9a41-5b2e8c60f9d3"
_counter = itertools.count(1)


def make_gallery(owner: User, **columns: Any) -> Gallery:
    return Gallery.objects.create(owner=owner, **{"title": f"Gallery {next(_counter)}", **columns})


def file_out(**fields: Any) -> dict[str, Any]:
    """A declared file as a client sends it; each is another one."""
    number = next(_counter)
    declared = {
        "client_id": f"file-{number}",
        "name": f"IMG_{number:04}.JPG",
        "size": 1000 + number,
        "type": "image/jpeg",
        "last_modified": 1_760_000_000_000 + number,
    }
    return {**declared, **fields}


def make_upload(gallery: Gallery, state: State = State.REGISTERED, **columns: Any) -> Upload:
    """A row in that state, with what every such row has."""
    now, number, upload_id = timezone.now(), next(_counter), uuid.uuid4()
    size = columns.get("size", 1000 + number)
    attempt = columns.get("attempt", 1)
    given: dict[str, Any] = {
        "id": upload_id,
        "gallery": gallery,
        "owner_id": gallery.owner_id,
        "actor": Actor(gallery.owner).name,
        "client_id": f"made-{number}",
        "name": f"IMG_{number:04}.JPG",
        "size": size,
        "media_type": "image/jpeg",
        "state": state,
        "attempt": attempt,
        "store": "local",
        "lane": "put" if size <= 8 * MIB else "multipart",
        "key": original_key(columns.get("id", upload_id), attempt),
        "part_bytes": plan_parts(size).part_bytes,
        "registered_at": now,
        "active_at": now,
        "try_after": now,
    }
    if state != State.REGISTERED:
        given["url_expires_at"] = now + SIGNED_URL_LIFE
    if state == State.VERIFYING:
        given |= {"lease_token": uuid.uuid4(), "lease_until": now + timedelta(minutes=5), "tries": 1}
    if state == State.FAILED:
        given["error_code"] = "checksum_mismatch"
    if state in {State.VERIFIED, State.FAILED, State.CANCELLED, State.EXPIRED}:
        given["ended_at"] = now
    return Upload.objects.create(**{**given, **columns})


def report_bytes(upload: Upload, stored_bytes: int) -> None:
    """As its sender's page does."""
    take_report(Actor(upload.gallery.owner), upload.gallery_id, [(str(upload.pk), stored_bytes, 0)])


def make_photo(gallery: Gallery, **columns: Any) -> Photo:
    """A ready photo with both renditions and the upload it came by; its objects are in the store."""
    number, photo_id = next(_counter), uuid.uuid4()
    content = columns.pop("content", f"original {number}".encode())
    upload = columns.pop("upload", None) or make_upload(
        gallery, State.VERIFIED, size=len(content), crc32=crc_of(content)
    )
    now = timezone.now()
    given = {
        "id": photo_id,
        "gallery": gallery,
        "upload_id": upload.pk,
        "name": upload.name,
        "status": PhotoStatus.READY,
        "size": len(content),
        "crc32": crc_of(content),
        "sha256": f"{number:064x}",
        "media_type": "image/jpeg",
        "width": 3000,
        "height": 2000,
        "store": "local",
        "key": upload.key,
        "sort_at": now,
        "added_at": now,
    }
    photo = Photo.objects.create(**{**given, **columns})
    Upload.objects.filter(pk=upload.pk).update(photo=photo)
    store_named("local").put_bytes(photo.key, content, content_type="image/jpeg")
    for recipe in RECIPES:
        make_rendition(photo, recipe.name, recipe.digest, recipe.media_type)
    if photo.status == PhotoStatus.READY:
        Gallery.objects.filter(pk=gallery.pk).update(
            photo_count=gallery.photos.ready().count(),
            byte_count=sum(gallery.photos.ready().values_list("size", flat=True)),
        )
    return photo


def make_rendition(photo: Photo, name: str, digest: str, media_type: str) -> Rendition:
    content = f"{name} of {photo.pk}".encode()
    key = rendition_key(photo.pk, name, digest)
    store_named("local").put_bytes(key, content, content_type=media_type)
    return Rendition.objects.create(
        photo=photo, name=name, recipe=digest, media_type=media_type, width=400, height=267,
        size=len(content), crc32=crc_of(content), sha256="0" * 64, key=key,
    )  # fmt: skip


def crc_of(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def jpeg(seed: int = 0, *, width: int = 64, height: int = 48) -> bytes:
    """A photo of one colour; another seed is another file."""
    colour = [(seed * 37) % 256, (seed * 101) % 256, (seed * 7) % 256]
    picture = (pyvips.Image.black(width, height, bands=3) + colour).cast("uchar").copy(interpretation="srgb")
    # A comment makes the bytes differ where the colours happen to agree.
    encoded: bytes = picture.jpegsave_buffer(Q=80)
    note = f"seed {seed}".encode()
    return encoded[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + encoded[2:]


def put_original(upload: Upload, content: bytes) -> None:
    """What a browser did when the store answered 2xx."""
    store_named(upload.store).put_bytes(upload.key, content, content_type=upload.media_type)


def put_part(upload: Upload, number: int, content: bytes) -> None:
    """Writes a part as the door does, past its URL."""
    from uploads.lanes.local import LocalLanes
    from uploads.lanes.local_urls import WriteTerms

    lanes = lanes_of(upload.store)
    assert isinstance(lanes, LocalLanes)
    terms = WriteTerms(
        key=upload.key, expires_at_s=0, size_bytes=len(content), session=upload.session, part_number=number
    )
    with lanes.take(terms) as incoming:
        incoming.write([content])
        lanes.settle(incoming, terms)


def uploaded(gallery: Gallery, content: bytes, **columns: Any) -> Upload:
    """A whole file in the store, waiting for a worker."""
    upload = make_upload(
        gallery, State.UPLOADED, **{"size": len(content), "crc32": crc_of(content), **columns}
    )
    put_original(upload, content)
    return upload
