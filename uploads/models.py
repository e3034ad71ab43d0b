"""Rows of uploading. A change of state is a compare-and-swap; what must follow is in the same transaction."""

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Combinable

from galleries.models import Gallery, Photo
from uploads import clock, events
from uploads.bulk_insert import insert, insert_columns, update
from uploads.errors import WrongState
from uploads.limits import MAX_CLIENT_ID_CHARS, MAX_PATH_CHARS
from uploads.states import OPEN_STATES, TAKES_BYTES, Event, State, sources_of, target_of

log = logging.getLogger(__name__)

# One INSERT takes seven values of each, one UPDATE ten at most: SQLite has 32,766 in a statement.
MAX_ROWS_PER_INSERT: Final = 1_000

STATE_CHOICES = [(state.value, state.value) for state in State]


class UploadQuerySet(models.QuerySet["Upload"]):
    def open(self) -> Self:
        return self.filter(state__in=OPEN_STATES)

    def of(self, actor: str) -> Self:
        return self.filter(actor=actor)

    def waiting(self, now: datetime) -> Self:
        return self.filter(state=State.UPLOADED, try_after__lte=now)

    def abandoned(self, now: datetime) -> Self:
        """Held by a worker whose lease ran out."""
        return self.filter(state=State.VERIFYING, lease_until__lt=now)

    def silent_since(self, moment: datetime) -> Self:
        """Nothing signed, reported or stored since then."""
        return self.filter(state__in=TAKES_BYTES, active_at__lt=moment)


class Upload(models.Model):
    """One chosen file on its way to become a photo."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="uploads")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    actor = models.CharField(max_length=45, help_text="who sends it: user:<id>")
    client_id = models.CharField(max_length=MAX_CLIENT_ID_CHARS)
    name = models.CharField(max_length=255)
    relative_path = models.CharField(max_length=MAX_PATH_CHARS, blank=True, default="")
    size = models.PositiveBigIntegerField(help_text="bytes, as declared")
    media_type = models.CharField(max_length=80, help_text="signed into the request")
    last_modified = models.BigIntegerField(
        default=0, help_text="milliseconds since the epoch, as the browser says"
    )
    crc32 = models.CharField(max_length=8, blank=True, default="")
    is_wanted_copy = models.BooleanField(default=False)

    state = models.CharField(max_length=10, choices=STATE_CHOICES, default=State.REGISTERED)
    version = models.PositiveIntegerField(default=1)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_details = models.JSONField(default=dict, blank=True)
    attempt = models.PositiveIntegerField(default=1)

    store = models.CharField(max_length=40)
    lane = models.CharField(max_length=10)
    key = models.CharField(max_length=200)
    session = models.TextField(blank=True, default="", help_text="the store's id of an open multipart")
    sealed_session = models.TextField(
        blank=True,
        default="",
        editable=False,
        help_text="the URI of a resumable session, sealed: it is a secret",
    )
    part_bytes = models.PositiveBigIntegerField(default=0)
    part_crcs = models.JSONField(default=dict, blank=True, help_text="part number -> last signed CRC-32")

    registered_at = models.DateTimeField(help_text="when this attempt was chosen")
    active_at = models.DateTimeField(help_text="last sign, report or newly stored part")
    url_expires_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(
        null=True, blank=True, help_text="when the sweeper looked for its bytes in vain"
    )
    seen_bytes = models.PositiveBigIntegerField(
        default=0, help_text="of its resumable session, when the sweeper looked"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    try_after = models.DateTimeField()
    photo = models.ForeignKey(Photo, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    objects: ClassVar = UploadQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["gallery", "state"], name="upload_by_state"),
            models.Index(fields=["gallery", "registered_at"], name="upload_of_round"),
            # Not partial: SQLite uses a partial index only where the state stands in the statement's own text.
            models.Index(fields=["state", "owner", "try_after"], name="upload_waiting"),
            models.Index(fields=["state", "lease_until"], name="upload_leased"),
            models.Index(fields=["state", "active_at"], name="upload_silent"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gallery", "actor", "client_id"], name="upload_once_per_client_id"
            ),
            models.CheckConstraint(condition=Q(state__in=[*State]), name="upload_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state=State.FAILED) | ~Q(error_code=""), name="upload_failed_has_a_code"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.VERIFYING) | Q(lease_token__isnull=False),
                name="upload_verifying_is_leased",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


class UploadEvent(models.Model):
    """Append-only history: replaying it gives the row's state."""

    id = models.BigAutoField(primary_key=True)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    event = models.CharField(max_length=20)
    source = models.CharField(max_length=10, blank=True, default="")
    target = models.CharField(max_length=10)
    attempt = models.PositiveIntegerField()
    code = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.event}: {self.source} → {self.target}"


class PublicationState(models.TextChoices):
    IN_PROGRESS = "in_progress"
    ALL_SUCCEEDED = "all_succeeded"
    SOME_FAILED = "some_failed"
    ALL_FAILED = "all_failed"


class PublicationQuerySet(models.QuerySet["Publication"]):
    def in_progress(self) -> Self:
        return self.filter(state=PublicationState.IN_PROGRESS)

    def mail_due(self, now: datetime) -> Self:
        return self.filter(mail_due_at__lte=now)


class Publication(models.Model):
    """An intent to show photos, followed until each of its uploads has ended. It reads no bytes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    gallery = models.ForeignKey(Gallery, on_delete=models.PROTECT, related_name="publications")
    actor = models.CharField(max_length=45)
    idempotency_key = models.CharField(max_length=100)
    asked = models.JSONField(null=True, blank=True, help_text="the ids that were named; null: everything")
    uploads = models.ManyToManyField(Upload, related_name="publications")
    state = models.CharField(max_length=13, choices=PublicationState, default=PublicationState.IN_PROGRESS)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    # Null where no mail is to be sent, or where it was handed over.
    mail_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    mail_tries = models.PositiveIntegerField(default=0, editable=False)
    mailed_at = models.DateTimeField(null=True, blank=True, help_text="when its mail was handed over")

    objects: ClassVar = PublicationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gallery", "actor", "idempotency_key"], name="publication_once_per_key"
            ),
            models.CheckConstraint(
                condition=Q(state__in=PublicationState.values), name="publication_state_is_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["gallery", "state"], name="publication_by_state"),
            models.Index(fields=["mail_due_at"], name="publication_mail_due"),
        ]

    def __str__(self) -> str:
        return f"publication {self.id} ({self.state})"


class Discard(models.Model):
    """Bytes that no row needs any more: the janitor's list. Written in the transaction that lets go of them."""

    id = models.BigAutoField(primary_key=True)
    store = models.CharField(max_length=40)
    key = models.CharField(max_length=200)
    session = models.TextField(blank=True, default="")
    sealed_session = models.TextField(blank=True, default="", editable=False)
    not_before = models.DateTimeField(db_index=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key"], name="discard_by_key")]

    def __str__(self) -> str:
        return self.key


class RegenerationQuerySet(models.QuerySet["Regeneration"]):
    def due(self, now: datetime) -> Self:
        """Nobody holds them, and they have not ended for good."""
        is_free = Q(lease_until=None) | Q(lease_until__lt=now)
        return self.filter(is_free, error_code="", try_after__lte=now)

    def in_work(self, now: datetime) -> Self:
        return self.filter(lease_until__gte=now)

    def held_by(self, row: "Regeneration", now: datetime) -> Self:
        """The row, while the lease that this copy of it knows has not run out."""
        return self.in_work(now).filter(pk=row.pk, lease_token=row.lease_token)


class Regeneration(models.Model):
    """A photo that is to be developed again, since its renditions were made by other recipes."""

    photo = models.OneToOneField(Photo, on_delete=models.CASCADE, primary_key=True, related_name="+")
    recipes = models.CharField(max_length=12, help_text="digest of the recipes it is to be made by")
    tries = models.PositiveIntegerField(default=0)
    try_after = models.DateTimeField()
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True, default="", help_text="why it stays as it is")

    objects: ClassVar = RegenerationQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["error_code", "try_after"], name="regeneration_due")]

    def __str__(self) -> str:
        return f"{self.photo_id} again"


class Sidecar(models.Model):
    """An editor's notes about the photo of an upload. Goes with its photo, or with an upload that becomes none."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="sidecars")
    name = models.CharField(max_length=255)
    size = models.PositiveIntegerField(help_text="bytes")
    crc32 = models.CharField(max_length=8)
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField(editable=False)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["upload", "name"], name="sidecar_once_per_name")
        ]

    def __str__(self) -> str:
        return self.name


class WorkerHeartbeat(models.Model):
    """A worker process says that it lives. Counted to ring no more bells than somebody can hear."""

    name = models.CharField(primary_key=True, max_length=120)
    concurrency = models.PositiveIntegerField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name


def move_to(upload: Upload, event: Event, *, code: str = "", **changes: Any) -> Upload:
    """Moves one row in one UPDATE and records it. Call it inside the transaction of what must follow.

    The row's version is part of the condition: who holds an older copy loses.

    Raises: WrongState when the row is no longer where the move starts, or has changed since it was read.
    """
    held = Upload.objects.filter(pk=upload.pk, state__in=sources_of(event), version=upload.version)
    if event in LEASED_EVENTS:
        held = held.filter(lease_token=upload.lease_token)
    if not held.update(state=target_of(event), version=F("version") + 1, error_code=code, **changes):
        raise refused(upload, event)
    source = upload.state
    for name, value in {**changes, "state": target_of(event).value, "error_code": code}.items():
        setattr(upload, name, value)
    upload.version += 1
    insert([event_row(upload, event, source=source, at=clock.now())])
    events.moved(event, [upload])
    return upload


# These are the worker's alone: a worker that lost its lease must not have a say.
LEASED_EVENTS = frozenset({Event.VERIFY, Event.PUT_BACK})


def move_many(uploads: Sequence[Upload], event: Event, *, fields: Iterable[str] = ()) -> None:
    """Moves rows that this transaction holds locked (`select_for_update`), three statements for a batch of a call.

    Columns named in `fields` are written from the rows in hand. The caller has asked `is_legal` for each.

    Raises: WrongState when a row is not where the move starts: nothing of the transaction stands then.
    """
    if not uploads:
        return
    target = target_of(event).value
    sources = {upload.pk: upload.state for upload in uploads}
    for upload in uploads:
        if upload.state not in sources_of(event):
            raise refused(upload, event)
        upload.state, upload.version = target, upload.version + 1
    write_columns(uploads, ["state", "error_code", *fields], version=F("version") + 1)
    now = clock.now()
    history = [event_row(upload, event, source=sources[upload.pk], at=now) for upload in uploads]
    insert_all(history)
    events.moved(event, uploads)


def write_columns(uploads: Sequence[Upload], fields: Iterable[str], **expressions: Combinable) -> None:
    """One statement for the columns in which all rows agree, one for each thousand rows that differ in others.

    `expressions` are what the database works out of each row.
    """
    names = [*dict.fromkeys(fields)]
    first = uploads[0]
    alike = {name: getattr(first, name) for name in names if all_alike(uploads, name)}
    # These first: the state must not be written before what the constraints ask of it.
    differing = [name for name in names if name not in alike]
    for start in range(0, len(uploads) if differing else 0, MAX_ROWS_PER_INSERT):
        update(uploads[start : start + MAX_ROWS_PER_INSERT], differing)
    if alike or expressions:
        Upload.objects.filter(pk__in=[upload.pk for upload in uploads]).update(**alike, **expressions)


def insert_all(rows: Sequence[models.Model]) -> None:
    """However many. They do not learn keys that the database counts."""
    for start in range(0, len(rows), MAX_ROWS_PER_INSERT):
        insert(rows[start : start + MAX_ROWS_PER_INSERT])


def all_alike(uploads: Sequence[Upload], name: str) -> bool:
    first = getattr(uploads[0], name)
    return all(getattr(upload, name) == first for upload in uploads)


def record_births(uploads: Sequence[Upload], now: datetime) -> None:
    """One row each, also for those born signed: the history begins where the row does."""
    if not uploads:
        return
    alike = {"at": now, "event": "register", "source": "", "code": ""}
    insert_columns(
        UploadEvent,
        {
            "upload_id": [upload.pk for upload in uploads],
            "target": [upload.state for upload in uploads],
            "attempt": [upload.attempt for upload in uploads],
            **{name: [value] * len(uploads) for name, value in alike.items()},
        },
    )
    events.registered(uploads)


def event_row(upload: Upload, event: Event, *, source: str, at: datetime) -> UploadEvent:
    return UploadEvent(
        upload_id=upload.pk,
        at=at,
        event=event.value,
        source=source,
        target=upload.state,
        attempt=upload.attempt,
        code=upload.error_code,
    )


def refused(upload: Upload, event: Event) -> WrongState:
    """`reason`: no such move leads from its state, or somebody else has changed it since it was read."""
    log.warning(
        "upload.move_refused upload_id=%s from=%s to=%s event=%s reason=%s",
        *(upload.pk, upload.state, target_of(event), event.value),
        "changed" if upload.state in sources_of(event) else "state",
    )
    return WrongState(id=str(upload.pk), state=upload.state, event=event.value)


def by_id(uploads: Iterable[Upload]) -> Mapping[uuid.UUID, Upload]:
    return {upload.pk: upload for upload in uploads}
