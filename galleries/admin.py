"""Galleries, photos and renditions for staff. What an owner may do by a step, staff do by the same step."""

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Count, Model, Q, QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm, MultipleChoiceField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join

from accounts.staff import (
    NOTHING,
    TIMES,
    Mended,
    Question,
    StaffAdmin,
    bar,
    link_to,
    link_to_id,
    link_to_list,
)
from galleries import lifecycle
from galleries.curation import delete_photos, restore_photos
from galleries.errors import ObjectMissing, RestoreExpired
from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from galleries.objects.base import store_named
from galleries.ports import Totals, filler
from galleries.queries import GalleryView, views_of
from galleries.renditions import GRID, RECIPES
from galleries.states import gallery_state
from galleries.templatetags.quantities import bytes_words, state_word, to_be_published

log = logging.getLogger(__name__)


class GalleryList(ChangeList):
    """Reads what is derived for a page of galleries at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        galleries: list[Gallery] = list(self.result_list)
        for gallery, view in zip(galleries, views_of(galleries), strict=True):
            setattr(gallery, DERIVED, view)
        self.result_list = galleries


DERIVED = "view_for_staff"


class GalleryForm(ModelForm[Gallery]):
    """What the gallery takes. Kinds of photos are ticked, none for all."""

    only_types = MultipleChoiceField(
        required=False,
        widget=CheckboxSelectMultiple,
        label="Takes only",
        help_text="Kinds of photos. None ticked means every kind that can be shown.",
    )

    class Meta:
        labels: ClassVar = {
            "max_file_bytes": "Largest file, in bytes",
            "min_pixels": "Fewest pixels",
            "max_pixels": "Most pixels",
            "max_photos": "Most photos",
        }
        help_texts: ClassVar = {
            "max_file_bytes": "Larger files are left out. Empty: as large as the product takes.",
            "min_pixels": "Width times height; 12 megapixels are 12000000. Empty: no least.",
            "max_pixels": "Width times height. Empty: as many as the product takes.",
            "max_photos": "When the gallery is full. Empty: as many as the product takes.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        every = filler().profile_of(Gallery()).media_types
        if "only_types" in self.fields:  # a page that only shows has none
            cast("MultipleChoiceField", self.fields["only_types"]).choices = [(each, each) for each in every]


class DeletedFilter(admin.SimpleListFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "no"), ("yes", "yes")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "no")


@admin.register(Gallery)
class GalleryAdmin(StaffAdmin[Gallery]):
    form = GalleryForm
    list_display = (
        "title",
        "state",
        "progress",
        "photo_count",
        "bytes_kept",
        "of_owner",
        "created_at",
        "deleted_at",
    )
    list_filter = (DeletedFilter, "auto_publish", "created_at", "deleted_at")
    list_select_related = ("owner",)
    search_fields = ("title", "=id", "owner__username", "owner__email")
    ordering = ("-created_at",)
    # The owner alone decides what is shown of where photos were taken, and which one stands for all.
    fields = (
        "title",
        "sort",
        "auto_publish",
        "keep_location",
        "only_types",
        "max_file_bytes",
        "min_pixels",
        "max_pixels",
        "max_photos",
        "id",
        "of_owner",
        "state",
        "progress",
        "photo_count",
        "bytes_kept",
        "photos",
        "uploads",
        "version",
        "round_started_at",
        "created_at",
        "deleted_at",
    )
    readonly_fields = (
        "keep_location",
        "id",
        "of_owner",
        "state",
        "progress",
        "photo_count",
        "bytes_kept",
        "photos",
        "uploads",
        "version",
        "round_started_at",
        "created_at",
        "deleted_at",
    )
    actions = ("delete",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        del request, kwargs
        return GalleryList

    def has_change_permission(self, request: HttpRequest, obj: Gallery | None = None) -> bool:
        return self.has_own_permission(request, "change") and (obj is None or obj.deleted_at is None)

    def save_model(self, _request: HttpRequest, obj: Gallery, form: ModelForm[Gallery], change: bool) -> None:  # noqa: FBT001
        """By the owner's step: it raises the version and tells who is watching."""
        if change:
            lifecycle.change(obj, {name: form.cleaned_data[name] for name in form.changed_data})

    @admin.display(description="owner", ordering="owner__username")
    def of_owner(self, gallery: Gallery) -> str:
        return link_to(gallery.owner, gallery.owner.get_username())

    @admin.display(description="state")
    def state(self, gallery: Gallery) -> str:
        return state_words(gallery, derived(gallery).totals)

    @admin.display(description="this round")
    def progress(self, gallery: Gallery) -> str:
        totals = derived(gallery).totals
        return format_html(
            '<span data-progress-of="{}" data-gallery-percent="{}">{}</span>',
            *(gallery.pk, totals.percent, progress_words(totals)),
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress_view)
        return [path("progress", view, name="galleries_gallery_progress"), *super().get_urls()]

    def progress_view(self, request: HttpRequest) -> HttpResponse:
        """How far the galleries of a page of the list are, asked for again and again while it is open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            wanted = [uuid.UUID(each) for each in request.GET.getlist("id")[: self.list_per_page]]
        except ValueError as err:
            raise Http404 from err
        totals = filler().progress_of(wanted)
        galleries = Gallery.objects.filter(pk__in=wanted)
        return JsonResponse({str(each.pk): progress_out(each, totals[each.pk]) for each in galleries})

    @admin.display(description="size", ordering="byte_count")
    def bytes_kept(self, gallery: Gallery) -> str:
        return bytes_words(gallery.byte_count)

    @admin.display(description="photos")
    def photos(self, gallery: Gallery) -> str:
        return link_to_list(Photo, "photos of this gallery", gallery__id__exact=gallery.pk)

    @admin.display(description="uploads")
    def uploads(self, gallery: Gallery) -> str:
        # Galleries know nothing of uploads, but the admin has a page of them.
        url = reverse("admin:uploads_upload_changelist")
        return format_html('<a href="{}?gallery__id__exact={}">uploads of this gallery</a>', url, gallery.pk)

    @admin.action(description="Delete (kept for 24 hours)", permissions=["remove"])
    def delete(self, request: HttpRequest, chosen: QuerySet[Gallery]) -> HttpResponse | None:
        ask = Question(
            "Delete galleries?",
            "They disappear at once for everybody, and what is still on its way to them is cancelled.",
            "Delete",
        )
        if page := self.asked_first(request, chosen, ask):
            return page
        self.carry_out(request, chosen, delete_galleries)
        return None


def state_words(gallery: Gallery, totals: Totals) -> str:
    if gallery.deleted_at is not None:
        return "deleted"
    return state_word(gallery_state(totals.files, gallery.photo_count))


def progress_out(gallery: Gallery, totals: Totals) -> dict[str, object]:
    """With the words of the columns beside it, by their names."""
    return {
        "percent": totals.percent,
        "is_open": bool(totals.open_count),
        "html": progress_words(totals),
        "columns": {
            "state": state_words(gallery, totals),
            "photo_count": number_format(gallery.photo_count),
            "bytes_kept": bytes_words(gallery.byte_count),
        },
    }


def progress_words(totals: Totals) -> str:
    """Of the round, and what waits for its owner."""
    said: list[str] = []
    if totals.bytes_total:
        words = f"{bytes_words(totals.bytes)} of {bytes_words(totals.bytes_total)}"
        drawn = bar(totals.bytes, totals.bytes_total, label=words)
        said.append(format_html("{} {}% · {}", drawn, totals.percent, words))
    if totals.staged:
        said.append(to_be_published(totals.staged))
    return format_html_join(" · ", "{}", ((each,) for each in said)) or NOTHING


def derived(gallery: Gallery) -> GalleryView:
    """Read with the page of the list, or now for a page of its own."""
    if not hasattr(gallery, DERIVED):
        setattr(gallery, DERIVED, views_of([gallery])[0])
    view: GalleryView = getattr(gallery, DERIVED)
    return view


def delete_galleries(gallery_ids: Sequence[uuid.UUID]) -> Mended:
    mended = Mended()
    for gallery in Gallery.objects.filter(pk__in=gallery_ids):
        if gallery.deleted_at is not None:
            mended.left["deleted already"] += 1
            continue
        lifecycle.delete(gallery)
        mended.note("deleted", gallery)
    return mended


class RenditionsFilter(admin.SimpleListFilter):
    """Photos that lack a smaller picture, or have one made by an older recipe."""

    title = "smaller pictures"
    parameter_name = "renditions"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("degraded", "some are missing"), ("stale", "some are of an old recipe")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Photo]) -> QuerySet[Photo]:
        digests = [recipe.digest for recipe in RECIPES]
        if self.value() == "degraded":
            made = Count("renditions", filter=Q(renditions__name__in=[recipe.name for recipe in RECIPES]))
            return queryset.annotate(made=made).filter(made__lt=len(RECIPES))
        if self.value() == "stale":
            stale = Rendition.objects.exclude(recipe__in=digests).values("photo_id")
            return queryset.filter(pk__in=stale)
        return queryset


class RenditionInline(admin.TabularInline[Rendition, Photo]):
    model = Rendition
    fields = readonly_fields = ("name", "recipe", "media_type", "pixels", "bytes_kept")
    extra = 0
    can_delete = False
    verbose_name_plural = "smaller pictures"

    @admin.display(description="pixels")
    def pixels(self, rendition: Rendition) -> str:
        return f"{rendition.width} {TIMES} {rendition.height}"

    @admin.display(description="size")
    def bytes_kept(self, rendition: Rendition) -> str:
        return bytes_words(rendition.size)

    def has_add_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return request.user.has_perm("galleries.view_photo") or request.user.has_perm(
            "galleries.change_photo"
        )


@admin.register(Photo)
class PhotoAdmin(StaffAdmin[Photo]):
    list_display = (
        "thumbnail",
        "name",
        "status",
        "of_gallery",
        "bytes_kept",
        "pixels",
        "media_type",
        "captured_at",
        "added_at",
        "deleted_at",
    )
    list_display_links = ("name",)
    list_filter = ("status", RenditionsFilter, "added_at", "deleted_at")
    list_select_related = ("gallery",)
    search_fields = ("name", "=id", "=upload_id", "=crc32", "=sha256", "gallery__title", "camera")
    ordering = ("-added_at",)
    fields = (
        "thumbnail",
        "name",
        "status",
        "status_before_delete",
        "quarantine_reason",
        "of_gallery",
        "of_upload",
        "id",
        "version",
        "bytes_kept",
        "pixels",
        "media_type",
        "crc32",
        "sha256",
        "captured_at",
        "camera",
        "store",
        "key",
        "is_wanted_copy",
        "added_at",
        "deleted_at",
    )
    inlines = (RenditionInline,)
    actions = ("delete", "restore")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.thumbnail_view)
        return [
            path("<uuid:photo_id>/thumbnail", view, name="galleries_photo_thumbnail"),
            *super().get_urls(),
        ]

    def thumbnail_view(self, request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
        """The smallest picture, for staff who may see photos. Each look is a line of the log."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = (
            Rendition.objects.filter(photo_id=photo_id, name=GRID.name)
            .exclude(photo__status=PhotoStatus.DELETED)
            .select_related("photo")
            .first()
        )
        if found is None:
            raise Http404
        log.info("staff.photo_seen user_id=%s photo_id=%s", request.user.pk, photo_id)
        return picture_of(found)

    @admin.display(description="photo")
    def thumbnail(self, photo: Photo) -> str:
        return thumbnail_of(photo.pk, photo.name) if photo.status != PhotoStatus.DELETED else NOTHING

    @admin.display(description="gallery", ordering="gallery__title")
    def of_gallery(self, photo: Photo) -> str:
        return link_to(photo.gallery)

    @admin.display(description="upload")
    def of_upload(self, photo: Photo) -> str:
        url = reverse("admin:uploads_upload_change", args=[photo.upload_id])
        return format_html('<a href="{}">{}</a>', url, photo.upload_id)

    @admin.display(description="size", ordering="size")
    def bytes_kept(self, photo: Photo) -> str:
        return bytes_words(photo.size)

    @admin.display(description="pixels")
    def pixels(self, photo: Photo) -> str:
        return f"{photo.width} {TIMES} {photo.height}"

    @admin.action(description="Delete (kept for 24 hours)", permissions=["remove"])
    def delete(self, request: HttpRequest, chosen: QuerySet[Photo]) -> HttpResponse | None:
        ask = Question(
            "Delete photos?",
            "They disappear at once for everybody. For 24 hours they can be restored; then their bytes go.",
            "Delete",
        )
        if page := self.asked_first(request, chosen, ask):
            return page
        self.carry_out(request, chosen, delete_chosen)
        return None

    @admin.action(description="Restore", permissions=["mend"])
    def restore(self, request: HttpRequest, chosen: QuerySet[Photo]) -> None:
        self.carry_out(request, chosen, restore_chosen)


def thumbnail_of(photo_id: uuid.UUID, name: str) -> str:
    url = reverse("admin:galleries_photo_thumbnail", args=[photo_id])
    return format_html('<img class="thumbnail" src="{}" alt="{}" loading="lazy" decoding="async">', url, name)


def picture_of(rendition: Rendition) -> HttpResponse:
    """Some 30 KB: read whole where the store gives no address to read from."""
    store = store_named(rendition.photo.store)
    if url := store.signed_get(rendition.key, download_name=None, content_type=rendition.media_type):
        return HttpResponseRedirect(url, headers={"Cache-Control": "private, max-age=60"})
    try:
        body = b"".join(store.read(rendition.key))
    except ObjectMissing as err:
        raise Http404 from err
    headers = {
        "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return HttpResponse(body, content_type=rendition.media_type, headers=headers)


def delete_chosen(photo_ids: Sequence[uuid.UUID]) -> Mended:
    mended = Mended()
    alive, gone = split_by_gallery(photo_ids, lambda photo: photo.status != PhotoStatus.DELETED)
    mended.left.update({"deleted already": gone} if gone else {})
    for gallery_id, photos in alive.items():
        delete_photos(gallery_id, [photo.pk for photo in photos])
        for photo in photos:
            mended.note("deleted", photo)
    return mended


def restore_chosen(photo_ids: Sequence[uuid.UUID]) -> Mended:
    mended = Mended()
    deleted, others = split_by_gallery(photo_ids, lambda photo: photo.status == PhotoStatus.DELETED)
    mended.left.update({"not deleted": others} if others else {})
    for photos in deleted.values():
        for photo in photos:
            restore_one(photo, mended)
    return mended


def restore_one(photo: Photo, mended: Mended) -> None:
    """Each by itself: one that can't come back keeps no other from it."""
    if photo.gallery.deleted_at is not None:
        mended.left["the gallery was deleted"] += 1
        return
    try:
        refusal = restore_photos(photo.gallery_id, [photo.pk]).get(photo.pk)
    except IntegrityError:
        mended.left["its file was sent again and is a photo of its own now"] += 1
        return
    if isinstance(refusal, RestoreExpired):
        mended.left["deleted more than 24 hours ago"] += 1
    elif refusal is not None:
        mended.left[refusal.message.rstrip(".")] += 1
    else:
        mended.note("restored", photo)


def split_by_gallery(
    photo_ids: Sequence[uuid.UUID], is_wanted: Callable[[Photo], bool]
) -> tuple[dict[uuid.UUID, list[Photo]], int]:
    """The wanted ones by gallery, and how many are not wanted. One query."""
    wanted: dict[uuid.UUID, list[Photo]] = {}
    others = 0
    for photo in (
        Photo.objects.filter(pk__in=photo_ids).select_related("gallery").order_by("gallery_id", "pk")
    ):
        if is_wanted(photo):
            wanted.setdefault(photo.gallery_id, []).append(photo)
        else:
            others += 1
    return wanted, others


class RecipeFilter(admin.SimpleListFilter):
    title = "recipe"
    parameter_name = "made_by"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(recipe.name, f"{recipe.name}, as made now") for recipe in RECIPES] + [
            ("old", "an older one")
        ]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Rendition]) -> QuerySet[Rendition]:
        digests = {recipe.name: recipe.digest for recipe in RECIPES}
        if self.value() == "old":
            return queryset.exclude(recipe__in=digests.values())
        if self.value() in digests:
            return queryset.filter(recipe=digests[str(self.value())])
        return queryset


@admin.register(Rendition)
class RenditionAdmin(StaffAdmin[Rendition]):
    list_display = ("id", "name", "of_photo", "pixels", "bytes_kept", "media_type", "recipe", "is_current")
    list_filter = (RecipeFilter,)
    list_select_related = ("photo",)
    search_fields = ("=photo__id", "photo__name", "=recipe", "=sha256")
    ordering = ("-id",)
    fields = (
        "name",
        "of_photo",
        "pixels",
        "bytes_kept",
        "media_type",
        "recipe",
        "is_current",
        "crc32",
        "sha256",
        "key",
    )

    @admin.display(description="photo")
    def of_photo(self, rendition: Rendition) -> str:
        return link_to_id(Photo, rendition.photo_id, rendition.photo.name)

    @admin.display(description="pixels")
    def pixels(self, rendition: Rendition) -> str:
        return f"{rendition.width} {TIMES} {rendition.height}"

    @admin.display(description="size", ordering="size")
    def bytes_kept(self, rendition: Rendition) -> str:
        return bytes_words(rendition.size)

    @admin.display(description="as made now", boolean=True)
    def is_current(self, rendition: Rendition) -> bool:
        return any(rendition.recipe == recipe.digest for recipe in RECIPES)
