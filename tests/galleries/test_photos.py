"""The calls on photos: list, delete, restore."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from galleries.models import Photo, PhotoStatus
from galleries.queries import read_cursor, write_cursor
from tests.builders import UNKNOWN_ID, make_gallery, make_photo
from uploads.models import Upload

pytestmark = pytest.mark.django_db
FIELDS = {
    "id", "upload_id", "name", "size", "crc32", "sha256", "width", "height", "captured_at", "status", "version",
    "renditions", "original_url",
}  # fmt: skip


def listed(api, gallery, query: str = ""):
    answer = api.get(f"/galleries/{gallery.pk}/photos{query}")
    assert answer.status == 200, answer.body
    return answer.body


def test_the_list_shows_ready_photos_with_their_renditions(api, gallery):
    photo = make_photo(gallery, captured_at=datetime(2026, 7, 1, 12, 30, tzinfo=UTC))
    make_photo(gallery, status=PhotoStatus.STAGED)

    page = listed(api, gallery)

    assert [each["id"] for each in page["photos"]] == [str(photo.pk)]
    shown = page["photos"][0]
    assert set(shown) >= FIELDS
    assert shown["upload_id"] == str(photo.upload_id)
    assert shown["captured_at"] == "2026-07-01T12:30:00Z"
    assert shown["original_url"] == f"/photos/{photo.pk}/original"
    assert {each["name"] for each in shown["renditions"]} == {"grid", "view"}
    for each in shown["renditions"]:
        assert each["url"].startswith(f"/photos/{photo.pk}/{each['name']}/")


@pytest.mark.parametrize("status", ["staged", "quarantined", "deleted"])
def test_who_may_publish_sees_the_others_by_asking(api, gallery, status):
    deleted = {"deleted_at": timezone.now()} if status == "deleted" else {}
    photo = make_photo(gallery, status=status, **deleted)
    make_photo(gallery)

    assert [each["id"] for each in listed(api, gallery, f"?status={status}")["photos"]] == [str(photo.pk)]


@pytest.mark.parametrize(
    "query", ["status=lost", "limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=%FF", "cursor=e30="]
)
def test_malformed_pages_are_refused(api, gallery, query):
    answer = api.get(f"/galleries/{gallery.pk}/photos?{query}")

    assert (answer.status, answer.code) == (422, "bad_request")


@pytest.mark.parametrize(
    "value",
    [["name", "a\x00", UNKNOWN_ID], ["name", 5, UNKNOWN_ID], ["name", {}, UNKNOWN_ID], ["name", "a"],
     ["sort_at", "a", UNKNOWN_ID], [], {}, 7, None, ["name", "a", "x"], ["name", None, UNKNOWN_ID]],
    ids=str,
)  # fmt: skip
def test_a_cursor_that_no_answer_gave_is_refused_and_breaks_nothing(api, owner, value):
    gallery = make_gallery(owner, sort="name")
    cursor = base64.urlsafe_b64encode(json.dumps(value).encode()).decode()

    answer = api.get(f"/galleries/{gallery.pk}/photos?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "bad_request")


def test_a_cursor_as_deep_as_no_answer_is_refused(api, gallery):
    cursor = base64.urlsafe_b64encode(b"[" * 5_000).decode()

    answer = api.get(f"/galleries/{gallery.pk}/photos?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "bad_request")


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_cursor_of_an_impossible_time_is_refused(api, gallery, moment):
    cursor = base64.urlsafe_b64encode(json.dumps(["sort_at", moment, str(uuid.uuid4())]).encode()).decode()

    answer = api.get(f"/galleries/{gallery.pk}/photos?cursor={cursor}")

    assert answer.status == 422


@pytest.mark.parametrize("sort", ["captured", "name", "added"])
def test_pages_follow_each_other_in_the_order_of_the_gallery_also_where_times_agree(api, owner, sort):
    gallery = make_gallery(owner, sort=sort)
    at = timezone.now()
    photos = [
        make_photo(gallery, name=f"{number // 3}.jpg", sort_at=at + timedelta(seconds=number // 3),
                   added_at=at - timedelta(seconds=number // 3))
        for number in range(8)
    ]  # fmt: skip
    column = {"captured": "sort_at", "name": "name", "added": "added_at"}[sort]
    expected = [str(each.pk) for each in Photo.objects.order_by(column, "id")]

    seen, cursor = [], ""
    while cursor is not None:
        page = listed(api, gallery, f"?limit=3{cursor and '&cursor=' + cursor}")
        seen += [each["id"] for each in page["photos"]]
        cursor = page["next_cursor"]

    assert seen == expected
    assert len(seen) == len(photos)


def test_a_cursor_of_another_order_is_refused(api, gallery):
    for _ in range(2):
        make_photo(gallery)
    cursor = listed(api, gallery, "?limit=1")["next_cursor"]
    api.patch(f"/galleries/{gallery.pk}", {"sort": "name"})

    answer = api.get(f"/galleries/{gallery.pk}/photos?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "bad_request")


@pytest.mark.parametrize("column", ["sort_at", "name", "added_at"])
def test_a_cursor_reads_what_it_wrote(gallery, column):
    photo = make_photo(gallery, name='ünï "quoted" 写真.jpg')

    assert read_cursor(write_cursor(photo, column), column) == (getattr(photo, column), photo.pk)


def test_the_list_costs_the_same_for_one_photo_and_for_thirty(api, gallery, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    make_photo(gallery)
    with CaptureQueriesContext(connection) as one:
        listed(api, gallery)
    for _ in range(29):
        make_photo(gallery)

    with django_assert_num_queries(len(one)):
        assert len(listed(api, gallery)["photos"]) == 30


# --- delete and restore


def test_a_deleted_photo_disappears_at_once_and_leaves_the_counters(api, gallery):
    kept, deleted = make_photo(gallery), make_photo(gallery)

    assert api.delete(f"/photos/{deleted.pk}").status == 204

    assert [each["id"] for each in listed(api, gallery)["photos"]] == [str(kept.pk)]
    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.byte_count, gallery.version) == (1, kept.size, 2)


def test_deleting_twice_is_harmless(api, gallery):
    photo = make_photo(gallery)

    assert [api.delete(f"/photos/{photo.pk}").status for _ in range(2)] == [204, 204]

    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.version) == (0, 2)


def test_several_photos_are_deleted_in_one_call_in_its_order(api, gallery, stranger, owner):
    mine, also_mine = make_photo(gallery), make_photo(make_gallery(owner))
    foreign = make_photo(make_gallery(stranger))
    ids = [str(also_mine.pk), "x", str(foreign.pk), str(uuid.uuid4()), str(mine.pk), str(mine.pk)]

    rows = api.post("/photos/delete", {"ids": ids}).photos

    assert [row["id"] for row in rows] == ids
    assert [row.get("error", {}).get("code") for row in rows] == [
        None, "not_found", "not_found", "not_found", None, None,
    ]  # fmt: skip
    assert [row.get("status") for row in rows] == ["deleted", None, None, None, "deleted", "deleted"]
    foreign.refresh_from_db()
    assert foreign.status == PhotoStatus.READY


@pytest.mark.parametrize("status", [PhotoStatus.STAGED, PhotoStatus.READY, PhotoStatus.QUARANTINED])
def test_restoring_gives_the_state_it_had(api, gallery, status):
    photo = make_photo(gallery, status=status)
    before = api.get(f"/galleries/{gallery.pk}").body["photo_count"]
    api.post("/photos/delete", {"ids": [str(photo.pk)]})

    row = api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]

    assert (row["status"], row["version"]) == (status, 3)
    assert api.get(f"/galleries/{gallery.pk}").body["photo_count"] == before


def test_restoring_what_was_never_deleted_changes_nothing(api, gallery):
    photo = make_photo(gallery)

    row = api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]

    assert (row["status"], row["version"]) == ("ready", 1)
    gallery.refresh_from_db()
    assert gallery.version == 1


@pytest.mark.parametrize(("hours", "code"), [(23.99, None), (24.01, "restore_expired")])
def test_a_photo_can_be_restored_for_a_day(api, gallery, hours, code):
    photo = make_photo(gallery)
    api.delete(f"/photos/{photo.pk}")
    Photo.objects.update(deleted_at=timezone.now() - timedelta(hours=hours))

    row = api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]

    assert row.get("error", {}).get("code") == code
    assert row["status"] == ("deleted" if code else "ready")


def test_one_photo_past_its_day_keeps_no_other_from_coming_back(api, gallery):
    late, fine = make_photo(gallery), make_photo(gallery)
    api.post("/photos/delete", {"ids": [str(late.pk), str(fine.pk)]})
    Photo.objects.filter(pk=late.pk).update(deleted_at=timezone.now() - timedelta(hours=25))

    rows = api.post("/photos/restore", {"ids": [str(late.pk), str(fine.pk)]}).photos

    assert [row["status"] for row in rows] == ["deleted", "ready"]


def test_a_photo_whose_bytes_were_added_again_comes_back_beside_them(api, gallery):
    photo = make_photo(gallery, content=b"the same")
    api.delete(f"/photos/{photo.pk}")
    make_photo(gallery, content=b"the same")

    row = api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]

    assert row["status"] == "ready"
    assert Photo.objects.ready().count() == 2


def test_two_deleted_photos_of_the_same_bytes_come_back_together(api, gallery):
    ids = []
    for _ in range(2):
        photo = make_photo(gallery, content=b"the same")
        api.delete(f"/photos/{photo.pk}")
        ids.append(str(photo.pk))

    rows = api.post("/photos/restore", {"ids": ids}).photos

    assert [row["status"] for row in rows] == ["ready", "ready"]


@pytest.mark.parametrize("verb", ["delete", "restore"])
@pytest.mark.parametrize(("count", "status"), [(0, 200), (100, 200), (101, 413)])
def test_a_call_names_at_most_a_hundred_photos(api, verb, count, status):
    assert api.post(f"/photos/{verb}", {"ids": [str(uuid.uuid4())] * count}).status == status


@pytest.mark.parametrize("verb", ["delete", "restore"])
def test_what_is_asked_costs_the_same_for_one_photo_and_for_many(
    api, gallery, verb, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    photos = [make_photo(gallery) for _ in range(21)]
    if verb == "restore":
        api.post("/photos/delete", {"ids": [str(each.pk) for each in photos]})
    with CaptureQueriesContext(connection) as one:
        api.post(f"/photos/{verb}", {"ids": [str(photos[0].pk)]})

    with django_assert_num_queries(len(one)):
        api.post(f"/photos/{verb}", {"ids": [str(each.pk) for each in photos[1:]]})


def test_a_deleted_photo_keeps_its_upload_verified(api, gallery):
    photo = make_photo(gallery)

    api.delete(f"/photos/{photo.pk}")

    assert Upload.objects.get(pk=photo.upload_id).state == "verified"
