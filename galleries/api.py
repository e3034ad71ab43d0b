"""Galleries and photos over JSON: a thin edge. Answers are built by hand and declared for the documentation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Query, Router, Schema
from pydantic import AfterValidator, Field, StrictBool, StrictInt, StringConstraints

from galleries import curation, lifecycle
from galleries.access import Action, Actor, get_gallery, get_gallery_or_deleted, get_photo
from galleries.errors import BadRequest, BatchTooLarge, GalleryError, NotFound
from galleries.models import Photo, PhotoStatus
from galleries.overall import overall_of
from galleries.photo_wire import GalleriesOut, GalleryOut, PhotoPageOut, PhotosOut, gallery_out, photo_out
from galleries.queries import get_photos, list_galleries, list_photos, view_of
from galleries.text import Line, Text

router = Router(tags=["galleries"])
MAX_BATCH_ITEMS = 100
MAX_PAGE_ITEMS = 1_000
Refusals = Mapping[UUID, GalleryError]
Curate = Callable[[UUID, Sequence[UUID]], Refusals | None]
NOBODY = UUID(int=0)  # no photo has it
LARGEST_INTEGER = 2**31 - 1  # of a column
LARGEST_BIGINT = 2**63 - 1
Least = Annotated[StrictInt, Field(ge=1, le=LARGEST_INTEGER)] | None
Most = Annotated[StrictInt, Field(ge=1), AfterValidator(lambda most: min(most, LARGEST_INTEGER))] | None
MostBytes = Annotated[StrictInt, Field(ge=1), AfterValidator(lambda most: min(most, LARGEST_BIGINT))] | None
Title = Annotated[Line, StringConstraints(min_length=1, max_length=200)]


class GalleryIn(Schema):
    title: Title
    idempotency_key: Annotated[Text, Field(min_length=1, max_length=100)] | None = None


class ProfilePatch(Schema):
    """Null is the product's own limit; a most that is larger means no more than that."""

    media_types: list[Annotated[Text, Field(max_length=40)]] | None = None
    max_file_bytes: MostBytes = None
    min_pixels: Least = None
    max_pixels: Most = None
    max_photos: Most = None


class GalleryPatch(Schema):
    title: Title | None = None
    auto_publish: StrictBool | None = None
    cover_photo_id: UUID | None = None
    sort: str | None = None
    keep_location: StrictBool | None = None
    profile: ProfilePatch | None = None


class IdsIn(Schema):
    ids: list[str]


class PageQuery(Schema):
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = 100
    status: str = PhotoStatus.READY


def actor_of_call(request: HttpRequest) -> Actor:
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by django-ninja
    return actor


@router.post("/galleries", response={201: GalleryOut})
def create_gallery(request: HttpRequest, body: GalleryIn) -> HttpResponse:
    gallery = lifecycle.create(actor_of_call(request), body.title, idempotency_key=body.idempotency_key)
    return JsonResponse(gallery_out(view_of(gallery)), status=201)


@router.get("/galleries", response=GalleriesOut)
def galleries(request: HttpRequest) -> HttpResponse:
    views = list_galleries(actor_of_call(request).user.pk)
    return JsonResponse(
        {
            "galleries": [gallery_out(view) for view in views],
            "next_cursor": None,
            "version": None,
            "overall": overall_of(view.totals for view in views).as_wire(),
        }
    )


@router.get("/galleries/{uuid:gallery_id}", response=GalleryOut)
def gallery(request: HttpRequest, gallery_id: UUID) -> HttpResponse:
    return JsonResponse(gallery_out(view_of(get_gallery(actor_of_call(request), gallery_id, Action.VIEW))))


@router.patch("/galleries/{uuid:gallery_id}", response=GalleryOut)
def change_gallery(request: HttpRequest, gallery_id: UUID, body: GalleryPatch) -> HttpResponse:
    found = get_gallery(actor_of_call(request), gallery_id, Action.EDIT)
    changed = lifecycle.change(found, changes_in(body))
    return JsonResponse(gallery_out(view_of(changed)))


def changes_in(body: GalleryPatch) -> dict[str, Any]:
    """What was given, by the names of the columns."""
    changes = body.dict(exclude_unset=True)
    profile = changes.pop("profile", None) or {}
    if "media_types" in profile:
        profile["only_types"] = profile.pop("media_types") or []
    return changes | profile


@router.delete("/galleries/{uuid:gallery_id}", response={204: None})
def delete_gallery(request: HttpRequest, gallery_id: UUID) -> HttpResponse:
    lifecycle.delete(get_gallery(actor_of_call(request), gallery_id, Action.DELETE))
    return HttpResponse(status=204)


@router.post("/galleries/{uuid:gallery_id}/restore", response=GalleryOut)
def restore_gallery(request: HttpRequest, gallery_id: UUID) -> HttpResponse:
    """As it was, its open uploads excepted: those stay cancelled."""
    found = get_gallery_or_deleted(actor_of_call(request), gallery_id, Action.DELETE)
    lifecycle.restore(found)
    return JsonResponse(gallery_out(view_of(get_gallery(actor_of_call(request), gallery_id, Action.VIEW))))


@router.get("/galleries/{uuid:gallery_id}/photos", response=PhotoPageOut)
def photos(request: HttpRequest, gallery_id: UUID, page: Query[PageQuery]) -> HttpResponse:
    if page.status not in PhotoStatus.values:
        raise BadRequest(status=page.status[:20])
    action = Action.VIEW if page.status == PhotoStatus.READY else Action.PUBLISH
    actor = actor_of_call(request)
    found = get_gallery(actor, gallery_id, action)
    is_owner = actor.owns(found)
    listed = list_photos(found, status=page.status, cursor=page.cursor, limit=page.limit)
    return JsonResponse(
        {
            "photos": [photo_out(photo, is_owner=is_owner) for photo in listed.photos],
            "next_cursor": listed.next_cursor,
            "version": listed.version,
        }
    )


@router.post("/photos/delete", response=PhotosOut)
def delete_photos(request: HttpRequest, body: IdsIn) -> HttpResponse:
    return bulk(request, body, curation.delete_photos)


@router.post("/photos/restore", response=PhotosOut)
def restore_photos(request: HttpRequest, body: IdsIn) -> HttpResponse:
    """Each by itself: one that was deleted too long ago keeps no other from coming back."""
    return bulk(request, body, curation.restore_photos)


@router.delete("/photos/{uuid:photo_id}", response={204: None})
def delete_photo(request: HttpRequest, photo_id: UUID) -> HttpResponse:
    photo = get_photo(actor_of_call(request), photo_id, Action.DELETE)
    curation.delete_photos(photo.gallery_id, [photo.pk])
    return HttpResponse(status=204)


def bulk(request: HttpRequest, body: IdsIn, do: Curate) -> HttpResponse:
    """Photos of several galleries in one call; unknown and foreign ids are items of their own.

    `do` answers why it left a photo as it was.
    """
    actor = actor_of_call(request)
    if len(body.ids) > MAX_BATCH_ITEMS:
        raise BatchTooLarge(item_count=len(body.ids), limit=MAX_BATCH_ITEMS)
    wanted = {text: parsed_id(text) for text in body.ids}
    own = own_photos(actor, [each for each in wanted.values() if each])
    place = {photo_id: index for index, photo_id in enumerate(wanted.values())}
    own.sort(key=lambda photo: place[photo.pk])
    refusals: dict[UUID, GalleryError] = {}
    for gallery_id in {photo.gallery_id for photo in own}:
        refusals |= do(gallery_id, [photo.pk for photo in own if photo.gallery_id == gallery_id]) or {}
    now = {
        photo.pk: photo_out(photo, is_owner=actor.owns(photo.gallery))
        for photo in get_photos([photo.pk for photo in own])
    }
    for photo_id in refusals.keys() & now.keys():
        now[photo_id] = {**now[photo_id], "error": refusals[photo_id].as_wire()}
    missing = NotFound().as_wire()
    return JsonResponse(
        {"photos": [now.get(wanted[text] or NOBODY) or {"id": text, "error": missing} for text in body.ids]}
    )


def own_photos(actor: Actor, photo_ids: list[UUID]) -> list[Photo]:
    found = Photo.objects.select_related("gallery").filter(pk__in=photo_ids, gallery__deleted_at=None)
    return [photo for photo in found if actor.may(Action.DELETE, photo.gallery)]


def parsed_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
