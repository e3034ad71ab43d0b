"""The sweeper: whatever was dropped anywhere is picked up, and nothing that lives is touched."""

from datetime import timedelta

import pytest

from galleries.models import DELETED_KEPT_FOR, Gallery, Photo, PhotoStatus, Rendition
from galleries.objects import base as objects_base
from galleries.objects.base import rendition_key, store_named
from galleries.renditions import RECIPES
from tests.builders import MIB, file_out, jpeg, make_gallery, make_photo, make_upload, put_original, put_part
from uploads import clock, sweep
from uploads.attempts import leftovers_of, photo_id_of
from uploads.janitor.leftovers import RESTORE_MAY_LAST, thrown_away
from uploads.janitor.liveness import kept_of
from uploads.lanes.base import lanes_of
from uploads.limits import ADOPT_AFTER, SIGNED_URL_LIFE, UPLOAD_LIFE
from uploads.models import Discard, Upload
from uploads.sealing import unseal
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still")]
SECOND = timedelta(seconds=1)
KEPT_FOR = DELETED_KEPT_FOR + RESTORE_MAY_LAST


def row(upload: Upload) -> Upload:
    return Upload.objects.get(pk=upload.pk)


def keys() -> set[str]:
    return {
        each.key for prefix in ("originals/", "renditions/") for each in store_named("local").list(prefix)
    }


def dead_for(age: timedelta) -> dict:
    return {"url_expires_at": clock.now() - age, "active_at": clock.now() - age - SIGNED_URL_LIFE}


# --- adoption


@pytest.mark.parametrize(
    ("age", "state"), [(ADOPT_AFTER - SECOND, State.SIGNED), (ADOPT_AFTER + SECOND, State.UPLOADED)]
)
def test_a_file_that_arrived_without_its_complete_is_adopted_an_hour_after_its_url(gallery, age, state):
    upload = make_upload(gallery, State.SIGNED, size=5, **dead_for(age))
    put_original(upload, b"bytes")

    sweep.sweep()

    assert row(upload).state == state


@pytest.mark.parametrize("content", [None, b"byte", b"bytess"])
def test_what_is_not_there_whole_is_not_adopted_and_looked_at_once(gallery, content):
    upload = make_upload(gallery, State.SIGNED, size=5, **dead_for(2 * ADOPT_AFTER))
    if content:
        put_original(upload, content)

    sweep.sweep()

    assert row(upload).state == State.SIGNED
    assert row(upload).looked_at is not None
    assert row(upload).version == 1


def test_a_full_list_of_parts_is_adopted(api, gallery):
    declared = api.batch(gallery, file_out(size=9 * MIB))[0]
    upload = Upload.objects.get(pk=declared["id"])
    for number, size in ((1, 8 * MIB), (2, MIB)):
        put_part(upload, number, bytes(size))
    Upload.objects.update(**dead_for(2 * ADOPT_AFTER))

    sweep.sweep()

    assert row(upload).state == State.UPLOADED


def test_a_store_that_is_away_is_asked_again(gallery, monkeypatch):
    import errno
    import os

    upload = make_upload(gallery, State.SIGNED, size=5, **dead_for(2 * UPLOAD_LIFE))
    put_original(upload, b"bytes")
    real = os.lstat

    def away(path, *args, **kwargs):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "lstat", away)
    sweep.only("adoptions")
    sweep.only("expiries")
    monkeypatch.setattr(os, "lstat", real)

    assert (row(upload).state, row(upload).looked_at) == (State.SIGNED, None)
    sweep.sweep()
    assert row(upload).state == State.UPLOADED


# --- expiry


@pytest.mark.parametrize("state", [State.REGISTERED, State.SIGNED])
@pytest.mark.parametrize(
    ("age", "has_expired"), [(UPLOAD_LIFE - SECOND, False), (UPLOAD_LIFE + SECOND, True)]
)
def test_six_days_of_silence_end_an_upload(gallery, state, age, has_expired):
    upload = make_upload(gallery, state, active_at=clock.now() - age)

    sweep.sweep()

    assert (row(upload).state == State.EXPIRED) == has_expired
    assert Discard.objects.exists() == has_expired


def test_before_it_ends_the_store_is_asked_once_more(gallery):
    upload = make_upload(
        gallery, State.SIGNED, size=5, looked_at=clock.now(), **dead_for(UPLOAD_LIFE + SECOND)
    )
    put_original(upload, b"bytes")

    sweep.sweep()

    assert row(upload).state == State.UPLOADED


def resumable(api, gallery, *, stored: int) -> Upload:
    """A session of ten bytes of which so many are stored; nobody says a word of it."""
    [answer] = api.batch(gallery, file_out(size=10, lane="resumable"))
    upload = Upload.objects.get(pk=answer["id"])
    store_more(upload, 0, stored)
    return upload


def store_more(upload: Upload, first: int, count: int) -> None:
    session = lanes_of("local").sessions.find(unseal(row(upload).sealed_session), now_s=0)
    with session.writer(first) as writer:
        writer.write([bytes(count)])
        writer.end()


def look_an_hour_later(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk).update(**dead_for(2 * ADOPT_AFTER))
    sweep.only("adoptions")


def look_six_days_later(upload: Upload) -> Upload:
    Upload.objects.filter(pk=upload.pk).update(active_at=clock.now() - UPLOAD_LIFE - SECOND)
    sweep.only("expiries")
    return row(upload)


def test_a_session_that_grows_without_a_word_does_not_expire(api, gallery):
    upload = resumable(api, gallery, stored=3)
    look_an_hour_later(upload)
    store_more(upload, 3, 1)

    after = look_six_days_later(upload)

    assert after.state == State.SIGNED
    assert after.active_at > clock.now() - timedelta(minutes=1)


@pytest.mark.parametrize("stored", [0, 3])
def test_a_session_that_stands_where_it_stood_expires(api, gallery, stored):
    upload = resumable(api, gallery, stored=stored)
    look_an_hour_later(upload)

    assert look_six_days_later(upload).state == State.EXPIRED


def test_a_session_that_grew_once_expires_after_six_more_days(api, gallery):
    upload = resumable(api, gallery, stored=3)
    assert look_six_days_later(upload).state == State.SIGNED

    assert look_six_days_later(upload).state == State.EXPIRED


def test_a_session_begun_anew_that_has_less_than_the_one_before_does_not_expire(api, gallery):
    upload = resumable(api, gallery, stored=3)
    look_an_hour_later(upload)
    lanes_of("local").cancel_resumable(unseal(row(upload).sealed_session))
    api.sign({"id": str(upload.pk)})
    store_more(upload, 0, 2)

    assert look_six_days_later(upload).state == State.SIGNED


def test_a_session_that_is_gone_keeps_nothing_from_expiring(api, gallery):
    upload = resumable(api, gallery, stored=3)
    lanes_of("local").cancel_resumable(unseal(upload.sealed_session))

    assert look_six_days_later(upload).state == State.EXPIRED


@pytest.mark.parametrize("state", [each for each in State if each not in {State.REGISTERED, State.SIGNED}])
def test_no_other_state_expires(gallery, state):
    upload = make_upload(gallery, state, active_at=clock.now() - 10 * UPLOAD_LIFE)

    sweep.sweep()

    assert row(upload).state == state


def test_room_comes_back_when_an_upload_expires(api, gallery):
    make_upload(gallery, State.SIGNED, active_at=clock.now() - 2 * UPLOAD_LIFE)

    sweep.sweep()

    assert api.get(f"/galleries/{gallery.pk}").body["state"] == "empty"


@pytest.mark.parametrize(("age", "is_let_go"), [(UPLOAD_LIFE - SECOND, False), (UPLOAD_LIFE + SECOND, True)])
def test_the_bytes_of_a_failure_that_nobody_took_up_go_after_six_days(gallery, age, is_let_go):
    upload = make_upload(
        gallery, State.FAILED, error_code="gave_up", session="a" * 32, ended_at=clock.now() - age
    )

    sweep.sweep()
    sweep.sweep()

    assert [each.key for each in Discard.objects.all()] == ([upload.key] if is_let_go else [])
    assert (row(upload).session == "") == is_let_go
    assert (row(upload).state, row(upload).version) == (State.FAILED, 1)


def let_go_failure(gallery) -> Upload:
    upload = make_upload(
        gallery, State.FAILED, size=5, error_code="gave_up", ended_at=clock.now() - 2 * UPLOAD_LIFE
    )
    put_original(upload, b"bytes")
    sweep.only("failures")
    return upload


def test_a_failure_whose_bytes_were_let_go_asks_for_them_again(api, gallery):
    upload = let_go_failure(gallery)

    again = api.retry(upload.pk)[0]

    assert (again["state"], again["transfer"]["lane"]) == ("signed", "put")
    assert row(upload).attempt == 2


def test_a_retry_in_the_middle_of_a_sweep_never_ends_in_a_photo_without_its_bytes(api, gallery, developer):
    """The janitor has made up its mind, and its request is on its way to the store: then somebody tries again."""
    content = jpeg(1)
    upload = make_upload(
        gallery, State.FAILED, size=len(content), error_code="gave_up", ended_at=clock.now() - 2 * UPLOAD_LIFE
    )  # fmt: skip
    put_original(upload, content)
    sweep.only("failures")
    Discard.objects.update(not_before=clock.now())

    def try_again(_store: str, verb: str) -> None:
        if verb == "delete":
            objects_base.on_store_call.remove(try_again)
            api.retry(upload.pk)
            if claimed := claim_next():
                verify(claimed, developer)

    objects_base.on_store_call.append(try_again)
    for discard in Discard.objects.all():  # in this thread: the hook asks the database
        thrown_away((discard, [key for key in leftovers_of(discard.key) if key not in kept_of([key])]))

    assert try_again not in objects_base.on_store_call
    assert [photo.key for photo in Photo.objects.all() if photo.key not in keys()] == []


# --- the janitor


@pytest.mark.parametrize(("delay", "is_gone"), [(SECOND, False), (-SECOND, True)])
def test_what_nobody_needs_goes_when_its_time_has_come(gallery, delay, is_gone):
    upload = make_upload(gallery, State.CANCELLED)
    put_original(upload, b"bytes")
    Discard.objects.create(store="local", key=upload.key, not_before=clock.now() + delay)

    sweep.sweep()

    assert (upload.key not in keys()) == is_gone
    assert Discard.objects.exists() != is_gone


@pytest.mark.parametrize("state", [State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING])
def test_the_bytes_of_an_open_upload_are_never_the_janitors(gallery, state):
    upload = make_upload(gallery, state)
    put_original(upload, b"bytes")
    Discard.objects.create(store="local", key=upload.key, not_before=clock.now())

    sweep.only("discards")

    assert upload.key in keys()


def test_the_bytes_of_a_photo_are_never_the_janitors(gallery):
    photo = make_photo(gallery)
    before = keys()
    for key in before:
        Discard.objects.create(store="local", key=key, not_before=clock.now())

    sweep.only("discards")

    assert keys() == before
    assert photo.key in before


def test_a_discarded_session_is_aborted(api, gallery):
    declared = api.batch(gallery, file_out(size=9 * MIB))[0]
    put_part(Upload.objects.get(pk=declared["id"]), 1, bytes(8 * MIB))
    api.cancel(declared["id"])
    Discard.objects.update(not_before=clock.now())

    sweep.only("discards")

    assert list(lanes_of("local").list_sessions("originals/")) == []
    assert not Discard.objects.exists()


def test_tidying_twice_and_what_is_gone_already_is_harmless(gallery):
    for _ in range(2):
        Discard.objects.create(
            store="local", key=make_upload(gallery, State.CANCELLED).key, not_before=clock.now()
        )

    sweep.only("discards")
    sweep.only("discards")

    assert not Discard.objects.exists()


# --- deleted photos and galleries


@pytest.mark.parametrize(("age", "is_gone"), [(KEPT_FOR - SECOND, False), (KEPT_FOR + SECOND, True)])
def test_a_deleted_photo_goes_after_a_day_its_objects_first(api, gallery, age, is_gone):
    photo, kept = make_photo(gallery), make_photo(gallery)
    api.delete(f"/photos/{photo.pk}")
    Photo.objects.filter(pk=photo.pk).update(deleted_at=clock.now() - age)

    sweep.sweep()

    assert Photo.objects.filter(pk=photo.pk).exists() != is_gone
    assert (photo.key not in keys()) == is_gone
    assert kept.key in keys()
    assert Rendition.objects.count() == (2 if is_gone else 4)


@pytest.mark.parametrize(("age", "is_gone"), [(KEPT_FOR - SECOND, False), (KEPT_FOR + SECOND, True)])
def test_a_deleted_gallery_leaves_nothing_in_the_store_after_a_day(api, gallery, owner, age, is_gone):
    make_photo(gallery)
    make_photo(gallery, status=PhotoStatus.STAGED)
    other = make_photo(make_gallery(owner))
    api.delete(f"/galleries/{gallery.pk}")
    Gallery.objects.filter(pk=gallery.pk).update(deleted_at=clock.now() - age)

    sweep.sweep()

    left = {other.key, *other.renditions.values_list("key", flat=True)}
    assert (keys() == left) == is_gone
    assert (Photo.objects.filter(gallery=gallery).count() == 0) == is_gone


# --- doorbells


@pytest.mark.parametrize("state", [State.UPLOADED, State.VERIFYING])
def test_work_that_waits_is_rung_for(gallery, redis_server, state):
    make_upload(gallery, state, try_after=clock.now(), lease_until=clock.now() - SECOND)

    sweep.ring_if_work_waits()

    assert bells(redis_server) == 1


def test_nothing_is_rung_for_when_nothing_waits(gallery, redis_server):
    make_upload(gallery, State.UPLOADED, try_after=clock.now() + timedelta(minutes=1))
    make_upload(gallery, State.VERIFYING)
    make_upload(gallery, State.SIGNED)

    sweep.ring_if_work_waits()

    assert bells(redis_server) == 0


def bells(redis_server) -> int:
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        return client.llen("work")


def test_sweeping_twice_changes_nothing_more(gallery):
    make_upload(gallery, State.SIGNED, active_at=clock.now() - 2 * UPLOAD_LIFE)
    make_photo(gallery)

    sweep.sweep()
    once = list(Upload.objects.order_by("pk").values_list("state", "version"))
    sweep.sweep()

    assert list(Upload.objects.order_by("pk").values_list("state", "version")) == once


def test_sessions_that_no_row_names_are_aborted_and_young_ones_left(gallery, later):
    lanes = lanes_of("local")
    upload = make_upload(gallery, State.SIGNED, size=9 * MIB)
    named = lanes.create_multipart(upload.key, content_type="image/jpeg")
    Upload.objects.filter(pk=upload.pk).update(session=named)
    orphan = lanes.create_multipart(make_upload(gallery, State.CANCELLED).key, content_type="image/jpeg")

    sweep.only("sessions")
    assert {each.session for each in lanes.list_sessions("originals/")} == {named, orphan}

    later(2 * ADOPT_AFTER)
    sweep.only("sessions")
    assert {each.session for each in lanes.list_sessions("originals/")} == {named}


def test_an_open_attempt_keeps_the_renditions_that_no_row_names_yet(gallery) -> None:
    upload = make_upload(gallery, State.VERIFYING)
    photo_id = photo_id_of(upload.pk, upload.attempt)
    stored = [rendition_key(photo_id, recipe.name, recipe.digest) for recipe in RECIPES]
    for key in stored:
        store_named("local").put_bytes(key, b"made a moment ago", content_type="image/jpeg")
    Discard.objects.create(store="local", key=upload.key, session="", not_before=clock.now())

    sweep.only("discards")

    assert all(store_named("local").find(key) for key in stored)


def test_an_ended_attempt_leaves_neither_bound_copy_nor_renditions(gallery) -> None:
    upload = make_upload(gallery, State.CANCELLED)
    left = leftovers_of(upload.key)
    for key in left:
        store_named("local").put_bytes(key, b"left behind", content_type="image/jpeg")
    Discard.objects.create(store="local", key=upload.key, session="", not_before=clock.now())

    sweep.only("discards")

    assert len(left) == 2 + len(RECIPES)
    assert not any(store_named("local").find(key) for key in left)
