"""Shapes of galleries and photos on the wire."""

from base64 import b64encode
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from ninja import Schema

from galleries.errors import NotFound
from galleries.models import Photo, Rendition
from galleries.original_form import form_for
from galleries.ports import filler
from galleries.queries import GalleryView
from galleries.renditions import RECIPES, Recipe


class RenditionOut(Schema):
    name: str
    url: str
    width: int
    height: int


class PhotoOut(Schema):
    id: UUID
    upload_id: UUID
    name: str
    size: int
    crc32: str | None
    sha256: str | None
    width: int
    height: int
    captured_at: datetime | None
    status: str
    version: int
    renditions: list[RenditionOut]
    original_url: str | None
    thumbhash: str
    media_type: str
    camera: str
    sort_at: datetime


class PhotosOut(Schema):
    photos: list[PhotoOut]


class PhotoPageOut(Schema):
    photos: list[PhotoOut]
    next_cursor: str | None
    version: int


class TotalsOut(Schema):
    bytes: int
    bytes_total: int
    files: dict[str, int]
    rate: int | None
    seconds_left: int | None
    staged: int
    photo_count: int
    byte_count: int


class RecipeOut(Schema):
    name: str
    media_type: str
    longest_side_px: int
    recipe: str


class ProfileOut(Schema):
    media_types: list[str]
    max_file_bytes: int
    min_pixels: int
    max_pixels: int
    max_side_px: int
    max_photos: int
    renditions: list[RecipeOut]


class GalleryOut(Schema):
    id: UUID
    title: str
    state: str
    version: int
    photo_count: int
    byte_count: int
    auto_publish: bool
    cover_photo_id: UUID | None
    cover_url: str | None
    sort: str
    keep_location: bool
    progress: TotalsOut
    profile: ProfileOut
    url: str


class GalleriesOut(Schema):
    galleries: list[GalleryOut]
    next_cursor: str | None
    version: int | None
    overall: TotalsOut


def gallery_out(view: GalleryView) -> dict[str, Any]:
    gallery = view.gallery
    return {
        "id": str(gallery.pk),
        "title": gallery.title,
        "state": view.state.value,
        "version": gallery.version,
        "photo_count": gallery.photo_count,
        "byte_count": gallery.byte_count,
        "auto_publish": gallery.auto_publish,
        "cover_photo_id": str(gallery.cover_photo_id) if gallery.cover_photo_id else None,
        "cover_url": cover_url(view.cover),
        "sort": gallery.sort,
        "keep_location": gallery.keep_location,
        "progress": view.totals.as_wire(),
        "profile": filler().profile_of(gallery).as_wire(),
        "url": f"/galleries/{gallery.pk}/",
    }


def cover_url(photo: Photo | None) -> str | None:
    return str(renditions_out(photo)[0]["url"]) if photo else None


def photo_out(photo: Photo, *, is_owner: bool) -> dict[str, Any]:
    """No query: the renditions, and for others than the owner the gallery, must be there already."""
    return {
        "id": str(photo.pk),
        "upload_id": str(photo.upload_id),
        "name": photo.name,
        **original_out(photo, is_owner=is_owner),
        "width": photo.width,
        "height": photo.height,
        "captured_at": utc_text(photo.captured_at),
        "status": photo.status,
        "version": photo.version,
        "renditions": renditions_out(photo),
        "thumbhash": b64encode(bytes(photo.thumbhash)).decode(),
        "camera": photo.camera,
        "sort_at": utc_text(photo.sort_at),
    }


def original_out(photo: Photo, *, is_owner: bool) -> dict[str, Any]:
    """Of what `original_url` gives to the asker: who downloads it can check it. Nothing where there is nothing yet."""
    try:
        form = form_for(photo, is_owner=is_owner)
    except NotFound:
        return {
            "size": 0,
            "crc32": None,
            "sha256": None,
            "original_url": None,
            "media_type": photo.media_type,
        }
    return {
        "size": form.size,
        "crc32": form.crc32,
        "sha256": form.sha256,
        "original_url": f"/photos/{photo.pk}/original",
        "media_type": form.media_type,
    }


def renditions_out(photo: Photo) -> list[dict[str, Any]]:
    """From small to large. One that is not made yet has the address it will have, where something stands in for it."""
    made = [
        {"name": each.name, "url": rendition_url(photo, each), "width": each.width, "height": each.height}
        for each in photo.renditions.all()
    ]
    names = {each["name"] for each in made}
    expected = [unmade_out(photo, recipe) for recipe in RECIPES if recipe.name not in names]
    return sorted([*made, *expected], key=itemgetter("width")) if expected else made


def unmade_out(photo: Photo, recipe: Recipe) -> dict[str, Any]:
    scale = min(1, recipe.longest_side_px / max(photo.width, photo.height))
    return {
        "name": recipe.name,
        "url": f"/photos/{photo.pk}/{recipe.name}/{recipe.digest}",
        "width": max(1, round(photo.width * scale)),
        "height": max(1, round(photo.height * scale)),
    }


def rendition_url(photo: Photo, rendition: Rendition) -> str:
    return f"/photos/{photo.pk}/{rendition.name}/{rendition.recipe}"


def utc_text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
