"""Step 6: what is verified becomes visible, once. An intent and a flip; the worker does the rest."""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, Q

from galleries.access import Action, Actor
from galleries.errors import GalleryDeleted, IdempotencyConflict, NotFound
from galleries.models import Gallery, Photo, PhotoStatus, lock_galleries, raise_version
from uploads import announce, clock, control, events
from uploads.limits import MAX_BATCH_ITEMS
from uploads.models import Publication, PublicationState, Upload
from uploads.publications import announce_all, close_if_done, failed_in, refuse_one_too_many
from uploads.states import OPEN_STATES


def publish(
    actor: Actor, gallery_id: uuid.UUID, *, idempotency_key: str, upload_ids: Sequence[uuid.UUID] | None
) -> Publication:
    """Everything staged and everything not yet ended, or the uploads named. Reads no bytes.

    Safe to repeat: a known key answers the same publication.

    Raises: IdempotencyConflict for a known key with other ids. NotFound when an id is none of this gallery's.
    TooManyPublications when it would have to wait and too many do: then nothing is shown.
    """
    asked = None if upload_ids is None else sorted({str(upload_id) for upload_id in upload_ids})
    with transaction.atomic():
        gallery = Gallery.objects.select_for_update().get(pk=gallery_id)
        if gallery.deleted_at is not None:
            raise GalleryDeleted(id=str(gallery_id))
        known = Publication.objects.filter(
            gallery=gallery, actor=actor.name, idempotency_key=idempotency_key
        ).first()
        if known is not None:
            if known.asked != asked:
                raise IdempotencyConflict(idempotency_key=idempotency_key)
            return known
        chosen = chosen_in(gallery, asked)
        publication = Publication.objects.create(
            gallery=gallery,
            actor=actor.name,
            idempotency_key=idempotency_key,
            asked=asked,
            created_at=clock.now(),
        )
        publication.uploads.set(chosen)
        events.publication_told(events.PUBLICATION_STARTED, publication.pk, gallery_id)
        show_staged(publication)
        if publication.state == PublicationState.IN_PROGRESS:
            refuse_one_too_many(publication)
    return publication


def chosen_in(gallery: Gallery, asked: Sequence[str] | None) -> list[Upload]:
    uploads = Upload.objects.filter(gallery=gallery)
    if asked is None:
        waiting = Q(state__in=OPEN_STATES) | Q(photo__status=PhotoStatus.STAGED)
        return list(uploads.filter(waiting))
    found = list(uploads.filter(pk__in=asked))
    if len(found) != len(asked):
        raise NotFound
    return found


def show_staged(publication: Publication) -> None:
    """The flip: one UPDATE, then the counters and the version."""
    staged = Photo.objects.filter(
        status=PhotoStatus.STAGED, upload_id__in=publication.uploads.values("pk"), gallery=publication.gallery
    )
    shown = dict(staged.values_list("pk", "size"))
    Photo.objects.filter(pk__in=list(shown)).update(status=PhotoStatus.READY, version=F("version") + 1)
    close_if_done(publication)
    version = raise_version(publication.gallery_id, photos=len(shown), size=sum(shown.values()))
    announce.photos_changed(publication.gallery_id, version=version, photo_ids=list(shown))
    announce_all([publication], version=version)


def get_publication(actor: Actor, publication_id: uuid.UUID) -> Publication:
    """Raises: NotFound, GalleryDeleted."""
    publication = Publication.objects.select_related("gallery").filter(pk=publication_id).first()
    if publication is None or not actor.may(Action.PUBLISH, publication.gallery):
        raise NotFound
    if publication.gallery.deleted_at is not None:
        raise GalleryDeleted(id=str(publication.gallery_id))
    return publication


def retry(actor: Actor | control.Staff, publication: Publication) -> Publication:
    """Takes up the failed only; no byte is sent again where the bytes are good.

    Raises: TooManyPublications before anything is taken up. Those retried at the same moment may be some too many: an
    upload that has been taken up is followed.
    """
    failed = list(failed_in(publication).values_list("pk", flat=True))
    if failed:
        refuse_one_too_many(publication)
    for start in range(0, len(failed), MAX_BATCH_ITEMS):
        control.retry(actor, failed[start : start + MAX_BATCH_ITEMS])
    if failed:
        reopen(publication)
    return publication


def reopen(publication: Publication) -> None:
    with transaction.atomic():
        lock_galleries(Gallery.objects.filter(pk=publication.gallery_id))
        locked = Publication.objects.select_for_update().get(pk=publication.pk)
        locked.state, locked.ended_at, locked.version = PublicationState.IN_PROGRESS, None, locked.version + 1
        locked.mail_due_at = None  # of this end nobody need hear any more
        locked.save(update_fields=["state", "ended_at", "version", "mail_due_at"])
        events.publication_told(events.PUBLICATION_REOPENED, locked.pk, locked.gallery_id)
        show_staged(locked)
    publication.refresh_from_db()
