"""The calls on galleries."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from galleries.models import Gallery
from tests.builders import UNKNOWN_ID, make_gallery, make_photo, make_upload
from uploads.models import Upload
from uploads.states import OPEN_STATES, State

pytestmark = pytest.mark.django_db
FIELDS = {
    "id", "title", "state", "version", "photo_count", "byte_count", "auto_publish", "cover_photo_id", "sort",
    "keep_location", "progress", "profile", "url",
}  # fmt: skip


def test_a_gallery_is_made_with_a_title_alone(api):
    answer = api.post("/galleries", {"title": "  Sommer am Meer "})

    assert answer.status == 201
    assert set(answer.body) >= FIELDS
    assert answer.body["title"] == "Sommer am Meer"
    assert answer.body["state"] == "empty"
    assert (answer.body["version"], answer.body["photo_count"], answer.body["byte_count"]) == (1, 0, 0)
    assert answer.body["auto_publish"] is True
    assert answer.body["keep_location"] is False
    assert answer.body["sort"] == "captured"
    assert answer.body["progress"] == {
        "bytes": 0, "bytes_total": 0, "files": {}, "rate": None, "seconds_left": None, "staged": 0,
        "photo_count": 0, "byte_count": 0,
    }  # fmt: skip
    assert answer.body["url"] == f"/galleries/{answer.body['id']}/"


@pytest.mark.parametrize(("length", "status"), [(0, 422), (1, 201), (199, 201), (200, 201), (201, 422)])
def test_a_title_has_one_to_two_hundred_characters(api, length, status):
    assert api.post("/galleries", {"title": "é" * length}).status == status


@pytest.mark.parametrize("title", [None, 5, [], {}, "   ", "\x00", "a\x00b", "lone \ud800 half"])
def test_what_is_no_title_is_refused_or_cleaned_but_never_breaks(api, title):
    answer = api.post("/galleries", {"title": title})

    assert answer.status in {201, 422}
    assert not any("\x00" in kept for kept in Gallery.objects.values_list("title", flat=True))


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("a\u202egpj.exe", "agpj.exe"), ("\u2066a\u2069", "a"), ("one\r\ntwo", "one two"), ("a\u2028b", "a b"),
        ("a\x1b[31m", "a[31m"), ("a\x85b", "a b"), ("\u200ba\ufeff", "a"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"),
    ],
)  # fmt: skip
def test_a_title_is_one_line_that_reads_as_it_is_written(api, page_api, title, kept):
    made = api.post("/galleries", {"title": title})
    other = api.post("/galleries", {"title": "x"}).body["id"]
    changed = api.patch(f"/galleries/{other}", {"title": title})
    page_api.client.post("/galleries/", {"title": title}, headers=page_api.headers)

    assert (made.body["title"], changed.body["title"]) == (kept, kept)
    assert [*Gallery.objects.values_list("title", flat=True)] == [kept] * 3


def test_a_title_of_which_nothing_can_be_seen_is_none(api, page_api):
    answer = api.post("/galleries", {"title": "\u202e\u200b"})
    page = page_api.client.post("/galleries/", {"title": "\u202e\u200b"}, headers=page_api.headers)

    assert (answer.status, answer.code, page.status_code) == (422, "bad_request", 422)
    assert not Gallery.objects.exists()


def test_an_idempotency_key_makes_one_gallery(api):
    first = api.post("/galleries", {"title": "One", "idempotency_key": "k"})
    again = api.post("/galleries", {"title": "One", "idempotency_key": "k"})

    assert first.body["id"] == again.body["id"]
    assert Gallery.objects.count() == 1


def test_an_idempotency_key_for_another_title_is_a_conflict(api):
    api.post("/galleries", {"title": "One", "idempotency_key": "k"})

    answer = api.post("/galleries", {"title": "Two", "idempotency_key": "k"})

    assert (answer.status, answer.code) == (409, "idempotency_conflict")


@pytest.mark.parametrize("title", ["One", "Two"])
def test_the_key_of_a_deleted_gallery_makes_and_answers_none(api, title):
    first = api.post("/galleries", {"title": "One", "idempotency_key": "k"})
    api.delete(f"/galleries/{first.body['id']}")

    answer = api.post("/galleries", {"title": title, "idempotency_key": "k"})

    assert (answer.status, answer.code) == (410, "gallery_deleted")
    assert Gallery.objects.count() == 1


def test_a_key_is_its_owners(api, stranger_api):
    mine = api.post("/galleries", {"title": "One", "idempotency_key": "k"})
    theirs = stranger_api.post("/galleries", {"title": "Two", "idempotency_key": "k"})

    assert mine.status == theirs.status == 201
    assert mine.body["id"] != theirs.body["id"]


def test_without_a_key_each_call_makes_a_gallery(api):
    api.post("/galleries", {"title": "One"})
    api.post("/galleries", {"title": "One"})

    assert Gallery.objects.count() == 2


def test_the_list_has_ones_own_living_galleries_newest_first(api, owner, stranger):
    old, new = make_gallery(owner, title="old"), make_gallery(owner, title="new")
    make_gallery(owner, deleted_at=timezone.now())
    make_gallery(stranger)
    Gallery.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=1))

    body = api.get("/galleries").body

    assert [each["title"] for each in body["galleries"]] == ["old", "new"][::-1]
    assert (body["next_cursor"], body["version"]) == (None, None)
    assert new.title == body["galleries"][0]["title"]


def test_the_list_costs_the_same_for_one_gallery_and_for_thirty(api, owner, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    make_photo(make_gallery(owner))
    with CaptureQueriesContext(connection) as one:
        api.get("/galleries")
    for _ in range(29):
        make_photo(make_gallery(owner))

    with django_assert_num_queries(len(one)):
        assert len(api.get("/galleries").body["galleries"]) == 30


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "Another"), ("auto_publish", False), ("keep_location", True), ("sort", "name"), ("sort", "added"),
        ("cover_photo_id", None),
    ],
)  # fmt: skip
def test_a_change_writes_what_is_given_and_nothing_else(api, gallery, field, value):
    before = api.get(f"/galleries/{gallery.pk}").body

    answer = api.patch(f"/galleries/{gallery.pk}", {field: value, "colour": "red"})

    assert answer.status == 200
    assert answer.body == {**before, field: value, "version": 2}


def test_changing_nothing_raises_no_version(api, gallery):
    assert api.patch(f"/galleries/{gallery.pk}", {}).body["version"] == 1


def test_a_ready_photo_can_be_the_cover(api, gallery):
    photo = make_photo(gallery)

    answer = api.patch(f"/galleries/{gallery.pk}", {"cover_photo_id": str(photo.pk)})

    assert answer.body["cover_photo_id"] == str(photo.pk)


def test_no_cover_are_photos_of_others_deleted_or_unknown_ones(api, gallery, stranger):
    foreign = make_photo(make_gallery(stranger))
    deleted = make_photo(gallery)
    api.delete(f"/photos/{deleted.pk}")

    for photo_id in (foreign.pk, deleted.pk, uuid.uuid4()):
        answer = api.patch(f"/galleries/{gallery.pk}", {"cover_photo_id": str(photo_id)})
        assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "change",
    [
        {"title": None}, {"title": ""}, {"title": 5}, {"sort": "size"}, {"sort": None}, {"sort": 5},
        {"auto_publish": None}, {"auto_publish": "yes"}, {"auto_publish": 1}, {"keep_location": "no"},
        {"cover_photo_id": "x"}, {"cover_photo_id": 7}, [], "x",
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_change_is_refused_and_changes_nothing(api, gallery, change):
    answer = api.patch(f"/galleries/{gallery.pk}", change)

    assert (answer.status, answer.code) == (422, "bad_request")
    gallery.refresh_from_db()
    assert gallery.version == 1


# --- the end of a gallery


def test_deleting_a_gallery_cancels_what_is_on_its_way(api, gallery):
    uploads = {state: make_upload(gallery, state) for state in State}

    assert api.delete(f"/galleries/{gallery.pk}").status == 204

    now = dict(Upload.objects.values_list("pk", "state"))
    for state, upload in uploads.items():
        assert now[upload.pk] == (State.CANCELLED if state in OPEN_STATES else state)


def test_a_deleted_gallery_is_gone_for_who_could_see_it_and_was_never_there_for_others(
    api, gallery, stranger_api
):
    photo = make_photo(gallery)
    api.delete(f"/galleries/{gallery.pk}")
    calls = [
        ("GET", f"/galleries/{gallery.pk}", None),
        ("PATCH", f"/galleries/{gallery.pk}", {"title": "x"}),
        ("DELETE", f"/galleries/{gallery.pk}", None),
        ("GET", f"/galleries/{gallery.pk}/uploads", None),
        ("GET", f"/galleries/{gallery.pk}/photos", None),
        ("POST", f"/galleries/{gallery.pk}/uploads/batch", {"files": []}),
        ("POST", f"/galleries/{gallery.pk}/progress", {"uploads": []}),
        ("DELETE", f"/photos/{photo.pk}", None),
    ]

    for method, path, body in calls:
        mine, theirs = api.call(method, path, body), stranger_api.call(method, path, body)
        assert (mine.status, mine.code) == (410, "gallery_deleted"), path
        assert (theirs.status, theirs.code) == (404, "not_found"), path


def test_a_deleted_gallery_comes_back_with_its_photos_for_its_owner_alone(api, gallery, stranger_api):
    photo = make_photo(gallery)
    upload = make_upload(gallery, State.SIGNED)
    api.delete(f"/galleries/{gallery.pk}")

    theirs = stranger_api.post(f"/galleries/{gallery.pk}/restore", {})
    mine, again = (api.post(f"/galleries/{gallery.pk}/restore", {}) for _ in range(2))

    assert (theirs.status, theirs.code) == (404, "not_found")
    assert (mine.status, mine.body["id"]) == (again.status, again.body["id"]) == (200, str(gallery.pk))
    assert [each["id"] for each in api.get(f"/galleries/{gallery.pk}/photos").photos] == [str(photo.pk)]
    upload.refresh_from_db()
    assert upload.state == State.CANCELLED


def test_a_gallery_deleted_a_day_ago_stays_deleted(api, owner):
    gallery = make_gallery(owner, deleted_at=timezone.now() - timedelta(hours=25))

    answer = api.post(f"/galleries/{gallery.pk}/restore", {})

    assert (answer.status, answer.code) == (410, "restore_expired")


def test_the_version_rises_once_when_a_gallery_is_deleted(api, gallery):
    make_upload(gallery, State.SIGNED)

    api.delete(f"/galleries/{gallery.pk}")

    gallery.refresh_from_db()
    assert gallery.version == 2


@pytest.mark.parametrize("path", [UNKNOWN_ID, "x", "1"])
def test_an_unknown_gallery_is_not_found(api, path):
    answer = api.get(f"/galleries/{path}")

    assert (answer.status, answer.code) == (404, "not_found")


def test_the_state_is_the_same_in_list_and_detail(api, owner):
    for state in (State.SIGNED, State.VERIFYING, State.FAILED):
        make_upload(make_gallery(owner), state)

    listed = api.get("/galleries").body["galleries"]

    assert sorted(each["state"] for each in listed) == ["attention", "processing", "receiving"]
    for each in listed:
        assert api.get(f"/galleries/{each['id']}").body["state"] == each["state"]
