"""Galleries begin, change and end."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from galleries.access import Actor
from galleries.errors import BadRequest, GalleryDeleted, IdempotencyConflict, NotFound, RestoreExpired
from galleries.models import DELETED_KEPT_FOR, Gallery, GallerySort, Photo, lock_galleries, raise_version
from galleries.ports import filler
from galleries.text import clean_line

MAY_BE_NULL = frozenset({"cover_photo_id", "max_file_bytes", "min_pixels", "max_pixels", "max_photos"})


def create(actor: Actor, title: str, *, idempotency_key: str | None = None) -> Gallery:
    """A known key answers the same gallery.

    Raises: GalleryDeleted when that was deleted. IdempotencyConflict when the key made a gallery of another title.
        BadRequest for an invisible title.
    """
    title = visible_title(title)
    try:
        with transaction.atomic():
            filler().galleries_changed(actor.user.pk)
            return Gallery.objects.create(
                owner=actor.user, title=title, idempotency_key=idempotency_key or ""
            )
    except IntegrityError as err:
        known = Gallery.objects.get(owner=actor.user, idempotency_key=idempotency_key)
        if known.deleted_at is not None:
            raise GalleryDeleted(id=str(known.pk)) from err
        if known.title != title:
            raise IdempotencyConflict(idempotency_key=idempotency_key) from err
        return known


def visible_title(raw: str) -> str:
    """Raises: BadRequest when nothing of it can be seen."""
    title = clean_line(raw)
    if not title:
        raise BadRequest(fields=["title"])
    return title


def change(gallery: Gallery, changes: Mapping[str, Any]) -> Gallery:
    """Writes what is given, and nothing else.

    Raises: BadRequest for an unknown sort or a null where none is allowed. NotFound for a cover of another gallery.
    """
    if not changes:
        return gallery
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=gallery.pk))
        # As it is now: bounds that fit each other are checked against those of a call at the same moment, too.
        refuse_unfit(Gallery.objects.get(pk=gallery.pk), changes)
        if "title" in changes:
            changes = {**changes, "title": visible_title(changes["title"])}
        if "only_types" in changes:
            changes = {**changes, "only_types": sorted(set(changes["only_types"]))}
        Gallery.objects.filter(pk=gallery.pk).update(**changes)
        version = raise_version(gallery.pk)
        filler().photos_changed(gallery.pk, version=version, photo_ids=[])
    gallery.refresh_from_db()
    return gallery


def refuse_unfit(gallery: Gallery, changes: Mapping[str, Any]) -> None:
    nulls = [name for name, value in changes.items() if value is None and name not in MAY_BE_NULL]
    if nulls:
        raise BadRequest(fields=nulls)
    refuse_unfit_profile(gallery, changes)
    if "sort" in changes and changes["sort"] not in GallerySort.values:
        raise BadRequest(sort=str(changes["sort"])[:20])
    cover = changes.get("cover_photo_id")
    if cover is not None and not Photo.objects.ready().filter(pk=cover, gallery=gallery).exists():
        raise NotFound


def refuse_unfit_profile(gallery: Gallery, changes: Mapping[str, Any]) -> None:
    only, every = changes.get("only_types", ()), filler().profile_of(Gallery()).media_types
    if len(only) > len(every):
        raise BadRequest(fields=["media_types"], limit=len(every))
    unknown = set(only) - set(every)
    if unknown:
        raise BadRequest(media_types=sorted(unknown)[:5])
    least = changes.get("min_pixels", gallery.min_pixels)
    most = changes.get("max_pixels", gallery.max_pixels)
    if least is not None and most is not None and least > most:
        raise BadRequest(fields=["min_pixels", "max_pixels"])


def delete(gallery: Gallery) -> None:
    """Safe to repeat. Open uploads are cancelled in the same transaction; objects go after 24 hours."""
    with transaction.atomic():
        deleted = Gallery.objects.live().filter(pk=gallery.pk).update(deleted_at=timezone.now())
        if deleted:
            filler().gallery_deleted(gallery.pk)
            version = raise_version(gallery.pk)
            filler().photos_changed(gallery.pk, version=version, photo_ids=[])
            filler().galleries_changed(gallery.owner_id)


def restore(gallery: Gallery) -> None:
    """Brings a deleted gallery back with its photos; uploads that were cancelled stay so. Safe to repeat.

    Raises: RestoreExpired when it was deleted more than 24 hours ago.
    """
    with transaction.atomic():
        deleted = Gallery.objects.filter(pk=gallery.pk, deleted_at__isnull=False)
        if deleted.filter(deleted_at__gt=timezone.now() - DELETED_KEPT_FOR).update(deleted_at=None):
            raise_version(gallery.pk)
            filler().galleries_changed(gallery.owner_id)
        elif deleted.exists():
            raise RestoreExpired
