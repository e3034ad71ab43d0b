"""An editor's notes stay with their photo: kept as they are, listed, given back, and gone with it."""

import hashlib
import uuid
import zlib
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import issue_token
from galleries.models import Gallery, Photo, PhotoStatus
from tests.builders import make_gallery, make_photo, make_upload
from uploads import clock, sidecars, sweep
from uploads.limits import MAX_SIDECAR_BYTES, MAX_SIDECARS, UPLOAD_LIFE
from uploads.models import Sidecar, Upload
from uploads.states import State

pytestmark = pytest.mark.django_db
NOTES = "\ufeff<?xpacket begin=''?>\r\n<x:xmpmeta xmlns:x='adobe:ns:meta/'>Größe</x:xmpmeta>\r\n"


@pytest.fixture
def photo(gallery) -> Photo:
    return make_photo(gallery, name="IMG_1.CR3")


def attached(api, upload_id, name="IMG_1.xmp", text=NOTES):
    return api.post(f"/uploads/{upload_id}/sidecars", {"name": name, "text": text})


def listed(api, upload_id) -> list[dict]:
    return api.get(f"/uploads/{upload_id}/sidecars").body["sidecars"]


def test_notes_are_kept_listed_and_given_back_byte_for_byte(api, owner, photo):
    answer = attached(api, photo.upload_id)

    content = NOTES.encode()
    assert answer.status == 201
    assert listed(api, photo.upload_id) == [answer.body]
    assert {key: answer.body[key] for key in ("name", "size", "crc32", "sha256")} == {
        "name": "IMG_1.xmp",
        "size": len(content),
        "crc32": f"{zlib.crc32(content):08x}",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    sent = Client().get(answer.body["url"], headers={"Authorization": f"Bearer {issue_token(owner)}"})
    assert (sent.status_code, sent.content) == (200, content)
    assert sent.headers["Content-Disposition"] == "attachment; filename*=UTF-8''IMG_1.xmp"
    assert sent.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("state", [State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING])
def test_notes_may_come_before_their_photo(api, gallery, state):
    upload = make_upload(gallery, state)

    assert attached(api, upload.pk).status == 201


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.EXPIRED, State.VERIFIED])
def test_notes_about_what_is_and_becomes_no_photo_are_refused(api, gallery, state):
    upload = make_upload(gallery, state)

    answer = attached(api, upload.pk)

    assert (answer.status, answer.code) == (409, "wrong_state")
    assert not Sidecar.objects.exists()


@pytest.mark.parametrize(("more_bytes", "status"), [(-1, 201), (0, 201), (1, 409)])
def test_all_notes_of_a_person_have_room_to_the_last_byte(api, photo, monkeypatch, more_bytes, status):
    elsewhere = make_photo(make_gallery(photo.gallery.owner))
    size = len(NOTES.encode())
    monkeypatch.setattr(sidecars, "MAX_USER_SIDECAR_BYTES", 2 * size)
    attached(api, elsewhere.upload_id)

    answer = attached(api, photo.upload_id, text=NOTES[:-1] + " " * (1 + more_bytes))

    assert answer.status == status
    if status != 201:
        assert answer.body["error"]["details"] == {
            "quota": "user_sidecar_bytes", "limit": 2 * size, "used": size,
        }  # fmt: skip


def test_notes_that_replace_others_take_their_room(api, photo, monkeypatch):
    monkeypatch.setattr(sidecars, "MAX_USER_SIDECAR_BYTES", len(NOTES.encode()))
    attached(api, photo.upload_id)

    assert attached(api, photo.upload_id).status == 201


def test_the_notes_of_a_stranger_take_nobody_elses_room(api, stranger, photo, monkeypatch):
    theirs = make_upload(make_gallery(stranger))
    Sidecar.objects.create(upload=theirs, name="a.xmp", size=9_000, content=b"")
    monkeypatch.setattr(sidecars, "MAX_USER_SIDECAR_BYTES", len(NOTES.encode()))

    assert attached(api, photo.upload_id).status == 201


def test_notes_about_a_copy_are_kept_beside_the_photo_that_was_there(api, gallery, photo):
    copy = make_upload(
        gallery, State.FAILED, error_code="duplicate", error_details={"photo_id": str(photo.pk)}
    )

    answer = attached(api, copy.pk)

    assert (answer.status, answer.body["upload_id"]) == (201, str(photo.upload_id))


def test_notes_about_a_copy_of_what_is_gone_are_refused(api, gallery):
    copy = make_upload(
        gallery, State.FAILED, error_code="duplicate", error_details={"photo_id": str(uuid.uuid4())}
    )

    assert attached(api, copy.pk).code == "wrong_state"


def test_notes_of_a_whole_gallery_come_page_by_page(api, owner, gallery, photo):
    others = [make_photo(gallery, name=f"{n}.CR3") for n in range(2)]
    kept = [attached(api, each.upload_id).body for each in (photo, *others)]
    attached(api, make_photo(make_gallery(owner)).upload_id)
    url = f"/galleries/{gallery.pk}/sidecars?limit=2"

    first = api.get(url).body
    second = api.get(f"{url}&cursor={first['next_cursor']}").body

    assert second["next_cursor"] is None
    assert [*first["sidecars"], *second["sidecars"]] == sorted(kept, key=lambda each: each["id"])
    assert api.get(f"{url}&cursor=x").code == "bad_request"


def test_notes_are_no_photo(api, gallery, photo):
    before = api.get(f"/galleries/{gallery.pk}").body

    attached(api, photo.upload_id)

    assert api.get(f"/galleries/{gallery.pk}").body == before
    assert Photo.objects.count() == Upload.objects.count() == 1


def test_the_same_notes_again_are_the_same_and_newer_ones_replace_them(api, photo):
    first = attached(api, photo.upload_id).body
    again = attached(api, photo.upload_id).body
    newer = attached(api, photo.upload_id, text=NOTES + " ").body

    assert again == first
    assert newer["id"] == first["id"]
    assert listed(api, photo.upload_id) == [newer]


@pytest.mark.parametrize(
    ("size_bytes", "status"),
    [(MAX_SIDECAR_BYTES - 1, 201), (MAX_SIDECAR_BYTES, 201), (MAX_SIDECAR_BYTES + 1, 413)],
)
def test_notes_have_a_length(api, photo, size_bytes, status):
    text = "<x:xmpmeta >".ljust(size_bytes)

    assert attached(api, photo.upload_id, text=text).status == status


def test_a_photo_has_so_many_notes_and_no_more(api, photo):
    answers = [attached(api, photo.upload_id, name=f"{n}.xmp").status for n in range(MAX_SIDECARS + 1)]

    assert answers == [201] * MAX_SIDECARS + [422]
    assert attached(api, photo.upload_id, name="0.xmp").status == 201


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", NOTES),
        ("a", NOTES),
        ("a.xmp", "<script>alert(1)</script>"),
        ("a.xmp", ""),
        ("", NOTES),
        ("a.xmp", 1),
        ("a.xmp", "<x:xmpmeta >\ud800"),
    ],
)
def test_what_is_no_xmp_is_refused(api, photo, name, text):
    answer = attached(api, photo.upload_id, name=name, text=text)

    assert (answer.status, answer.code) == (422, "bad_request")
    assert not Sidecar.objects.exists()


def test_a_name_is_for_display_alone(api, photo):
    assert attached(api, photo.upload_id, name="../..\\etc/a\u202eb.xmp").body["name"] == "ab.xmp"


def test_notes_of_a_deleted_gallery_are_gone(api, gallery, photo):
    url = attached(api, photo.upload_id).body["url"]
    api.delete(f"/galleries/{gallery.pk}")

    assert api.get(f"/uploads/{photo.upload_id}/sidecars").status == 410
    assert api.get(url.removeprefix("/api")).status == 410


# --- they go with their photo, and not before


def swept_at(monkeypatch, later: timedelta) -> None:
    now = clock.now() + later
    monkeypatch.setattr(clock, "now", lambda: now)
    sweep.sweep_everything()


def test_a_photo_brought_back_has_its_notes(api, photo):
    attached(api, photo.upload_id)
    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    api.post("/photos/restore", {"ids": [str(photo.pk)]})

    assert len(listed(api, photo.upload_id)) == 1


@pytest.mark.parametrize(("hours", "left"), [(23, 1), (25, 0)])
def test_notes_are_forgotten_with_their_photo(api, photo, monkeypatch, hours, left):
    attached(api, photo.upload_id)
    api.post("/photos/delete", {"ids": [str(photo.pk)]})
    assert Photo.objects.get().status == PhotoStatus.DELETED

    swept_at(monkeypatch, timedelta(hours=hours))

    assert (Photo.objects.count(), Sidecar.objects.count()) == (left, left)


@pytest.mark.parametrize(("beyond", "left"), [(-timedelta(minutes=1), 1), (timedelta(minutes=1), 0)])
def test_notes_of_what_became_no_photo_are_forgotten_when_its_bytes_are(
    api, gallery, monkeypatch, beyond, left
):
    upload = make_upload(gallery, State.SIGNED)
    attached(api, upload.pk)
    api.cancel(upload.pk)

    swept_at(monkeypatch, UPLOAD_LIFE + beyond)

    assert Sidecar.objects.count() == left


def test_notes_of_a_photo_that_is_shown_stay(api, gallery, photo, monkeypatch):
    attached(api, photo.upload_id)

    swept_at(monkeypatch, timedelta(days=100))

    assert Gallery.objects.get(pk=gallery.pk).photo_count == 1
    assert Sidecar.objects.count() == 1


def test_a_list_of_notes_asks_as_often_for_one_as_for_four(api, photo, django_assert_max_num_queries):
    for n in range(MAX_SIDECARS):
        attached(api, photo.upload_id, name=f"{n}.xmp")

    with django_assert_max_num_queries(6):
        assert len(listed(api, photo.upload_id)) == MAX_SIDECARS
