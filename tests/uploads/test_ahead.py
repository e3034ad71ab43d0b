"""While a photo is decoded the next one's bytes are on their way: the same ends, and never at another's cost."""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections

from galleries.decode.developer import Developer
from galleries.errors import StorageUnavailable
from galleries.models import Photo
from galleries.objects.local import LocalStore
from tests.builders import jpeg, uploaded
from uploads import ahead, clock, tasks
from uploads.ahead import Ahead
from uploads.limits import MAX_TRIES
from uploads.models import Upload
from uploads.states import State
from uploads.verify import claim_next, claim_untried, verify

pytestmark = pytest.mark.django_db(transaction=True)
SOON_S = 20.0
MANY = 3  # so that a test need not develop a dozen


class Killed(BaseException):
    """The worker is no more; what was not committed never was."""


@pytest.fixture(autouse=True)
def _three_are_many(monkeypatch):
    monkeypatch.setattr(ahead, "MANY", MANY)


@pytest.fixture
def waiting(gallery) -> list[Upload]:
    return [uploaded(gallery, jpeg(number), name=f"{number}.jpg") for number in range(MANY + 1)]


@pytest.fixture
def worker(developer, monkeypatch) -> Developer:
    """The decoder of whatever task runs here."""
    monkeypatch.setattr(tasks, "developer_of", lambda _pid: developer)
    monkeypatch.setattr("uploads.announce.ring", lambda: None)
    return developer


@pytest.fixture
def decoding(worker, monkeypatch) -> list[Any]:
    """Calls what is put here, once each, while a photo is in the decoder."""
    actions: list[Any] = []
    develop = worker.develop

    def developed(*given: Any, **more: Any) -> Any:
        if actions:
            actions.pop(0)()
        return develop(*given, **more)

    monkeypatch.setattr(worker, "develop", developed)
    return actions


def in_thread(act: Any) -> None:
    """As somebody else, on a connection of their own."""

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    person = threading.Thread(target=run)
    person.start()
    person.join(SOON_S)


def at_work() -> list[Upload]:
    """The one in hand, and behind it the one ahead."""
    return list(Upload.objects.filter(state=State.VERIFYING).order_by("lease_until"))


def test_every_photo_is_published_and_read_once(waiting, worker, monkeypatch):
    reads: list[str] = []
    read = LocalStore.read
    monkeypatch.setattr(
        LocalStore, "read", lambda *given, **more: (reads.append(given[1]), read(*given, **more))[1]
    )

    tasks.work()

    assert Photo.objects.ready().count() == len(waiting)
    assert sorted(reads) == sorted(upload.key for upload in waiting)
    assert set(Upload.objects.values_list("state", "tries")) == {(State.VERIFIED, 1)}


def test_the_next_is_read_while_one_is_decoded(waiting, worker, decoding, monkeypatch):
    has_come = threading.Event()
    fetch = ahead.fetch

    def fetched(*given: Any) -> Any:
        found = fetch(*given)
        has_come.set()
        return found

    monkeypatch.setattr(ahead, "fetch", fetched)
    came: list[bool] = []
    decoding.append(lambda: came.append(has_come.wait(SOON_S)))

    tasks.work()

    assert came == [True]


@pytest.mark.parametrize(("count", "is_ahead"), [(MANY, False), (MANY + 1, True)])
def test_what_few_wait_for_is_left_to_workers_with_nothing_to_do(gallery, worker, decoding, count, is_ahead):
    """The one in the decoder waits no more: `MANY` others must."""
    for number in range(count):
        uploaded(gallery, jpeg(number))
    counts: list[int] = []
    decoding.append(lambda: counts.append(len(at_work())))

    tasks.work()

    assert counts == [2 if is_ahead else 1]


def test_what_was_tried_is_never_read_ahead(waiting):
    Upload.objects.update(tries=1)

    assert claim_untried() is None


def test_beside_what_was_tried_nothing_is_read_ahead(waiting, worker, decoding):
    first = claim_next()
    Upload.objects.filter(pk=first.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    counts: list[int] = []
    decoding.append(lambda: counts.append(len(at_work())))

    tasks.work()

    assert counts == [1]
    assert Photo.objects.ready().count() == len(waiting)


def test_a_file_that_kills_its_worker_takes_no_other_down_with_it(waiting, worker, decoding, monkeypatch):
    """Each time the worker dies in it, with the next in hand where one may be."""
    killer = waiting[0].pk
    verify_one = tasks.verify

    def verify_or_die(upload: Upload, *given: Any, **more: Any) -> None:
        if upload.pk == killer and upload.tries <= MAX_TRIES:
            decoding[:] = [die]
        verify_one(upload, *given, **more)

    def die() -> None:
        raise Killed

    monkeypatch.setattr(tasks, "verify", verify_or_die)
    for _ in range(MAX_TRIES + 2):
        with suppress(Killed):
            tasks.work()
        Upload.objects.filter(state=State.VERIFYING).update(lease_until=clock.now() - timedelta(seconds=1))

    assert Upload.objects.get(pk=killer).error_code == "gave_up"
    others = Upload.objects.exclude(pk=killer)
    assert set(others.values_list("state", flat=True)) == {State.VERIFIED}
    assert max(others.values_list("tries", flat=True)) <= 2


def test_a_store_that_fails_for_the_next_is_no_fault_of_this_one(waiting, worker, decoding, monkeypatch):
    failing: list[str] = []
    read = LocalStore.read

    def read_or_fail(store: LocalStore, key: str, **more: Any) -> Any:
        if key in failing:
            raise StorageUnavailable
        return read(store, key, **more)

    monkeypatch.setattr(LocalStore, "read", read_or_fail)
    monkeypatch.setattr(ahead, "claim_untried", lambda: failing_one(claim_untried(), failing))

    tasks.work()

    put_back = Upload.objects.get(key=failing[0])
    assert (put_back.state, put_back.tries) == (State.UPLOADED, 0)
    assert Photo.objects.ready().count() == len(waiting) - 1


def failing_one(upload: Upload | None, failing: list[str]) -> Upload | None:
    if upload is not None and not failing:
        failing.append(upload.key)
    return upload


def test_a_database_that_is_away_for_the_next_is_no_fault_of_this_one(waiting, worker, monkeypatch):
    def away() -> None:
        raise OperationalError

    monkeypatch.setattr(ahead, "claim_untried", away)

    tasks.work()

    assert Photo.objects.ready().count() == len(waiting)


def test_one_that_is_cancelled_while_it_is_read_ahead_is_not_published(api, waiting, worker, decoding):
    cancelled: list[Upload] = []

    def cancel() -> None:
        cancelled[:] = at_work()[1:]
        in_thread(lambda: api.cancel(cancelled[0].pk))

    decoding.append(cancel)

    tasks.work()

    assert Upload.objects.get(pk=cancelled[0].pk).state == State.CANCELLED
    assert Photo.objects.ready().count() == len(waiting) - 1


def test_a_task_that_is_over_begins_nothing_more_and_ends_what_it_has(waiting, worker, monkeypatch):
    moments = iter([0.0, 0.0])
    monkeypatch.setattr(tasks, "monotonic", lambda: next(moments, tasks.TASK_LIFE_S + 1.0))

    tasks.work()

    assert at_work() == []
    assert Photo.objects.ready().count() == 2


def test_one_bell_wakes_every_process_and_goes_silent_with_the_work(waiting, worker, decoding, monkeypatch):
    happened: list[str] = []
    monkeypatch.setattr("uploads.announce.ring", lambda: happened.append("bell"))
    decoding.extend(lambda: happened.append("photo") for _ in waiting)

    tasks.work()
    tasks.work()

    assert happened == ["bell", *["photo"] * len(waiting)]


def test_a_task_that_breaks_off_leaves_the_next_to_whoever_comes(waiting, worker, decoding, developer):
    def break_off() -> None:
        raise Killed

    decoding.append(break_off)
    with pytest.raises(Killed):
        tasks.work()

    assert len(at_work()) == 2
    for thread in threading.enumerate():
        if thread.name == "lease":
            thread.join(SOON_S)
    assert [each for each in threading.enumerate() if each.name.startswith(("ahead", "lease"))] == []
    Upload.objects.filter(state=State.VERIFYING).update(lease_until=clock.now() - timedelta(seconds=1))
    tasks.work()
    assert Photo.objects.ready().count() == len(waiting)


def test_its_lease_is_held_until_it_is_looked_at(waiting, monkeypatch):
    renewed = threading.Event()
    monkeypatch.setattr("uploads.leases.LEASE_RENEWED_EVERY_S", 0.01)
    monkeypatch.setattr(ahead, "prolong", lambda *_: renewed.set())
    with Ahead() as ordering:
        ordering.order()

        assert renewed.wait(SOON_S)
        assert not ordering.is_empty


def test_nothing_is_ordered_twice(waiting):
    with Ahead() as ordering:
        ordering.order()
        ordering.order()

        assert len(at_work()) == 1


def test_late_work_is_let_go_of(waiting, developer):
    """Taken over while it was ahead: its first worker changes nothing any more."""
    with Ahead() as ordering:
        ordering.order()
        ordered = ordering.take()
        Upload.objects.filter(pk=ordered.upload.pk).update(lease_until=clock.now() - timedelta(seconds=1))
        taken = claim_next()
        assert taken.pk == ordered.upload.pk
        verify(taken, developer)
        verify(ordered.upload, developer, coming=ordered.coming)
        ordered.close()

    assert Photo.objects.filter(upload_id=taken.pk).count() == 1
