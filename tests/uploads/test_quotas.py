"""What one gallery and one person may hold: reserved when a file is registered, given back by every end but a photo."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import env
from galleries.models import Photo, PhotoStatus
from tests.builders import file_out, make_gallery, make_photo, make_upload
from tests.cast import bearer_api
from tests.faults.at_once import at_once
from uploads import limits, sweep
from uploads.errors import BYTES_ARE_BAD
from uploads.models import Upload
from uploads.states import State

pytestmark = pytest.mark.django_db

OPEN = [State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING]


def codes(rows):
    return [row["error"] and row["error"]["code"] for row in rows]


# --- one person's galleries together


@pytest.mark.parametrize(("spare", "code"), [(-1, "quota_exceeded"), (0, None), (1, None)])
def test_bytes_of_all_galleries_count_to_the_last(api, gallery, owner, settings, *, spare, code):
    photo = make_photo(make_gallery(owner))
    make_upload(make_gallery(owner), State.SIGNED, size=2_000)
    settings.MAX_USER_BYTES = photo.size + 2_000 + 3_000 + spare

    assert codes(api.batch(gallery, file_out(size=3_000))) == [code]


@pytest.mark.parametrize(("spare", "code"), [(-1, "quota_exceeded"), (0, None), (1, None)])
def test_files_of_all_galleries_count_to_the_last(api, gallery, owner, settings, *, spare, code):
    make_photo(make_gallery(owner))
    make_upload(make_gallery(owner), State.SIGNED)
    settings.MAX_USER_PHOTOS = 3 + spare

    assert codes(api.batch(gallery, file_out())) == [code]


@pytest.mark.parametrize(("spare", "code"), [(-1, "too_many_open_uploads"), (0, None), (1, None)])
@pytest.mark.parametrize("state", OPEN)
def test_files_on_their_way_count_to_the_last(api, gallery, owner, settings, *, spare, code, state):
    make_photo(gallery)
    make_upload(make_gallery(owner), state)
    settings.MAX_USER_OPEN_UPLOADS = 2 + spare

    assert codes(api.batch(gallery, file_out())) == [code]


@pytest.mark.parametrize(("spare", "code"), [(-1, "too_many_open_uploads"), (0, None), (1, None)])
def test_one_gallery_has_so_many_on_their_way(api, gallery, owner, settings, *, spare, code):
    make_upload(gallery, State.SIGNED)
    make_upload(make_gallery(owner), State.SIGNED)
    settings.MAX_GALLERY_OPEN_UPLOADS = 2 + spare

    assert codes(api.batch(gallery, file_out())) == [code]


def test_a_refusal_says_which_limit_and_how_much_is_used(api, gallery, owner, settings):
    make_upload(make_gallery(owner), State.SIGNED, size=700)
    settings.MAX_USER_BYTES = 1_000

    error = api.batch(gallery, file_out(size=301))[0]["error"]

    assert (error["code"], error["retryable"]) == ("quota_exceeded", False)
    assert error["details"] == {"quota": "user_bytes", "limit": 1_000, "used": 700}


def test_who_has_too_much_on_its_way_may_come_again(api, gallery, settings):
    make_upload(gallery, State.SIGNED)
    settings.MAX_USER_OPEN_UPLOADS = 1

    error = api.batch(gallery, file_out())[0]["error"]

    assert error["retryable"]
    assert error["details"] == {"quota": "user_open_uploads", "limit": 1, "used": 1}


def test_a_full_gallery_is_named_before_a_full_account(api, gallery, settings):
    make_photo(gallery)
    settings.MAX_GALLERY_PHOTOS = settings.MAX_USER_PHOTOS = 1

    error = api.batch(gallery, file_out(size=20))[0]["error"]

    assert error["code"] == "gallery_full"
    assert (error["details"]["limit_photos"], error["details"]["used_photos"]) == (1, 1)


def test_the_files_of_one_call_share_what_is_left(api, gallery, settings):
    settings.MAX_USER_BYTES = 1_000

    rows = api.batch(gallery, file_out(size=600), file_out(size=600), file_out(size=400), sign=False)

    assert codes(rows) == [None, "quota_exceeded", None]


def test_what_another_person_holds_is_no_matter(api, gallery, stranger, settings):
    make_photo(make_gallery(stranger))
    make_upload(make_gallery(stranger), State.SIGNED)
    settings.MAX_USER_PHOTOS = settings.MAX_USER_OPEN_UPLOADS = 1

    assert codes(api.batch(gallery, file_out())) == [None]


def test_known_files_are_answered_also_when_nothing_is_left(api, gallery, settings):
    row = api.batch(gallery, file := file_out())[0]
    settings.MAX_USER_PHOTOS = settings.MAX_USER_OPEN_UPLOADS = settings.MAX_USER_BYTES = 1

    again = api.batch(gallery, file)[0]

    assert (again["id"], again["error"]) == (row["id"], None)


@pytest.mark.parametrize("status", PhotoStatus.values)
def test_a_photo_counts_for_its_owner_whatever_has_become_of_it_and_for_its_gallery_while_it_lives(
    api, gallery, settings, status
):
    is_deleted = status == PhotoStatus.DELETED
    make_photo(gallery, status=status, deleted_at=timezone.now() if is_deleted else None)
    is_live = status in {PhotoStatus.STAGED, PhotoStatus.READY}

    settings.MAX_GALLERY_PHOTOS = 1
    assert codes(api.batch(gallery, file_out(), sign=False)) == ["gallery_full" if is_live else None]
    Upload.objects.open().delete()
    settings.MAX_GALLERY_PHOTOS, settings.MAX_USER_PHOTOS = 5, 1
    assert codes(api.batch(gallery, file_out(), sign=False)) == ["quota_exceeded"]


# --- given back


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED, State.FAILED])
def test_every_end_but_a_photo_gives_it_back(api, gallery, settings, state):
    make_upload(gallery, state)
    settings.MAX_USER_PHOTOS = settings.MAX_USER_OPEN_UPLOADS = 1

    assert codes(api.batch(gallery, file_out())) == [None]


def test_a_copy_gives_it_back(api, gallery, settings):
    photo = make_photo(gallery)
    settings.MAX_USER_PHOTOS = 2
    row = api.batch(gallery, file_out(size=photo.size))[0]
    assert codes(api.batch(gallery, file_out())) == ["quota_exceeded"]

    assert api.complete({"id": row["id"], "crc32": photo.crc32})[0]["error"]["code"] == "duplicate"

    assert codes(api.batch(gallery, file_out())) == [None]


def test_a_photo_counts_until_it_is_deleted_and_its_bytes_are_gone(api, gallery, settings):
    photo = make_photo(gallery)
    settings.MAX_USER_PHOTOS = 1
    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    assert codes(api.batch(gallery, file_out())) == ["quota_exceeded"]

    Photo.objects.update(deleted_at="2026-01-01T00:00:00Z")
    sweep.sweep()

    assert codes(api.batch(gallery, file_out())) == [None]


def test_photos_of_a_deleted_gallery_count_until_they_are_gone(api, owner, gallery, settings):
    deleted = make_gallery(owner)
    make_photo(deleted)
    make_upload(deleted, State.SIGNED)
    settings.MAX_USER_PHOTOS = 2
    api.delete(f"/galleries/{deleted.pk}")

    rows = api.batch(gallery, file_out(), file_out())

    assert codes(rows) == [None, "quota_exceeded"]


# --- whatever takes up an end again asks for room again


@pytest.mark.parametrize("code", ["gave_up", "parts_missing", *sorted(BYTES_ARE_BAD)])
@pytest.mark.parametrize(
    ("quota", "refusal"),
    [
        ("MAX_GALLERY_PHOTOS", "gallery_full"),
        ("MAX_USER_PHOTOS", "quota_exceeded"),
        ("MAX_USER_OPEN_UPLOADS", "too_many_open_uploads"),
    ],
)
def test_a_retry_of_what_gave_its_room_away_is_refused_and_changes_nothing(
    api, gallery, settings, *, code, quota, refusal
):
    failed = make_upload(gallery, State.FAILED, error_code=code)
    make_upload(gallery, State.SIGNED)
    setattr(settings, quota, 1)

    row = api.retry(failed.pk)[0]

    assert (row["state"], row["version"], row["error"]["code"]) == ("failed", 1, refusal)
    now = Upload.objects.get(pk=failed.pk)
    assert (now.error_code, now.attempt, now.ended_at) == (code, 1, failed.ended_at)


def test_retries_of_one_call_share_what_is_left_of_several_galleries(api, gallery, owner, settings):
    other = make_gallery(owner)
    failed = [make_upload(each, State.FAILED, error_code="gave_up") for each in (gallery, other, gallery)]
    settings.MAX_USER_PHOTOS = 2

    rows = api.retry(*[upload.pk for upload in failed])

    assert sorted(row["state"] for row in rows) == ["failed", "uploaded", "uploaded"]


def test_a_retry_of_what_cannot_be_mended_says_so_also_in_a_full_gallery(api, gallery, settings):
    failed = make_upload(gallery, State.FAILED, error_code="not_an_image")
    settings.MAX_GALLERY_PHOTOS = 0

    assert api.retry(failed.pk)[0]["error"]["code"] == "not_an_image"


def test_a_publication_takes_up_again_only_what_finds_room(api, owner, settings):
    gallery = make_gallery(owner, auto_publish=False)
    failed = make_upload(gallery, State.FAILED, error_code="gave_up")
    make_upload(gallery, State.SIGNED)
    body = {"idempotency_key": "once", "upload_ids": [str(failed.pk)]}
    begun = api.post(f"/galleries/{gallery.pk}/publications", body).body
    settings.MAX_GALLERY_PHOTOS = 1

    retried = api.post(f"/publications/{begun['id']}/retry", {}).body

    assert (retried["state"], retried["counts"]["failed"]) == ("all_failed", 1)
    assert Upload.objects.get(pk=failed.pk).state == State.FAILED


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED, State.FAILED])
def test_a_file_chosen_again_asks_for_room_again(api, gallery, settings, state):
    ended = make_upload(gallery, state)
    make_upload(gallery, State.SIGNED)
    settings.MAX_USER_PHOTOS = 1

    row = api.batch(gallery, file_out(client_id=ended.client_id, size=ended.size))[0]

    assert row["error"]["code"] == "quota_exceeded"
    assert (row["state"], Upload.objects.get(pk=ended.pk).attempt) == (state, 1)


@pytest.mark.parametrize(("spare", "back"), [(-1, 1), (0, 2), (1, 2)])
def test_deleted_photos_come_back_in_the_order_asked_while_there_is_room(api, gallery, settings, spare, back):
    photos = [make_photo(gallery) for _ in range(2)]
    ids = [str(photo.pk) for photo in reversed(photos)]
    api.post("/photos/delete", {"ids": ids})
    make_photo(gallery)
    settings.MAX_GALLERY_PHOTOS = 3 + spare

    rows = api.post("/photos/restore", {"ids": ids}).photos

    assert [row["id"] for row in rows] == ids
    assert [row["status"] for row in rows] == ["ready", "ready"][:back] + ["deleted"] * (2 - back)
    assert codes([{"error": None, **row} for row in rows]) == [None, None][:back] + ["gallery_full"] * (
        2 - back
    )


@pytest.mark.parametrize(("spare", "status"), [(-1, "deleted"), (0, "ready"), (1, "ready")])
def test_bytes_of_what_is_on_its_way_count_when_a_photo_comes_back(api, gallery, settings, spare, status):
    photo = make_photo(gallery)
    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    make_upload(gallery, State.SIGNED, size=900)
    settings.MAX_GALLERY_BYTES = photo.size + 900 + spare

    assert api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]["status"] == status


def test_a_photo_that_comes_back_never_left_its_owners_account(api, gallery, settings):
    photo = make_photo(gallery)
    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    settings.MAX_USER_PHOTOS = settings.MAX_USER_BYTES = 1

    by_restore = api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]
    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    upload = Upload.objects.get(pk=photo.upload_id)
    by_choice = api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size))[0]

    assert (by_restore["status"], by_choice["error"]) == ("ready", None)
    photo.refresh_from_db()
    assert photo.status == PhotoStatus.READY


# --- several at once


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("quota", "refusal"),
    [("MAX_USER_PHOTOS", "quota_exceeded"), ("MAX_USER_OPEN_UPLOADS", "too_many_open_uploads")],
)
def test_fifty_at_once_in_several_galleries_never_exceed_a_persons_quota(owner, settings, quota, refusal):
    galleries = [make_gallery(owner) for _ in range(5)]
    make_upload(galleries[0], State.SIGNED)
    setattr(settings, quota, 61)
    callers = [bearer_api(owner) for _ in range(50)]

    answers = at_once(
        [
            lambda api=api, own=galleries[turn % 5]: codes(
                api.batch(own, file_out(), file_out(), file_out(), sign=False)
            )
            for turn, api in enumerate(callers)
        ]
    )

    told = [code for answer in answers for code in answer]
    assert told.count(None) == 60
    assert told.count(refusal) == 150 - 60
    assert Upload.objects.open().filter(owner=owner).count() == 61


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_adding_retrying_and_restoring_at_once_never_overfill_anything(owner, settings):
    galleries = [make_gallery(owner) for _ in range(2)]
    failed = [make_upload(each, State.FAILED, error_code="gave_up") for each in galleries for _ in range(8)]
    deleted = [make_photo(each) for each in galleries for _ in range(4)]
    callers = [bearer_api(owner) for _ in range(12)]
    callers[0].post("/photos/delete", {"ids": [str(photo.pk) for photo in deleted]})
    settings.MAX_GALLERY_PHOTOS, settings.MAX_USER_PHOTOS = 9, 18
    acts = [
        lambda api, own: codes(api.batch(own, *[file_out() for _ in range(3)], sign=False)),
        lambda api, own: codes(api.retry(*[upload.pk for upload in failed])),
        lambda api, own: api.post("/photos/restore", {"ids": [str(photo.pk) for photo in deleted]}).status,
    ]

    at_once(
        [
            lambda api=api, act=acts[turn % 3], own=galleries[turn % 2]: act(api, own)
            for turn, api in enumerate(callers)
        ]
    )

    for gallery in galleries:
        held = Upload.objects.open().filter(gallery=gallery).count() + gallery.photos.live().count()
        assert held <= 9
    assert Upload.objects.open().count() + Photo.objects.count() == 18


# --- what it costs, and how it is set


def test_a_batch_asks_the_database_ten_times_however_much_there_is(api, gallery, owner):
    for _ in range(3):
        make_photo(make_gallery(owner))
    api.batch(gallery, file_out())
    files = [file_out(crc32=f"{number:08x}") for number in range(100)]

    with CaptureQueriesContext(connection) as asked:
        api.batch(gallery, *files)

    assert len([each for each in asked if "SAVEPOINT" not in each["sql"]]) == 10


def test_the_weight_of_what_is_not_shown_is_read_from_an_index_alone(api, gallery):
    with CaptureQueriesContext(connection) as asked:
        api.batch(gallery, file_out())
    weighing = next(
        each["sql"] for each in asked if "SUM" in each["sql"] and "galleries_photo" in each["sql"]
    )

    assert "COVERING INDEX photo_by_weight" in plan_of(weighing)


def plan_of(statement: str) -> str:
    """PostgreSQL plans by what a table holds: it would read one as small as this any other way."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'photo_by_weight'")
            [(definition,)] = cursor.fetchall()
            return (
                "COVERING INDEX photo_by_weight" if "(gallery_id, status, size)" in definition else definition
            )
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return " ".join(str(row) for row in cursor.fetchall())


@pytest.mark.parametrize(
    ("word", "expected"),
    [("", 7), ("1", 1), ("500GiB", 500 * limits.GIB), ("2 TiB", 2 * limits.TIB), ("3KiB", 3_072)],
)
def test_an_amount_of_bytes_is_read_with_its_unit(monkeypatch, word, expected):
    monkeypatch.setenv("MAX_USER_BYTES", word)

    assert env.byte_count("MAX_USER_BYTES", default=7) == expected


@pytest.mark.parametrize("word", ["0", "-1", "5GB", "GiB", "1.5GiB", "lots", "5 5", "\u0665"])
def test_an_amount_that_is_none_is_refused_by_its_name(monkeypatch, word):
    monkeypatch.setenv("MAX_USER_BYTES", word)

    with pytest.raises(ImproperlyConfigured, match="MAX_USER_BYTES"):
        env.byte_count("MAX_USER_BYTES", default=7)


def test_the_defaults_hold_a_full_gallery_several_times(settings):
    assert settings.MAX_GALLERY_OPEN_UPLOADS >= settings.MAX_GALLERY_PHOTOS == limits.MAX_GALLERY_PHOTOS
    assert settings.MAX_USER_OPEN_UPLOADS >= 4 * settings.MAX_GALLERY_PHOTOS
    assert settings.MAX_USER_PHOTOS >= 40 * settings.MAX_GALLERY_PHOTOS
    assert settings.MAX_USER_BYTES >= 4 * settings.MAX_GALLERY_BYTES
