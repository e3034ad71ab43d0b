"""Reads for the snapshot, for staff and for the sweeper."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from galleries.access import Actor
from galleries.errors import BadRequest, NotFound
from galleries.models import Gallery
from uploads import ledger
from uploads.models import Upload
from uploads.states import State

UPLOADING = "uploading"


@dataclass(frozen=True)
class UploadPage:
    uploads: Sequence[Upload]
    shown_states: dict[uuid.UUID, str]
    next_cursor: str | None
    version: int


def list_uploads(gallery: Gallery, *, states: Sequence[str], cursor: str | None, limit: int) -> UploadPage:
    """One query and one round trip to Redis. Pages by id: rows that come meanwhile are announced, not missed.

    Raises: BadRequest for an unknown state or cursor.
    """
    uploads = Upload.objects.filter(gallery=gallery)
    if states:
        uploads = uploads.filter(state__in=[row_state(state) for state in states])
    if cursor:
        try:
            uploads = uploads.filter(pk__gt=uuid.UUID(cursor))
        except ValueError as err:
            raise BadRequest(cursor="unknown") from err
    found = list(uploads.order_by("pk")[: limit + 1])
    page = found[:limit]
    return UploadPage(
        page,
        shown_states(gallery.pk, page),
        str(page[-1].pk) if len(found) > limit else None,
        gallery.version,
    )


def row_state(word: str) -> str:
    if word == UPLOADING:
        return State.SIGNED
    if word not in [*State]:
        raise BadRequest(state=word[:20])
    return word


def shown_states(gallery_id: uuid.UUID, uploads: Sequence[Upload]) -> dict[uuid.UUID, str]:
    """`uploading` for signed rows of which the ledger has bytes."""
    signed = [upload for upload in uploads if upload.state == State.SIGNED]
    if not signed:
        return {}
    moving = ledger.stored_of((gallery_id, upload.pk) for upload in signed)
    return {upload.pk: UPLOADING for upload in signed if moving.get(upload.pk)}


def get_upload(actor: Actor, upload_id: uuid.UUID) -> Upload:
    """Raises: NotFound for a foreign or unknown id."""
    upload = Upload.objects.of(actor.name).select_related("gallery").filter(pk=upload_id).first()
    if upload is None:
        raise NotFound
    return upload
