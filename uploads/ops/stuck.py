"""What waits longer than it should: the same words in the dashboard, the lists and the invariants."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from uploads import clock
from uploads.models import Discard, Upload, UploadQuerySet

# Longer than a claim ever takes where a worker listens; shorter than a person's patience.
WAITS_TOO_LONG: Final = timedelta(minutes=2)
# The engine signs again or reports every few seconds; a day of silence is a tab that was closed.
SILENT_FOR: Final = timedelta(days=1)
# The sweeper comes by every few seconds.
OVERDUE_AFTER: Final = timedelta(minutes=10)
# Lease, a sweep and a minute to spare: what is still not settled then will not settle by itself.
SETTLED_WITHIN: Final = timedelta(seconds=settings.UPLOAD_LEASE_S, minutes=1)


class Stuck(StrEnum):
    WAITING = "waiting"
    LEASE_LOST = "lease_lost"
    SILENT = "silent"


def waiting_too_long(now: datetime) -> UploadQuerySet:
    return Upload.objects.waiting(now - WAITS_TOO_LONG)


def lease_lost(now: datetime) -> UploadQuerySet:
    return Upload.objects.abandoned(now)


def silent(now: datetime) -> UploadQuerySet:
    return Upload.objects.silent_since(now - SILENT_FOR)


STUCK: Final[dict[Stuck, Callable[[datetime], UploadQuerySet]]] = {
    Stuck.WAITING: waiting_too_long,
    Stuck.LEASE_LOST: lease_lost,
    Stuck.SILENT: silent,
}

STUCK_WORDS: Final[dict[Stuck, str]] = {
    Stuck.WAITING: "waiting for a worker for more than 2 minutes",
    Stuck.LEASE_LOST: "left by a worker that has gone",
    Stuck.SILENT: "nothing heard from the sender for a day",
}


def stuck(why: Stuck) -> UploadQuerySet:
    return STUCK[why](clock.now())


def overdue_discards(now: datetime) -> QuerySet[Discard]:
    return Discard.objects.filter(not_before__lt=now - OVERDUE_AFTER)
