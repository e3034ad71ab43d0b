"""Rows as the product writes them, each with the history of its state and its bytes in the store."""

from __future__ import annotations

import uuid
import zlib
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from galleries.models import Gallery, Photo, PhotoStatus, Rendition, raise_version
from galleries.objects.base import original_key, rendition_key, store_named
from galleries.renditions import RECIPES
from uploads.limits import SIGNED_URL_LIFE
from uploads.models import Publication, Upload, move_to, record_births
from uploads.states import Event, State

PASSWORD = "a long enough password"
BYTES = b"the bytes of a photo"
WAYS: dict[State, tuple[Event, ...]] = {
    State.REGISTERED: (),
    State.SIGNED: (Event.SIGN,),
    State.UPLOADED: (Event.SIGN, Event.STORED),
    State.VERIFYING: (Event.SIGN, Event.STORED, Event.CLAIM),
    State.FAILED: (Event.SIGN, Event.STORED, Event.CLAIM, Event.FAIL),
    State.CANCELLED: (Event.SIGN, Event.CANCEL),
    State.EXPIRED: (Event.EXPIRE,),
    State.VERIFIED: (Event.SIGN, Event.STORED, Event.CLAIM, Event.VERIFY),
}


def person(name: str, *rights: str, is_staff: bool = False) -> User:
    """`rights` are «app.codename»."""
    user = User.objects.create_user(name, f"{name}@example.org", PASSWORD, is_staff=is_staff)
    for right in rights:
        app, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def gallery_of(owner: User, title: str = "Summer") -> Gallery:
    return Gallery.objects.create(owner=owner, title=title)


def bare_upload(gallery: Gallery, **changed: Any) -> Upload:
    """Not yet in the database."""
    upload_id, now = uuid.uuid4(), timezone.now()
    return Upload(
        **{
            "id": upload_id,
            "gallery": gallery,
            "owner": gallery.owner,
            "actor": f"user:{gallery.owner_id}",
            "client_id": upload_id.hex,
            "name": f"IMG_{upload_id.hex[:4]}.jpg",
            "size": len(BYTES),
            "media_type": "image/jpeg",
            "store": "local",
            "lane": "put",
            "key": original_key(upload_id, 1),
            "part_bytes": 8 * 1024 * 1024,
            "registered_at": now,
            "active_at": now,
            "try_after": now,
        }
        | changed
    )


def upload_in(
    gallery: Gallery, state: State = State.REGISTERED, *, code: str = "gave_up", **changed: Any
) -> Upload:
    """Led to its state by legal moves; `changed` columns are set last."""
    upload = bare_upload(gallery)
    upload.save(force_insert=True)
    record_births([upload], timezone.now())
    for event in WAYS[state]:
        extra: dict[str, Any] = {}
        if event == Event.CLAIM:
            extra = {"lease_token": uuid.uuid4(), "lease_until": timezone.now() + timedelta(minutes=5)}
        if event == Event.FAIL:
            extra = {"code": code}
        move_to(upload, event, **extra)
    if state in {State.FAILED, State.CANCELLED, State.EXPIRED, State.VERIFIED}:
        changed = {"ended_at": timezone.now(), "lease_until": None} | changed
    if Event.SIGN in WAYS[state]:
        changed = {"url_expires_at": timezone.now() + SIGNED_URL_LIFE} | changed
    if changed:
        Upload.objects.filter(pk=upload.pk).update(**changed)
    return Upload.objects.get(pk=upload.pk)


def photo_in(gallery: Gallery, status: str = PhotoStatus.READY, *, content: bytes | None = None) -> Photo:
    """A verified upload, its photo, its renditions, and the bytes of all of them."""
    content = content or uuid.uuid4().bytes
    upload = upload_in(gallery, State.VERIFIED, size=len(content))
    photo = Photo.objects.create(
        gallery=gallery,
        upload_id=upload.pk,
        name=upload.name,
        status=PhotoStatus.READY,
        size=len(content),
        crc32=f"{zlib.crc32(content):08x}",
        sha256=sha256(content).hexdigest(),
        media_type="image/jpeg",
        width=4000,
        height=3000,
        store="local",
        key=upload.key,
        sort_at=timezone.now(),
        added_at=timezone.now(),
    )
    store = store_named("local")
    store.put_bytes(photo.key, content, content_type="image/jpeg")
    for recipe in RECIPES:
        key = rendition_key(photo.pk, recipe.name, recipe.digest)
        body = f"{recipe.name} of {photo.pk}".encode()
        store.put_bytes(key, body, content_type=recipe.media_type)
        Rendition.objects.create(
            photo=photo,
            name=recipe.name,
            recipe=recipe.digest,
            media_type=recipe.media_type,
            width=40,
            height=30,
            size=len(body),
            crc32=f"{zlib.crc32(body):08x}",
            sha256=sha256(body).hexdigest(),
            key=key,
        )
    Upload.objects.filter(pk=upload.pk).update(photo=photo, crc32=photo.crc32)
    if status == PhotoStatus.READY:
        raise_version(gallery.pk, photos=1, size=photo.size)
    else:
        deleted_at = timezone.now() if status == PhotoStatus.DELETED else None
        Photo.objects.filter(pk=photo.pk).update(
            status=status, deleted_at=deleted_at, status_before_delete=PhotoStatus.READY if deleted_at else ""
        )
    return Photo.objects.get(pk=photo.pk)


def publication_of(*uploads: Upload, **changed: Any) -> Publication:
    """Everything that was asked to be shown at once."""
    publication = Publication.objects.create(
        gallery=uploads[0].gallery, actor=uploads[0].actor, idempotency_key=uuid.uuid4().hex,
        **{"created_at": timezone.now()} | changed,
    )  # fmt: skip
    publication.uploads.set(uploads)
    return publication
