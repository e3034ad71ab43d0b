"""Staff mend beside senders, workers and the sweeper: they wait for each other in one order."""

import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from galleries.models import Gallery, lock_galleries
from tests.builders import make_gallery, make_upload
from tests.faults.at_once import at_once
from uploads.models import Upload
from uploads.ops.repair import requeue_uploads
from uploads.states import State

pytestmark = pytest.mark.django_db(transaction=True)
# Not of pg_stat_activity, which a transaction reads but once.
WAITERS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def wait_until_somebody_waits() -> None:
    """For a lock. SQLite has but one, which whoever calls this holds."""
    if connection.vendor != "postgresql":
        return
    ends_at = time.monotonic() + 20
    with connection.cursor() as cursor:
        while cursor.execute(WAITERS).fetchone()[0] == 0:
            assert time.monotonic() < ends_at, "nobody came to wait"


def test_putting_uploads_before_the_workers_waits_for_who_holds_their_gallery(gallery):
    later = timezone.now() + timedelta(minutes=5)
    first, second = (
        make_upload(gallery, State.UPLOADED, id=uuid.UUID(int=number), try_after=later) for number in (1, 2)
    )
    is_held = threading.Event()

    def move_them_the_other_way_round() -> None:
        with transaction.atomic():
            lock_galleries(Gallery.objects.filter(pk=gallery.pk))
            Upload.objects.select_for_update().get(pk=second.pk)
            is_held.set()
            wait_until_somebody_waits()
            Upload.objects.select_for_update().get(pk=first.pk)

    def requeue() -> dict[str, int]:
        assert is_held.wait(20)
        return requeue_uploads([first.pk, second.pk]).left

    _, left = at_once([move_them_the_other_way_round, requeue])

    assert not left
    assert not Upload.objects.filter(try_after__gt=timezone.now()).exists()


def test_putting_galleries_before_the_workers_all_at_once_waits_for_nobody_for_ever(owner):
    later = timezone.now() + timedelta(minutes=5)
    pks = [
        make_upload(gallery, State.UPLOADED, try_after=later).pk
        for gallery in [make_gallery(owner) for _ in range(4)]
        for _ in range(5)
    ]

    at_once([lambda: requeue_uploads(pks), lambda: requeue_uploads(pks[::-1])] * 3)

    assert not Upload.objects.filter(try_after__gt=timezone.now()).exists()
