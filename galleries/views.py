"""Pages of the galleries: a thin edge that reads through `queries` and acts through `lifecycle`."""

import json
import uuid
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from galleries import curation, lifecycle
from galleries.access import (
    Action,
    Actor,
    actor_of,
    get_gallery,
    get_gallery_or_deleted,
    get_shown_photo,
)
from galleries.errors import GalleryDeleted, GalleryError, NotFound, SignInRequired
from galleries.models import DELETED_KEPT_FOR, Gallery, GallerySort, Photo, PhotoStatus
from galleries.photo_wire import cover_url, photo_out
from galleries.ports import filler
from galleries.queries import (
    count_deleted,
    count_photos,
    list_deleted_galleries,
    list_galleries,
    list_photos,
    view_of,
)
from galleries.templatetags.quantities import photos_of

# Enough to fill any screen at once; the others follow by the API.
FIRST_PAGE_PHOTOS = 200
TITLE_CHARS = 200
# What the browser's own chooser offers. Anything can be dropped; what a file is, its bytes decide.
CHOOSER_TYPES = "image/*,.heic,.heif,.avif,.cr2,.cr3,.nef,.arw,.dng,.raf,.orf,.rw2,.xmp"

# What the scripts of the page may offer, in the words they look for.
OFFERS = {
    Action.UPLOAD: "upload",
    Action.DELETE: "delete",
    Action.VIEW: "select",
    Action.FETCH_ORIGINAL: "fetch-original",
}


P = ParamSpec("P")


def as_page(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Every refusal becomes a page, in this one place."""

    @wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except GalleryError as error:
            return refused(request, error)

    return answer


def refused(request: HttpRequest, error: GalleryError) -> HttpResponse:
    match error:
        case SignInRequired():
            return redirect(f"{reverse('account_login')}?next={request.path}")
        case NotFound():
            return render(request, "404.html", status=HTTPStatus.NOT_FOUND)
        case GalleryDeleted():
            return render(request, "410.html", deleted_context(request, error), status=HTTPStatus.GONE)
        case _:
            return render(request, "refused.html", {"error": error}, status=error.status)


def deleted_context(request: HttpRequest, error: GalleryDeleted) -> dict[str, Any]:
    """Who may bring it back is offered to, while that is possible."""
    gallery = Gallery.objects.get(pk=str(error.details["id"]))
    is_kept = gallery.deleted_at is not None and gallery.deleted_at > timezone.now() - DELETED_KEPT_FOR
    return {"gallery": gallery, "may_restore": is_kept and actor_of(request.user).may(Action.DELETE, gallery)}


def home(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("gallery_list")
    return render(request, "landing.html")


@as_page
def gallery_list(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request.user)
    if request.method == "POST":
        return create_gallery(request, actor)
    return list_page(request, actor)


def create_gallery(request: HttpRequest, actor: Actor) -> HttpResponse:
    title = title_of(request)
    if not title:
        return list_page(request, actor, title_error=f"Give it a title of 1 to {TITLE_CHARS} letters.")
    return redirect("gallery", lifecycle.create(actor, title).pk)


def list_page(request: HttpRequest, actor: Actor, *, title_error: str = "") -> HttpResponse:
    """A constant number of queries, however many galleries."""
    views = [
        {
            "gallery": view.gallery,
            "state": view.state.value,
            "cover_url": cover_url(view.cover),
            "totals": view.totals,
        }
        for view in list_galleries(actor.user.pk)
    ]
    status = HTTPStatus.UNPROCESSABLE_ENTITY if title_error else HTTPStatus.OK
    context = {
        "views": views,
        "deleted": list_deleted_galleries(actor.user.pk),
        "title_error": title_error,
    }
    return render(request, "galleries/list.html", context, status=status)


@as_page
def gallery_page(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponse:
    actor = actor_of(request.user)
    gallery = get_gallery(actor, gallery_id, Action.VIEW)
    return render(request, "galleries/gallery.html", gallery_context(request, actor, gallery))


@as_page
def photo_page(request: HttpRequest, gallery_id: uuid.UUID, photo_id: uuid.UUID) -> HttpResponse:
    """The gallery with one photo open; without scripts, that photo."""
    actor = actor_of(request.user)
    photo = get_shown_photo(actor, photo_id, Action.VIEW)
    if photo.gallery_id != gallery_id:
        raise NotFound
    context = gallery_context(request, actor, photo.gallery) | photo_context(photo, actor)
    return render(request, "galleries/gallery.html", context)


def gallery_context(request: HttpRequest, actor: Actor, gallery: Gallery) -> dict[str, Any]:
    cursor = request.GET.get("cursor") or None
    page = list_photos(gallery, status=PhotoStatus.READY, cursor=cursor, limit=FIRST_PAGE_PHOTOS)
    profile = filler().profile_of(gallery)
    may_publish, is_owner = actor.may(Action.PUBLISH, gallery), actor.owns(gallery)
    may_restore = actor.may(Action.DELETE, gallery)
    return {
        "gallery": gallery,
        "state": view_of(gallery).state.value,
        "first_page": {
            "photos": [photo_out(photo, is_owner=is_owner) for photo in page.photos],
            "next_cursor": page.next_cursor,
            "version": page.version,
        },
        "may": " ".join(word for action, word in OFFERS.items() if actor.may(action, gallery)),
        "archive_url": archive_url(gallery),
        "may_upload": actor.may(Action.UPLOAD, gallery),
        "may_edit": actor.may(Action.EDIT, gallery),
        "may_restore": may_restore,
        "deleted_count": count_deleted(gallery) if may_restore else 0,
        "may_publish": may_publish,
        "staged_count": count_photos(gallery, status=PhotoStatus.STAGED) if may_publish else 0,
        "accept": CHOOSER_TYPES,
        "profile": json.dumps(profile.as_wire()),
        "is_full": gallery.photo_count >= profile.max_photos > 0,
        "max_photos": profile.max_photos,
        "publish_visible_s": settings.PUBLISH_VISIBLE_S,
        "sorts": GallerySort.choices,
    }


def archive_url(gallery: Gallery) -> str:
    """Empty where this installation has no archives."""
    try:
        return reverse("gallery_archive", args=[gallery.pk])
    except NoReverseMatch:
        return ""


def photo_context(photo: Photo, actor: Actor) -> dict[str, Any]:
    shown = photo_out(photo, is_owner=actor.owns(photo.gallery))
    largest = max(shown["renditions"], key=lambda rendition: rendition["width"], default=None)
    return {
        "photo": photo,
        "photo_url": largest["url"] if largest else shown["original_url"],
        "original_url": shown["original_url"],
    }


@require_POST
@as_page
def gallery_change(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponse:
    gallery = get_gallery(actor_of(request.user), gallery_id, Action.EDIT)
    if title := title_of(request):
        lifecycle.change(gallery, changes_of(request, title))
    else:
        messages.error(request, f"A title has 1 to {TITLE_CHARS} letters. Nothing was changed.")
    return redirect("gallery_list") if request.POST.get("back") == "list" else redirect("gallery", gallery.pk)


def changes_of(request: HttpRequest, title: str) -> dict[str, Any]:
    """The short form of the list renames only; the settings of the gallery's own page come whole."""
    if "sort" not in request.POST:
        return {"title": title}
    return {
        "title": title,
        "sort": request.POST["sort"],
        "auto_publish": "auto_publish" in request.POST,
        "keep_location": "keep_location" in request.POST,
    }


@require_POST
@as_page
def gallery_delete(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponse:
    gallery = get_gallery(actor_of(request.user), gallery_id, Action.DELETE)
    lifecycle.delete(gallery)
    undo = reverse("gallery_restore", args=[gallery.pk])
    messages.success(
        request, f"{gallery.title} was deleted. Its photos are kept for 24 hours.", extra_tags=undo
    )
    return redirect("gallery_list")


@require_POST
@as_page
def gallery_restore(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponse:
    gallery = get_gallery_or_deleted(actor_of(request.user), gallery_id, Action.DELETE)
    lifecycle.restore(gallery)
    return redirect("gallery", gallery.pk)


@require_POST
@as_page
def photos_restore(request: HttpRequest, gallery_id: uuid.UUID) -> HttpResponse:
    gallery = get_gallery(actor_of(request.user), gallery_id, Action.DELETE)
    restored = curation.restore_deleted(gallery.pk)
    if restored.back_count:
        messages.success(request, f"{photos_of(restored.back_count)} brought back.")
    if restored.left_count:
        messages.warning(
            request, f"{photos_of(restored.left_count)} not brought back: this gallery has no room for more."
        )
    return redirect("gallery", gallery.pk)


def title_of(request: HttpRequest) -> str:
    """Empty for what is no title: nothing but spaces, too long, or with characters no database takes."""
    title = request.POST.get("title", "").strip()
    return "" if len(title) > TITLE_CHARS or "\x00" in title else title
