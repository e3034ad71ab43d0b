"""Which keys are somebody's: never the janitor's. What is dead here never lives again, so to ask once is enough.

Each way back from an end begins a new attempt, with a key of its own. The one exception is a failure that can be
tried again with the bytes that are there, or whose bytes are in quarantine; it counts as alive while they are kept.
"""

from collections.abc import Collection, Iterable
from enum import Enum, auto
from functools import cache
from uuid import UUID

from django.db.models import Q

from galleries.models import Photo, Rendition
from uploads.attempts import Attempt, attempt_of, leftovers_of_attempt, photo_of_rendition
from uploads.errors import QUARANTINED
from uploads.models import Upload
from uploads.states import OPEN_STATES, State
from uploads.wire import known_errors


class Life(Enum):
    ALIVE = auto()
    DEAD = auto()
    UNKNOWN = (
        auto()
    )  # no row has ever heard of it: another site's, or younger than a database that was restored


@cache
def codes_whose_bytes_stay() -> tuple[str, ...]:
    """Of failures: for a retry, or in quarantine."""
    return tuple(code for code, error in known_errors().items() if error.retryable or code in QUARANTINED)


def may_live() -> Q:
    """Uploads whose present attempt may yet become a photo."""
    is_kept = Q(state=State.FAILED, error_code__in=codes_whose_bytes_stay(), url_expires_at__isnull=False)
    return Q(state__in=OPEN_STATES) | is_kept


def lives_of(attempts: Collection[Attempt]) -> dict[Attempt, Life]:
    """Two queries, by index."""
    ids = {attempt.upload_id for attempt in attempts}
    current = dict(Upload.objects.filter(pk__in=ids).values_list("pk", "attempt"))
    living = set(Upload.objects.filter(may_live(), pk__in=ids).values_list("pk", "attempt"))
    return {attempt: life_of(attempt, current, living) for attempt in attempts}


def life_of(attempt: Attempt, current: dict[UUID, int], living: set[tuple[UUID, int]]) -> Life:
    latest = current.get(attempt.upload_id, 0)
    if attempt.number > latest:
        return Life.UNKNOWN
    return Life.ALIVE if (attempt.upload_id, attempt.number) in living else Life.DEAD


def kept_of(keys: Iterable[str]) -> set[str]:
    """Keys that a photo, a rendition or an attempt that may live has, or may yet come to have.

    An attempt keeps all that it may leave: its renditions are stored before a row names them.
    """
    asked = {*keys}
    attempts = {attempt for key in asked if (attempt := attempt_of(key))}
    living = [attempt for attempt, life in lives_of(attempts).items() if life == Life.ALIVE]
    return asked & {
        *photo_keys({attempt.upload_id for attempt in attempts}),
        *rendition_keys({photo_id for key in asked if (photo_id := photo_of_rendition(key))}),
        *(key for attempt in living for key in leftovers_of_attempt(attempt)),
    }


def photo_keys(upload_ids: Collection[UUID]) -> Iterable[str]:
    """Also of photos that were deleted, as long as their rows are there."""
    return Photo.objects.filter(upload_id__in=upload_ids).values_list("key", flat=True)


def rendition_keys(photo_ids: Collection[UUID]) -> Iterable[str]:
    return Rendition.objects.filter(photo_id__in=photo_ids).values_list("key", flat=True)
