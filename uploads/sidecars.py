"""An editor's notes about a photo (XMP), kept beside the upload of that photo: never counted as a photo itself.

They are small texts, so the database keeps them: what was answered is kept, and nothing of it can be orphaned.
"""

import hashlib
import re
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Sum

from galleries.access import Action, Actor, allowed
from galleries.errors import BadRequest, NotFound
from galleries.models import Gallery
from uploads.errors import Duplicate, FileTooLarge, QuotaExceeded, WrongState
from uploads.limits import MAX_SIDECAR_BYTES, MAX_SIDECARS, MAX_USER_SIDECAR_BYTES
from uploads.models import Sidecar, Upload
from uploads.names import display_name, extension_of
from uploads.queries import get_upload
from uploads.quotas import lock_gallery_and_owner
from uploads.states import ENDED_STATES

ENDING: Final = "xmp"
# XMP specification part 1, 7.3: the packet, or the outermost element where there is none.
_PACKET: Final = re.compile(r"<(?:\w{1,32}:)?(?:xmpmeta|RDF)[\s>]")


@dataclass(frozen=True)
class SidecarPage:
    sidecars: Sequence[Sidecar]
    next_cursor: str | None


def attach(actor: Actor, upload_id: uuid.UUID, *, name: str, text: str) -> Sidecar:
    """Keeps the text, instead of what was kept under this name. Safe to repeat.

    Of an upload whose photo was in the gallery already, beside the upload of that photo.

    Raises: NotFound, GalleryDeleted. WrongState where no photo is to be had any more. FileTooLarge. QuotaExceeded.
        BadRequest for what is no XMP, or one too many of a photo.
    """
    upload = original_of(actor, upload_of(actor, upload_id, Action.UPLOAD))
    name, content = display_name(name), content_of(text)
    if extension_of(name) != ENDING:
        raise BadRequest(fields=["name"])
    kept = {
        "size": len(content),
        "crc32": f"{zlib.crc32(content):08x}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": content,
    }
    with transaction.atomic():
        # So that two at once are not one too many, of a photo or of a person.
        lock_gallery_and_owner(upload.gallery_id)
        refuse_what_has_ended(Upload.objects.select_for_update().get(pk=upload.pk))
        refuse_without_room(upload, name, len(content))
        sidecar, _ = Sidecar.objects.update_or_create(upload=upload, name=name, defaults=kept)
    return sidecar


def original_of(actor: Actor, upload: Upload) -> Upload:
    """The upload itself, unless it ended as a copy of a photo of the actor's own. One query more for a copy."""
    if upload.error_code != Duplicate.code:
        return upload
    photo_id = upload.error_details.get("photo_id")
    twins = Upload.objects.of(actor.name).filter(gallery=upload.gallery_id, photo_id=photo_id)
    return twins.first() or upload


def content_of(text: str) -> bytes:
    """Raises: FileTooLarge. BadRequest for what is no XMP, or no UTF-8: half of a character that JavaScript cut."""
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(fields=["text"]) from error
    if len(content) > MAX_SIDECAR_BYTES:
        raise FileTooLarge(declared_bytes=len(content), limit_bytes=MAX_SIDECAR_BYTES)
    if not _PACKET.search(text):
        raise BadRequest(fields=["text"])
    return content


def refuse_what_has_ended(upload: Upload) -> None:
    """Raises: WrongState when it has no photo and is on its way to none."""
    if upload.photo_id is None and upload.state in ENDED_STATES:
        raise WrongState(state=str(upload.state))


def refuse_without_room(upload: Upload, name: str, size: int) -> None:
    """What is kept under this name gives up its room. Raises: BadRequest, QuotaExceeded."""
    others = Sidecar.objects.exclude(upload=upload, name=name)
    if others.filter(upload=upload).count() >= MAX_SIDECARS:
        raise BadRequest(limit=MAX_SIDECARS)
    used = others.filter(upload__owner=upload.owner_id).aggregate(used=Sum("size"))["used"] or 0
    if used + size > MAX_USER_SIDECAR_BYTES:
        raise QuotaExceeded(quota="user_sidecar_bytes", limit=MAX_USER_SIDECAR_BYTES, used=used)


def list_sidecars(actor: Actor, upload_id: uuid.UUID) -> list[Sidecar]:
    """By name, without their texts. Two queries. Raises: NotFound, GalleryDeleted."""
    upload = upload_of(actor, upload_id, Action.FETCH_ORIGINAL)
    return list(Sidecar.objects.filter(upload=upload).defer("content").order_by("name"))


def list_all_sidecars(gallery: Gallery, actor: Actor, *, cursor: str | None, limit: int) -> SidecarPage:
    """Of all uploads of the actor in this gallery, without their texts, by id. One query.

    Raises: BadRequest for an unknown cursor.
    """
    sidecars = Sidecar.objects.filter(upload__gallery=gallery, upload__actor=actor.name)
    if cursor:
        try:
            sidecars = sidecars.filter(pk__gt=uuid.UUID(cursor))
        except ValueError as err:
            raise BadRequest(cursor="unknown") from err
    found = list(sidecars.defer("content").order_by("pk")[: limit + 1])
    page = found[:limit]
    return SidecarPage(page, str(page[-1].pk) if len(found) > limit else None)


def get_sidecar(actor: Actor, upload_id: uuid.UUID, sidecar_id: uuid.UUID) -> Sidecar:
    """Raises: NotFound, GalleryDeleted."""
    upload = upload_of(actor, upload_id, Action.FETCH_ORIGINAL)
    sidecar = Sidecar.objects.filter(pk=sidecar_id, upload=upload).first()
    if sidecar is None:
        raise NotFound
    return sidecar


def upload_of(actor: Actor, upload_id: uuid.UUID, action: Action) -> Upload:
    """One's own. Raises: NotFound, GalleryDeleted."""
    upload = get_upload(actor, upload_id)
    allowed(actor, upload.gallery, action)
    return upload


def sidecar_out(sidecar: Sidecar) -> dict[str, object]:
    return {
        "id": str(sidecar.pk),
        "upload_id": str(sidecar.upload_id),
        "name": sidecar.name,
        "size": sidecar.size,
        "crc32": sidecar.crc32,
        "sha256": sidecar.sha256,
        "url": f"/api/uploads/{sidecar.upload_id}/sidecars/{sidecar.pk}",
    }
