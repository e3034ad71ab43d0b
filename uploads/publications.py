"""How far publications are: counted from the uploads they follow, closed when none of those is still to come."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from galleries.models import PhotoStatus, raise_version
from uploads import announce, clock, events
from uploads.errors import (
    BYTES_ARE_BAD,
    Cancelled,
    Duplicate,
    Expired,
    TooManyPublications,
    UploadError,
)
from uploads.limits import MAX_PUBLICATIONS_IN_PROGRESS
from uploads.models import Publication, PublicationQuerySet, PublicationState, Upload, UploadQuerySet
from uploads.states import OPEN_STATES, State
from uploads.wire import error_of

# The browser sends a damaged file again by itself, twice; a person may need longer, but nobody waits for ever.
MAX_ATTEMPTS = 3
PATIENCE = timedelta(hours=1)
MAX_FAILURES_SHOWN = 1_000


@dataclass(frozen=True)
class Counts:
    chosen: int
    published: int
    failed: int

    @property
    def pending(self) -> int:
        return self.chosen - self.published - self.failed


def still_to_come(now: datetime) -> Q:
    sent_again = Q(
        state=State.FAILED,
        error_code__in=BYTES_ARE_BAD,
        attempt__lt=MAX_ATTEMPTS,
        ended_at__gt=now - PATIENCE,
    )
    return Q(state__in=OPEN_STATES) | Q(state=State.VERIFIED, photo__status=PhotoStatus.STAGED) | sent_again


# A copy of a photo that is there counts as published: what was chosen can be seen.
SUCCEEDED = Q(state=State.VERIFIED) | Q(state=State.FAILED, error_code=Duplicate.code)


def failed_in(publication: Publication) -> UploadQuerySet:
    failed: UploadQuerySet = publication.uploads.exclude(still_to_come(clock.now())).exclude(SUCCEEDED)
    return failed


def counts_of(publication: Publication) -> Counts:
    """Three queries."""
    uploads = publication.uploads.all()
    published = uploads.filter(SUCCEEDED).exclude(state=State.VERIFIED, photo__status=PhotoStatus.STAGED)
    return Counts(chosen=uploads.count(), published=published.count(), failed=failed_in(publication).count())


def due_to_close(running: PublicationQuerySet) -> PublicationQuerySet:
    """Those with nothing left to wait for."""
    return running.exclude(
        Exists(Upload.objects.filter(still_to_come(clock.now()), publications=OuterRef("pk")))
    )


def follow_up(gallery_id: uuid.UUID, moved: Sequence[Upload]) -> list[Publication]:
    """Closes what waited for these alone. Inside the transaction that moved them.

    One query where nothing is closed, however many are in progress. Returns the closed, for the caller to announce
    with its version.
    """
    followed = Upload.objects.filter(pk__in=[upload.pk for upload in moved], publications=OuterRef("pk"))
    return close_done(Publication.objects.in_progress().filter(Exists(followed), gallery_id=gallery_id))


def close_done(running: PublicationQuerySet) -> list[Publication]:
    """Inside a transaction that holds their gallery. One query where nothing is closed."""
    closed = list(due_to_close(running).select_for_update())
    for publication in closed:
        close(publication)
    return closed


def close_if_done(publication: Publication) -> None:
    if not publication.uploads.filter(still_to_come(clock.now())).exists():
        close(publication)


def close(publication: Publication) -> None:
    now, counts = clock.now(), counts_of(publication)
    publication.state, publication.ended_at = outcome_of(counts), now
    publication.version += 1
    publication.mail_due_at = now if settings.PUBLICATION_MAIL else None
    publication.mail_tries, publication.mailed_at = 0, None
    publication.save(update_fields=["state", "ended_at", "version", "mail_due_at", "mail_tries", "mailed_at"])
    announce.ring_after_commit()
    events.publication_ended(
        publication.pk,
        publication.gallery_id,
        state=publication.state,
        duration_s=(now - publication.created_at).total_seconds(),
    )


def refuse_one_too_many(publication: Publication) -> None:
    """Exact while the gallery is held. Raises: TooManyPublications when as many others wait as may."""
    others = Publication.objects.in_progress().filter(gallery_id=publication.gallery_id)
    used = others.exclude(pk=publication.pk).count()
    if used >= MAX_PUBLICATIONS_IN_PROGRESS:
        raise TooManyPublications(limit=MAX_PUBLICATIONS_IN_PROGRESS, used=used)


def outcome_of(counts: Counts) -> PublicationState:
    if not counts.failed:
        return PublicationState.ALL_SUCCEEDED
    return PublicationState.SOME_FAILED if counts.published else PublicationState.ALL_FAILED


def publication_out(publication: Publication) -> dict[str, object]:
    counts = counts_of(publication)
    return {
        "id": str(publication.pk),
        "state": publication.state,
        "version": publication.version,
        "counts": {
            "chosen": counts.chosen,
            "published": counts.published,
            "failed": counts.failed,
            "pending": counts.pending,
        },
        "failures": [
            {"upload_id": str(upload.pk), "error": error_of(upload) or why_not(upload).as_wire()}
            for upload in failed_in(publication).order_by("pk")[:MAX_FAILURES_SHOWN]
        ],
    }


def why_not(upload: Upload) -> UploadError:
    """For what ended without an error of its own."""
    return Expired() if upload.state == State.EXPIRED else Cancelled()


def uploads_moved(gallery_id: uuid.UUID, uploads: Sequence[Upload], *, photos: int = 0, size: int = 0) -> int:
    """The end of every transaction that moves uploads: publications follow, the version rises, then it is said.

    Returns:
        The gallery's new version.
    """
    closed = follow_up(gallery_id, uploads)
    version = raise_version(gallery_id, photos=photos, size=size)
    announce.uploads_changed(gallery_id, version=version, uploads=uploads)
    announce_all(closed, version=version)
    return version


def announce_all(publications: Iterable[Publication], *, version: int) -> None:
    for publication in publications:
        announce.publication_changed(
            publication.gallery_id, version=version, body=publication_out(publication)
        )


def is_being_published(upload: Upload) -> bool:
    return Publication.objects.in_progress().filter(uploads=upload).exists()
