"""What staff do to uploads: the sender's own steps, on anybody's rows; each says what it did or why not."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.models import User
from accounts.staff import Mended
from galleries.models import Gallery, lock_galleries
from uploads import announce, clock
from uploads.control import Outcome, Staff, cancel, retry
from uploads.errors import TooManyPublications
from uploads.janitor import leftovers
from uploads.limits import MAX_BATCH_ITEMS
from uploads.models import Discard, Publication, PublicationState, Upload, UploadQuerySet
from uploads.publications import failed_in
from uploads.publish import retry as retry_publication
from uploads.states import Event, State
from uploads.wire import error_of

WORDS: Final = {
    Event.CHECK_AGAIN: "will be checked again",
    Event.REOPEN_BYTES: "will go on when the sender sends the bytes again",
    Event.CANCEL: "cancelled",
}
Step = Callable[[Staff, Sequence[uuid.UUID]], list[Outcome]]


def retry_uploads(user: User, upload_ids: Sequence[uuid.UUID]) -> Mended:
    """Failed uploads of living galleries go on; the others are counted by why they do not."""
    return by_step(user, upload_ids, retry, why_not_retried)


def cancel_uploads(user: User, upload_ids: Sequence[uuid.UUID]) -> Mended:
    return by_step(user, upload_ids, cancel, why_not_cancelled)


def by_step(
    user: User, upload_ids: Sequence[uuid.UUID], step: Step, why_not: Callable[[Upload], str]
) -> Mended:
    mended = Mended()
    for some in in_batches(upload_ids):
        for outcome in step(Staff(user), some):
            note(mended, outcome, why_not)
    return mended


def note(mended: Mended, outcome: Outcome, why_not: Callable[[Upload], str]) -> None:
    if outcome.upload is None:
        mended.left["gone"] += 1
    elif outcome.moved is not None:
        mended.note(WORDS[outcome.moved], outcome.upload)
    elif outcome.refusal is not None:
        mended.left[outcome.refusal.message.rstrip(".")] += 1
    else:
        mended.left[why_not(outcome.upload)] += 1


def why_not_retried(upload: Upload) -> str:
    if upload.state != State.FAILED:
        return f"{upload.state}, not failed"
    error = error_of(upload) or {}
    return f"trying again does not help ({error.get('code')})"


def why_not_cancelled(upload: Upload) -> str:
    return f"{upload.state} already"


def requeue_uploads(upload_ids: Sequence[uuid.UUID]) -> Mended:
    """Rings for uploads that wait: at once for those put off, again for those a lost worker holds.

    No state is touched: a worker claims the rows as it always does. Safe to repeat.
    """
    mended = Mended()
    for some in in_batches(upload_ids):
        with transaction.atomic():
            requeue(mended, Upload.objects.filter(pk__in=some), clock.now())
    return mended


def requeue(mended: Mended, chosen: UploadQuerySet, now: datetime) -> None:
    """Inside a transaction. Their galleries first, as whoever moves uploads does."""
    lock_galleries(Gallery.objects.filter(pk__in=chosen.values("gallery_id")))
    is_any_waiting = False
    for upload in chosen.order_by("pk").select_for_update():
        if why_not := why_not_requeued(upload, now):
            mended.left[why_not] += 1
        else:
            mended.note("put before the workers again", upload)
            is_any_waiting = True
    chosen.filter(state=State.UPLOADED, try_after__gt=now).update(try_after=now)
    if is_any_waiting:
        announce.ring_after_commit()


def why_not_requeued(upload: Upload, now: datetime) -> str:
    """Empty for what waits."""
    if upload.state == State.UPLOADED:
        return ""
    if upload.state != State.VERIFYING:
        return f"{upload.state}, not waiting"
    is_in_hand = upload.lease_until is not None and upload.lease_until >= now
    return "a worker has it in hand" if is_in_hand else ""


def retry_publications(user: User, publication_ids: Sequence[uuid.UUID]) -> Mended:
    """What failed of them is taken up again, and shown as soon as it is verified."""
    mended = Mended()
    for publication in Publication.objects.filter(pk__in=publication_ids).select_related("gallery"):
        if publication.gallery.deleted_at is not None:
            mended.left["the gallery was deleted"] += 1
        elif publication.state == PublicationState.IN_PROGRESS:
            mended.left["in progress"] += 1
        elif not failed_in(publication).exists():
            mended.left["nothing of it failed"] += 1
        else:
            take_up(mended, user, publication)
    return mended


def take_up(mended: Mended, user: User, publication: Publication) -> None:
    try:
        retry_publication(Staff(user), publication)
    except TooManyPublications as refusal:
        mended.left[refusal.message.rstrip(".")] += 1
    else:
        mended.note("taken up again", publication)


def throw_away(discard_ids: Sequence[int]) -> Mended:
    """The janitor's own step, now, for what is due. What is not due can still be written by a signed URL."""
    mended, now = Mended(), clock.now()
    chosen = list(Discard.objects.filter(pk__in=discard_ids))
    due = [each for each in chosen if each.not_before <= now]
    if len(due) < len(chosen):
        mended.left["not due yet"] += len(chosen) - len(due)
    # By store: who has waited for one that is away in vain must not leave the others unasked.
    by_store = [[each for each in due if each.store == store] for store in {each.store for each in due}]
    gone = {each.pk for of_store in by_store for each in leftovers.throw_away(of_store)}
    for each in due:
        if each.pk in gone:
            mended.note("thrown away", each)
        else:
            mended.left["the storage does not answer"] += 1
    return mended


def in_batches(upload_ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    """The steps take at most a hundred: their locks are short."""
    for first in range(0, len(upload_ids), MAX_BATCH_ITEMS):
        yield upload_ids[first : first + MAX_BATCH_ITEMS]
