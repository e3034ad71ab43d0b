"""What visitors see. Nothing here knows how photos arrive."""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Now

DELETED_KEPT_FOR = timedelta(hours=24)  # within it a deleted photo or gallery comes back whole


class GallerySort(models.TextChoices):
    CAPTURED = "captured", "when it was taken"
    NAME = "name", "name"
    ADDED = "added", "when it was added"


class GalleryQuerySet(models.QuerySet["Gallery"]):
    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def owned_by(self, user_id: uuid.UUID) -> Self:
        return self.filter(owner_id=user_id)

    def restorable(self, now: datetime) -> Self:
        return self.filter(deleted_at__gt=now - DELETED_KEPT_FOR)


class Gallery(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="galleries")
    title = models.CharField(max_length=200)
    auto_publish = models.BooleanField(default=True)
    keep_location = models.BooleanField(default=False)
    sort = models.CharField(max_length=8, choices=GallerySort, default=GallerySort.CAPTURED)
    cover_photo = models.ForeignKey(
        "Photo", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # What it takes. Nothing given means whatever the product takes; more than that is never taken.
    only_types = models.JSONField(default=list, blank=True)
    max_file_bytes = models.PositiveBigIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    min_pixels = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="width x height"
    )
    max_pixels = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="width x height"
    )
    max_photos = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    photo_count = models.PositiveIntegerField(default=0)
    byte_count = models.PositiveBigIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=1)
    round_started_at = models.DateTimeField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=100, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = GalleryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "galleries"
        indexes: ClassVar = [models.Index(fields=["owner", "-created_at"], name="gallery_of_owner")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="gallery_once_per_key",
            ),
            models.CheckConstraint(condition=Q(sort__in=GallerySort.values), name="gallery_sort_is_known"),
            models.CheckConstraint(
                condition=Q(min_pixels=None) | Q(max_pixels=None) | Q(min_pixels__lte=F("max_pixels")),
                name="gallery_pixels_in_order",
                violation_error_message="No photo has at least so many pixels and at most so few.",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class PhotoStatus(models.TextChoices):
    STAGED = "staged"
    READY = "ready"
    QUARANTINED = "quarantined"
    DELETED = "deleted"


# Photos of these states count against a copy: the same bytes are not added twice by mistake.
LIVE_STATUSES = (PhotoStatus.STAGED, PhotoStatus.READY)


class PhotoQuerySet(models.QuerySet["Photo"]):
    def ready(self) -> Self:
        return self.filter(status=PhotoStatus.READY)

    def live(self) -> Self:
        return self.filter(status__in=LIVE_STATUSES)

    def restorable(self, now: datetime) -> Self:
        return self.filter(status=PhotoStatus.DELETED, deleted_at__gt=now - DELETED_KEPT_FOR)

    def beyond_restore(self, now: datetime) -> Self:
        return self.filter(status=PhotoStatus.DELETED, deleted_at__lte=now - DELETED_KEPT_FOR)

    def of_forgotten_galleries(self, now: datetime) -> Self:
        """Galleries first: few of them are deleted, and the photos of those are found by index."""
        return self.filter(gallery__in=Gallery.objects.filter(deleted_at__lte=now - DELETED_KEPT_FOR))


class Photo(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="photos")
    # A plain UUID: galleries know nothing of uploads; the foreign key is Upload.photo.
    upload_id = models.UUIDField(db_index=True, editable=False)
    name = models.CharField(max_length=255)
    status = models.CharField(max_length=11, choices=PhotoStatus)
    status_before_delete = models.CharField(max_length=11, blank=True, default="")
    quarantine_reason = models.CharField(max_length=200, blank=True, default="")
    version = models.PositiveIntegerField(default=1)
    size = models.PositiveBigIntegerField(help_text="bytes of the original")
    crc32 = models.CharField(max_length=8)
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField(help_text="pixels of the upright image")
    height = models.PositiveIntegerField(help_text="pixels of the upright image")
    captured_at = models.DateTimeField(
        null=True, blank=True, help_text="the camera's wall clock, written as if UTC"
    )
    camera = models.CharField(max_length=200, blank=True, default="")
    details = models.JSONField(default=dict, blank=True)
    thumbhash = models.BinaryField(default=bytes, editable=False)
    store = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    # The form that everybody but the owner gets, of the same size: rows of galleries.blanking. Null where nobody can
    # tell for certain what the file says of its place: then they get the web size.
    blanks = models.JSONField(null=True, blank=True, editable=False)
    blanked_crc32 = models.CharField(max_length=8, blank=True, default="", editable=False)
    blanked_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    is_wanted_copy = models.BooleanField(
        default=False, help_text="the owner asked to keep it beside the same bytes"
    )
    # What the sorted lists page by; captured photos first, the others by the time they were added.
    sort_at = models.DateTimeField()
    added_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = PhotoQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["gallery", "status", "sort_at", "id"], name="photo_by_captured"),
            models.Index(fields=["gallery", "status", "name", "id"], name="photo_by_name"),
            models.Index(fields=["gallery", "status", "added_at", "id"], name="photo_by_added"),
            # What a gallery keeps and does not show weighs so much: told from the index alone.
            models.Index(fields=["gallery", "status", "size"], name="photo_by_weight"),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="photo_deleted"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gallery", "size", "crc32"],
                condition=Q(status__in=LIVE_STATUSES, is_wanted_copy=False),
                name="photo_bytes_once_per_gallery",
            ),
            models.UniqueConstraint(
                fields=["upload_id"], condition=~Q(status=PhotoStatus.DELETED), name="photo_once_per_upload"
            ),
            models.CheckConstraint(condition=Q(status__in=PhotoStatus.values), name="photo_status_is_known"),
            models.CheckConstraint(
                condition=Q(status=PhotoStatus.DELETED, deleted_at__isnull=False)
                | (~Q(status=PhotoStatus.DELETED) & Q(deleted_at__isnull=True)),
                name="photo_deleted_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Rendition(models.Model):
    """A smaller picture made of a photo. Its digest is that of the recipe it was made by."""

    id = models.BigAutoField(primary_key=True)
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="renditions")
    name = models.CharField(max_length=20)
    recipe = models.CharField(max_length=12, help_text="digest of the recipe")
    media_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField(help_text="bytes")
    crc32 = models.CharField(max_length=8)
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["photo", "name"], name="rendition_once_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.photo_id}"


class Selection(models.Model):
    """Photos that somebody chose to download together, for as long as the address of that download is good.

    The id is made of the photos: the same choice is the same row.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="selections")
    photo_ids = models.JSONField()
    chosen_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["chosen_at"], name="selection_by_age")]

    def __str__(self) -> str:
        return str(self.id)


def lock_galleries(galleries: GalleryQuerySet) -> None:
    """Whoever moves rows of a gallery holds its lock first: in another order two of them wait for each other.

    One query, none on SQLite, where a transaction has all of the database.
    """
    if connection.features.has_select_for_update:
        list(galleries.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def raise_version(gallery_id: uuid.UUID, *, photos: int = 0, size: int = 0) -> int:
    """The last statement of a transaction that changes a gallery: counters and version in one UPDATE.

    Returns:
        The new version. The row stays locked until the commit, so that versions follow the order of commits.
    """
    Gallery.objects.filter(pk=gallery_id).update(
        version=F("version") + 1, photo_count=F("photo_count") + photos, byte_count=F("byte_count") + size
    )
    return int(Gallery.objects.values_list("version", flat=True).get(pk=gallery_id))
