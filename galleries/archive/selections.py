"""Photos chosen for one download: kept as a row, since no address has room for thousands of ids."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from galleries.errors import BadRequest, NotFound
from galleries.models import Gallery, Photo, Selection

# An address is good for a week after the same photos were last chosen: as long as a download may be resumed.
KEPT_FOR: Final = timedelta(days=7)


def remember(gallery: Gallery, photo_ids: Sequence[str]) -> Selection:
    """The same photos, in whatever order, are the same selection. Safe to repeat.

    Raises: BadRequest for none, or for what is no id. NotFound where none of them is a visible photo of the gallery.
    """
    chosen = sorted({str(parsed(each)) for each in photo_ids})
    if not chosen:
        raise BadRequest(fields=["photo_ids"])
    visible = set(map(str, Photo.objects.ready().filter(gallery=gallery).values_list("pk", flat=True)))
    there = [each for each in chosen if each in visible]
    if not there:
        raise NotFound
    digest = hashlib.sha256(f"{gallery.pk} {' '.join(there)}".encode()).digest()
    now = timezone.now()
    with transaction.atomic():
        Selection.objects.filter(chosen_at__lt=now - KEPT_FOR).delete()
        selection, _ = Selection.objects.update_or_create(
            pk=uuid.UUID(bytes=digest[:16]),
            defaults={"gallery": gallery, "photo_ids": there, "chosen_at": now},
        )
    return selection


def get_selection(gallery: Gallery, selection_id: str) -> Selection:
    """One query. Raises: NotFound, also for one of another gallery."""
    try:
        return Selection.objects.get(gallery=gallery, pk=uuid.UUID(selection_id))
    except (Selection.DoesNotExist, ValueError) as error:
        raise NotFound from error


def parsed(photo_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(photo_id)
    except ValueError as error:
        raise BadRequest(fields=["photo_ids"]) from error
