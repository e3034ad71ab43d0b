"""Uploads, their history, the janitor's list, the workers. States move by the product's own steps alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from accounts.staff import (
    NOTHING,
    Question,
    StaffAdmin,
    age_words,
    bar,
    link_to,
    link_to_id,
    link_to_list,
    person_of,
)
from galleries.admin import thumbnail_of
from galleries.models import Photo, PhotoStatus
from galleries.templatetags.quantities import bytes_words
from uploads import clock, ledger
from uploads.heartbeats import LIVES_FOR
from uploads.lanes.base import Lane
from uploads.models import Discard, Publication, Upload, UploadEvent, WorkerHeartbeat
from uploads.ops.repair import (
    cancel_uploads,
    requeue_uploads,
    retry_publications,
    retry_uploads,
    throw_away,
)
from uploads.ops.stuck import STUCK_WORDS, Stuck, overdue_discards, stuck
from uploads.publications import counts_of
from uploads.states import OPEN_STATES, TAKES_BYTES, State
from uploads.wire import error_of, known_errors

STORED_BYTES = "bytes_in_ledger"


class UploadList(ChangeList):
    """Reads how far a page of uploads is, in one trip to Redis."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = with_progress(list(self.result_list))


def with_progress(uploads: Sequence[Upload]) -> Sequence[Upload]:
    moving = [(upload.gallery_id, upload.pk) for upload in uploads if upload.state in TAKES_BYTES]
    stored = ledger.stored_of(moving)
    for upload in uploads:
        setattr(upload, STORED_BYTES, stored.get(upload.pk, 0) if upload.state in TAKES_BYTES else None)
    return uploads


class StuckFilter(admin.SimpleListFilter):
    title = "stuck"
    parameter_name = "stuck"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(why.value, words) for why, words in STUCK_WORDS.items()]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Upload]) -> QuerySet[Upload]:
        why = self.value()
        if why is None or why not in [*Stuck]:
            return queryset
        return queryset.filter(pk__in=stuck(Stuck(why)).values("pk"))


class ErrorFilter(admin.SimpleListFilter):
    title = "error"
    parameter_name = "error"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Codes that occur. One query."""
        codes = Upload.objects.filter(state=State.FAILED).values_list("error_code", flat=True).distinct()
        return [(code, code) for code in sorted(codes)]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Upload]) -> QuerySet[Upload]:
        return queryset.filter(error_code=self.value()) if self.value() else queryset


class LaneFilter(admin.SimpleListFilter):
    title = "lane"
    parameter_name = "lane"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(lane, lane) for lane in get_args(Lane)]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Upload]) -> QuerySet[Upload]:
        return queryset.filter(lane=self.value()) if self.value() else queryset


class HistoryInline(admin.TabularInline[UploadEvent, Upload]):
    """Append-only: replaying it gives the state of the row."""

    model = UploadEvent
    fields = readonly_fields = ("at", "event", "source", "target", "attempt", "code")
    extra = 0
    can_delete = False
    verbose_name_plural = "history"

    def has_add_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, _obj: Model | None = None) -> bool:
        return request.user.has_perm("uploads.view_upload") or request.user.has_perm("uploads.change_upload")


@admin.register(Upload)
class UploadAdmin(StaffAdmin[Upload]):
    list_display = (
        "name",
        "state",
        "progress",
        "error",
        "attempt",
        "lane",
        "of_gallery",
        "of_owner",
        "registered",
        "active",
    )
    list_filter = ("state", StuckFilter, ErrorFilter, LaneFilter, "registered_at", "ended_at")
    list_select_related = ("gallery", "owner")
    search_fields = ("name", "=id", "=client_id", "=crc32", "gallery__title", "owner__username")
    ordering = ("-registered_at",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "picture",
                    "name",
                    "relative_path",
                    "state",
                    "progress",
                    "error",
                    "error_details",
                    "attempt",
                    "tries",
                    "of_gallery",
                    "of_owner",
                    "of_photo",
                )
            },
        ),
        (
            "The file",
            {"fields": ("id", "client_id", "actor", "declared", "media_type", "crc32", "is_wanted_copy")},
        ),
        ("In the store", {"fields": ("store", "lane", "key", "part_size", "signed_parts")}),
        (
            "When",
            {
                "fields": (
                    "registered_at",
                    "active_at",
                    "url_expires_at",
                    "looked_at",
                    "try_after",
                    "lease_until",
                    "ended_at",
                    "version",
                )
            },
        ),
    )
    inlines = (HistoryInline,)
    actions = ("retry", "requeue", "cancel")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        del request, kwargs
        return UploadList

    def get_fieldsets(self, request: HttpRequest, obj: Upload | None = None) -> Any:
        """No picture for staff who may not see other people's photos."""
        fieldsets = super().get_fieldsets(request, obj)
        if may_see_photos(request):
            return fieldsets
        return [
            (title, {**options, "fields": [name for name in options["fields"] if name != "picture"]})
            for title, options in fieldsets
        ]

    @admin.display(description="progress")
    def progress(self, upload: Upload) -> str:
        """Bytes stored: all from `uploaded` on, before it what the ledger has heard. Of the others, the size."""
        if not hasattr(upload, STORED_BYTES):
            with_progress([upload])
        stored = getattr(upload, STORED_BYTES)
        if stored is None and upload.state not in {*OPEN_STATES, State.VERIFIED}:
            return bytes_words(upload.size)
        stored = upload.size if stored is None else stored
        words = f"{bytes_words(stored)} of {bytes_words(upload.size)}"
        return format_html("{} {}", bar(stored, upload.size, label=words), words)

    @admin.display(description="error", ordering="error_code")
    def error(self, upload: Upload) -> str:
        error = error_of(upload)
        if error is None:
            return NOTHING
        code = upload.error_code if upload.error_code in known_errors() else f"{upload.error_code} (unknown)"
        return format_html("<code>{}</code> {}", code, error["message"])

    @admin.display(description="registered", ordering="registered_at")
    def registered(self, upload: Upload) -> str:
        return f"{upload.registered_at:%Y-%m-%d %H:%M}"

    @admin.display(description="heard of", ordering="active_at")
    def active(self, upload: Upload) -> str:
        return f"{age_words(clock.now() - upload.active_at)} ago"

    @admin.display(description="gallery", ordering="gallery__title")
    def of_gallery(self, upload: Upload) -> str:
        return link_to(upload.gallery)

    @admin.display(description="owner", ordering="owner__username")
    def of_owner(self, upload: Upload) -> str:
        return link_to(upload.owner, upload.owner.get_username())

    @admin.display(description="photo")
    def of_photo(self, upload: Upload) -> str:
        return link_to_id(Photo, upload.photo_id, str(upload.photo))

    @admin.display(description="photo")
    def picture(self, upload: Upload) -> str:
        if upload.photo is None or upload.photo.status == PhotoStatus.DELETED:
            return NOTHING
        return thumbnail_of(upload.photo.pk, upload.name)

    @admin.display(description="declared size")
    def declared(self, upload: Upload) -> str:
        return f"{bytes_words(upload.size)} ({upload.size:,} bytes)"

    @admin.display(description="part size")
    def part_size(self, upload: Upload) -> str:
        return bytes_words(upload.part_bytes) if upload.lane == "multipart" else "one piece"

    @admin.display(description="parts with a signed checksum")
    def signed_parts(self, upload: Upload) -> str:
        return f"{len(upload.part_crcs):,}"

    @admin.action(description="Retry (failed)", permissions=["mend"])
    def retry(self, request: HttpRequest, chosen: QuerySet[Upload]) -> None:
        self.carry_out(request, chosen, partial(retry_uploads, person_of(request)))

    @admin.action(description="Requeue (waiting, or left by a lost worker)", permissions=["mend"])
    def requeue(self, request: HttpRequest, chosen: QuerySet[Upload]) -> None:
        self.carry_out(request, chosen, requeue_uploads)

    @admin.action(description="Cancel", permissions=["mend"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Upload]) -> HttpResponse | None:
        ask = Question(
            "Cancel uploads?",
            "What was sent of them is thrown away. Their senders keep the files and can choose them again.",
            "Cancel these uploads",
        )
        if page := self.asked_first(request, chosen, ask):
            return page
        self.carry_out(request, chosen, partial(cancel_uploads, person_of(request)))
        return None


def may_see_photos(request: HttpRequest) -> bool:
    return request.user.has_perm("galleries.view_photo") or request.user.has_perm("galleries.change_photo")


@admin.register(UploadEvent)
class UploadEventAdmin(StaffAdmin[UploadEvent]):
    list_display = ("at", "of_upload", "event", "source", "target", "attempt", "code")
    list_display_links = ("at",)
    list_filter = ("at",)
    list_select_related = ("upload",)
    search_fields = ("=upload__id", "=event", "=code", "=target")
    ordering = ("-id",)
    fields = ("at", "of_upload", "event", "source", "target", "attempt", "code")

    @admin.display(description="upload")
    def of_upload(self, event: UploadEvent) -> str:
        return link_to_id(Upload, event.upload_id, event.upload.name)


@admin.register(Publication)
class PublicationAdmin(StaffAdmin[Publication]):
    list_display = ("short_id", "state", "of_gallery", "actor", "created_at", "ended_at", "version")
    list_filter = ("state", "created_at", "ended_at")
    list_select_related = ("gallery",)
    search_fields = ("=id", "=idempotency_key", "gallery__title", "=actor")
    ordering = ("-created_at",)
    fields = (
        "id",
        "state",
        "so_far",
        "follows",
        "of_gallery",
        "actor",
        "idempotency_key",
        "created_at",
        "ended_at",
        "version",
    )
    actions = ("retry",)

    @admin.display(description="publication")
    def short_id(self, publication: Publication) -> str:
        return str(publication.pk)[:8]

    @admin.display(description="gallery", ordering="gallery__title")
    def of_gallery(self, publication: Publication) -> str:
        return link_to(publication.gallery)

    @admin.display(description="so far")
    def so_far(self, publication: Publication) -> str:
        counts = counts_of(publication)
        words = f"{counts.published:,} of {counts.chosen:,} published, {counts.failed:,} failed"
        return format_html("{} {}", bar(counts.published, counts.chosen, label=words), words)

    @admin.display(description="follows")
    def follows(self, publication: Publication) -> str:
        return link_to_list(Upload, "its uploads", publications__id__exact=publication.pk)

    @admin.action(description="Retry (what failed of it)", permissions=["mend"])
    def retry(self, request: HttpRequest, chosen: QuerySet[Publication]) -> None:
        self.carry_out(request, chosen, partial(retry_publications, person_of(request)))


class DueFilter(admin.SimpleListFilter):
    title = "due"
    parameter_name = "due"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("due", "due"), ("overdue", "overdue"), ("later", "later")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Discard]) -> QuerySet[Discard]:
        now = clock.now()
        match self.value():
            case "due":
                return queryset.filter(not_before__lte=now)
            case "overdue":
                return queryset.filter(pk__in=overdue_discards(now).values("pk"))
            case "later":
                return queryset.filter(not_before__gt=now)
            case _:
                return queryset


@admin.register(Discard)
class DiscardAdmin(StaffAdmin[Discard]):
    list_display = ("key", "store", "has_session", "not_before", "is_due")
    list_filter = (DueFilter, "not_before")
    search_fields = ("key",)
    ordering = ("not_before",)
    fields = ("key", "store", "has_session", "not_before", "is_due")
    actions = ("throw_away_now",)

    @admin.display(description="parts too", boolean=True)
    def has_session(self, discard: Discard) -> bool:
        return bool(discard.session or discard.sealed_session)

    @admin.display(description="due", boolean=True)
    def is_due(self, discard: Discard) -> bool:
        return discard.not_before <= clock.now()

    @admin.action(description="Throw away now (what is due)", permissions=["mend"])
    def throw_away_now(self, request: HttpRequest, chosen: QuerySet[Discard]) -> None:
        self.carry_out(request, chosen, throw_away)


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(StaffAdmin[WorkerHeartbeat]):
    list_display = ("name", "is_alive", "concurrency", "seen_at", "silent_for")
    list_filter = ("seen_at",)
    search_fields = ("name",)
    ordering = ("-seen_at",)
    fields = ("name", "is_alive", "concurrency", "seen_at", "silent_for")

    @admin.display(description="alive", boolean=True)
    def is_alive(self, worker: WorkerHeartbeat) -> bool:
        return worker.seen_at >= clock.now() - LIVES_FOR

    @admin.display(description="silent for")
    def silent_for(self, worker: WorkerHeartbeat) -> str:
        return age_words(clock.now() - worker.seen_at)
