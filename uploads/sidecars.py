"""An editor's notes about a photo (XMP), kept beside the upload of that photo: never counted as a photo itself.

They are small texts, so the database keeps them: what was answered is kept, and nothing of it can be orphaned.
"""

import hashlib
import re
import uuid
import zlib
from typing import Final

from django.db import transaction

from galleries.access import Action, Actor, allowed
from galleries.errors import BadRequest, NotFound
from uploads.errors import FileTooLarge
from uploads.limits import MAX_SIDECAR_BYTES, MAX_SIDECARS
from uploads.models import Sidecar, Upload
from uploads.names import display_name, extension_of
from uploads.queries import get_upload

ENDING: Final = "xmp"
# XMP specification part 1, 7.3: the packet, or the outermost element where there is none.
_PACKET: Final = re.compile(r"<(?:\w{1,32}:)?(?:xmpmeta|RDF)[\s>]")


def attach(actor: Actor, upload_id: uuid.UUID, *, name: str, text: str) -> Sidecar:
    """Keeps the text, instead of what was kept under this name. Safe to repeat, whatever became of the upload.

    Raises: NotFound, GalleryDeleted. FileTooLarge. BadRequest for what is no XMP, or one too many of a photo.
    """
    upload = upload_of(actor, upload_id, Action.UPLOAD)
    content, name = text.encode(), display_name(name)
    if len(content) > MAX_SIDECAR_BYTES:
        raise FileTooLarge(declared_bytes=len(content), limit_bytes=MAX_SIDECAR_BYTES)
    if extension_of(name) != ENDING or not _PACKET.search(text):
        raise BadRequest(fields=["name" if extension_of(name) != ENDING else "text"])
    kept = {
        "size": len(content),
        "crc32": f"{zlib.crc32(content):08x}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "content": content,
    }
    with transaction.atomic():
        # Under the lock of its upload, so that two at once are not one too many.
        Upload.objects.select_for_update().get(pk=upload.pk)
        others = Sidecar.objects.filter(upload=upload).exclude(name=name)
        if others.count() >= MAX_SIDECARS:
            raise BadRequest(limit=MAX_SIDECARS)
        sidecar, _ = Sidecar.objects.update_or_create(upload=upload, name=name, defaults=kept)
    return sidecar


def list_sidecars(actor: Actor, upload_id: uuid.UUID) -> list[Sidecar]:
    """By name, without their texts. Two queries. Raises: NotFound, GalleryDeleted."""
    upload = upload_of(actor, upload_id, Action.FETCH_ORIGINAL)
    return list(Sidecar.objects.filter(upload=upload).defer("content").order_by("name"))


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
