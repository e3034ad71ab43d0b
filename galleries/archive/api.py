"""Downloads over JSON: a choice of photos becomes an address."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from ninja import Router, Schema
from pydantic import Field

from galleries.access import Actor, get_gallery
from galleries.archive import selections
from galleries.archive.asked import MAY_FETCH
from galleries.archive.manifest import Variant

router = Router(tags=["galleries"])


class ArchiveIn(Schema):
    """Without photos: all of them, whenever it is asked for."""

    photo_ids: list[Annotated[str, Field(max_length=64)]] | None = None
    variant: Variant = Variant.ORIGINAL


class ArchiveOut(Schema):
    url: str


@router.post("/galleries/{uuid:gallery_id}/archives", response={201: ArchiveOut})
def choose_archive(request: HttpRequest, gallery_id: UUID, body: ArchiveIn) -> HttpResponse:
    """As many photos as a gallery has, where other calls take a hundred."""
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by django-ninja
    gallery = get_gallery(actor, gallery_id, MAY_FETCH[body.variant])
    wanted = {"variant": body.variant.value}
    if body.photo_ids is not None:
        wanted["selection"] = str(selections.remember(gallery, body.photo_ids).pk)
    address = reverse("gallery_archive", args=[gallery.pk])
    return JsonResponse({"url": f"{address}?{urlencode(wanted)}"}, status=201)
