"""What the rows alone must say. Each rule is one statement, so that it sees one moment of a live system."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from galleries.models import DELETED_KEPT_FOR, Gallery, Photo, PhotoStatus
from galleries.renditions import RECIPES
from uploads.limits import (
    MAX_FILE_BYTES,
    MAX_PART_COUNT,
    MAX_PIXELS,
    MAX_SIDE_PX,
    UPLOAD_LIFE,
)
from uploads.models import Publication, PublicationState, Regeneration, Upload, UploadEvent
from uploads.ops.breach import Breach
from uploads.ops.stuck import SETTLED_WITHIN
from uploads.publications import still_to_come
from uploads.states import State

CLAIMS: Final = ("claim", "take_over")


def broken_rows(now: datetime) -> Iterator[Breach]:
    for rule, found in rules_at(now).items():
        for subject in found.iterator(chunk_size=1_000):
            yield Breach(rule, str(subject))


def rules_at(now: datetime) -> dict[str, QuerySet[Any, Any]]:
    """By rule, the ids that break it."""
    found: dict[str, QuerySet[Any]] = {
        "verified_without_photo": Upload.objects.filter(
            state=State.VERIFIED, photo=None, ended_at__gt=now - DELETED_KEPT_FOR
        ),
        "photo_is_another": photo_is_another(),
        "counters_differ": counters_differ(),
        "waiting_for_nobody": waiting_for_nobody(now),
        "lease_lost": Upload.objects.abandoned(now - SETTLED_WITHIN),
        "publication_without_end": publication_without_end(now),
        "past_its_life": Upload.objects.silent_since(now - UPLOAD_LIFE - SETTLED_WITHIN),
        "shown_without_rendition": shown_without_rendition(),
        "shown_without_upload": Photo.objects.ready().exclude(
            Exists(Upload.objects.filter(pk=OuterRef("upload_id")))
        ),
        "deleted_and_kept": kept_beyond_restore(now),
        "gallery_overfull": overfull(),
        "user_overfull": overfull_accounts(),
        "upload_too_large": Upload.objects.filter(
            Q(size__gt=MAX_FILE_BYTES) | Q(lane="multipart", size__gt=F("part_bytes") * MAX_PART_COUNT)
        ),
        "photo_too_large": photo_too_large(),
    }
    return {rule: rows.values_list("pk", flat=True) for rule, rows in found.items()} | {
        "photos_of_one_upload": twice(Photo.objects.exclude(status=PhotoStatus.DELETED), "upload_id"),
        "bytes_twice": twice(
            Photo.objects.live().filter(is_wanted_copy=False), "gallery_id", "size", "crc32"
        ),
    }


def photo_is_another() -> QuerySet[Upload]:
    has_photo = Upload.objects.filter(state=State.VERIFIED, photo__isnull=False)
    return has_photo.exclude(
        photo__upload_id=F("pk"),
        photo__size=F("size"),
        photo__crc32=F("crc32"),
        photo__gallery_id=F("gallery_id"),
    )


def counters_differ() -> QuerySet[Gallery]:
    ready = Q(photos__status=PhotoStatus.READY)
    shown = Gallery.objects.annotate(
        shown_count=Count("photos", filter=ready), shown_bytes=Coalesce(Sum("photos__size", filter=ready), 0)
    )
    return shown.exclude(photo_count=F("shown_count"), byte_count=F("shown_bytes"))


def waiting_for_nobody(now: datetime) -> QuerySet[Upload]:
    """A long queue that moves is no breach, however long its last one waits."""
    moves = UploadEvent.objects.filter(event__in=CLAIMS, at__gte=now - SETTLED_WITHIN)
    return Upload.objects.filter(~Exists(moves)).waiting(now - SETTLED_WITHIN)


def publication_without_end(now: datetime) -> QuerySet[Publication]:
    """Nothing of it is still to come, and it has not ended."""
    waits_for = Upload.objects.filter(still_to_come(now - SETTLED_WITHIN), publications=OuterRef("pk"))
    return Publication.objects.filter(~Exists(waits_for), state=PublicationState.IN_PROGRESS)


def shown_without_rendition() -> QuerySet[Photo]:
    """One whose turn to be developed again is written down has something standing in."""
    names = [recipe.name for recipe in RECIPES]
    made = Count("renditions", filter=Q(renditions__name__in=names))
    photos = Photo.objects.ready().exclude(Exists(Regeneration.objects.filter(pk=OuterRef("pk"))))
    return photos.annotate(made=made).filter(made__lt=len(names))


def kept_beyond_restore(now: datetime) -> QuerySet[Photo]:
    before = now - SETTLED_WITHIN
    return Photo.objects.beyond_restore(before) | Photo.objects.of_forgotten_galleries(before)


def overfull() -> QuerySet[Gallery]:
    """What is there and what has been promised to open uploads. A deleted gallery takes nothing more."""
    live = Photo.objects.live().filter(gallery=OuterRef("pk")).order_by().values("gallery")
    promised = Upload.objects.open().filter(gallery=OuterRef("pk")).order_by().values("gallery")
    return (
        Gallery.objects.live()
        .annotate(
            photos_held=Coalesce(live.annotate(n=Count("pk")).values("n"), 0),
            bytes_held=Coalesce(live.annotate(n=Sum("size")).values("n"), 0),
            photos_promised=Coalesce(promised.annotate(n=Count("pk")).values("n"), 0),
            bytes_promised=Coalesce(promised.annotate(n=Sum("size")).values("n"), 0),
        )
        .filter(
            Q(photos_held__gt=settings.MAX_GALLERY_PHOTOS - F("photos_promised"))
            | Q(photos_promised__gt=settings.MAX_GALLERY_OPEN_UPLOADS)
            | Q(bytes_held__gt=settings.MAX_GALLERY_BYTES - F("bytes_promised"))
        )
    )


def overfull_accounts() -> QuerySet[User]:
    """Whose photos, shown or not yet thrown away, and open uploads are together more than one person may have."""
    kept = Photo.objects.filter(gallery__owner=OuterRef("pk")).order_by().values("gallery__owner")
    promised = Upload.objects.open().filter(owner=OuterRef("pk")).order_by().values("owner")
    return User.objects.annotate(
        photos_held=Coalesce(kept.annotate(n=Count("pk")).values("n"), 0),
        bytes_held=Coalesce(kept.annotate(n=Sum("size")).values("n"), 0),
        photos_promised=Coalesce(promised.annotate(n=Count("pk")).values("n"), 0),
        bytes_promised=Coalesce(promised.annotate(n=Sum("size")).values("n"), 0),
    ).filter(
        Q(photos_held__gt=settings.MAX_USER_PHOTOS - F("photos_promised"))
        | Q(bytes_held__gt=settings.MAX_USER_BYTES - F("bytes_promised"))
        | Q(photos_promised__gt=settings.MAX_USER_OPEN_UPLOADS)
    )


def photo_too_large() -> QuerySet[Photo]:
    sized = Photo.objects.annotate(pixels=F("width") * F("height"))
    return sized.filter(Q(width__gt=MAX_SIDE_PX) | Q(height__gt=MAX_SIDE_PX) | Q(pixels__gt=MAX_PIXELS))


def twice(rows: QuerySet[Photo], *columns: str) -> QuerySet[Photo, Any]:
    """The first of these columns, where all of them agree in more than one row."""
    alike: QuerySet[Photo, Any] = (
        rows.order_by().values(*columns).annotate(count=Count("pk")).filter(count__gt=1)
    )
    return alike.values_list(columns[0], flat=True)
