"""POST /api/galleries/{id}/uploads/batch: declared files become rows, or refusals with reasons."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from galleries.models import Gallery, Photo, PhotoStatus
from tests.builders import MIB, crc_of, file_out, make_gallery, make_photo, make_upload
from uploads.limits import MAX_FILE_BYTES, MAX_SIGNATURES_PER_ANSWER
from uploads.models import Discard, Upload, UploadEvent
from uploads.states import State

pytestmark = pytest.mark.django_db


def test_a_new_file_gets_a_row_and_a_signed_put(api, gallery):
    file = file_out(name="Meer/Bild.JPG", crc32="cbf43926")

    row = api.batch(gallery, file)[0]

    transfer = row.pop("transfer")
    assert row == {
        "id": row["id"],
        "client_id": file["client_id"],
        "name": "Bild.JPG",
        "size": file["size"],
        "state": "signed",
        "version": 1,
        "error": None,
        "photo_id": None,
    }
    assert transfer["lane"] == "put"
    assert transfer["expires_in_s"] == 900
    assert transfer["request"]["method"] == "PUT"
    assert transfer["request"]["headers"] == {
        "content-type": "image/jpeg",
        "if-none-match": "*",
        "x-amz-checksum-crc32": "y/Q5Jg==",
    }
    assert f"/{row['id']}/1?" in transfer["request"]["url"]


def test_a_batch_that_asks_for_no_signature_gets_none(api, gallery):
    row = api.batch(gallery, file_out(), sign=False)[0]

    assert row["state"] == "registered"
    assert "transfer" not in row


@pytest.mark.parametrize(
    ("size", "lane"), [(8 * MIB - 1, "put"), (8 * MIB, "put"), (8 * MIB + 1, "multipart")]
)
def test_a_file_up_to_one_part_goes_by_one_request(api, gallery, size, lane):
    row = api.batch(gallery, file_out(size=size))[0]

    assert row["transfer"]["lane"] == lane
    assert row["state"] == "signed"


def test_a_larger_file_gets_its_parts(api, gallery):
    transfer = api.batch(gallery, file_out(size=20 * MIB + 5))[0]["transfer"]

    assert transfer["part_size"] == 8 * MIB
    assert transfer["size"] == 20 * MIB + 5
    assert transfer["stored"] == []
    assert [(part["number"], part["offset"], part["size"]) for part in transfer["parts"]] == [
        (1, 0, 8 * MIB), (2, 8 * MIB, 8 * MIB), (3, 16 * MIB, 4 * MIB + 5),
    ]  # fmt: skip
    assert all(part["request"]["headers"] == {} for part in transfer["parts"])


def test_signatures_of_one_answer_are_shared_in_the_order_of_the_files(api, gallery):
    files = [file_out(size=MAX_FILE_BYTES) for _ in range(6)]

    rows = api.batch(gallery, *files)

    signed = [len(row["transfer"]["parts"]) for row in rows]
    assert signed == [256, 256, 256, MAX_SIGNATURES_PER_ANSWER - 3 * 256, 0, 0]


def test_answers_come_in_the_order_of_the_request_with_every_error_in_its_place(api, gallery):
    good, empty, huge, odd = (
        file_out(), file_out(size=0), file_out(size=MAX_FILE_BYTES + 1), file_out(name="a.txt", type="text/plain"),
    )  # fmt: skip
    after = file_out()

    rows = api.batch(gallery, good, empty, huge, odd, after)

    assert [row["client_id"] for row in rows] == [f["client_id"] for f in (good, empty, huge, odd, after)]
    assert [row["error"] and row["error"]["code"] for row in rows] == [
        None, "empty_file", "file_too_large", "unsupported_type", None,
    ]  # fmt: skip
    assert [row["id"] is None for row in rows] == [False, True, True, True, False]
    assert {row["state"] for row in rows if row["id"] is None} == {"refused"}
    assert Upload.objects.count() == 2


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (-1, "empty_file"), (0, "empty_file"), (1, None),
        (MAX_FILE_BYTES - 1, None), (MAX_FILE_BYTES, None), (MAX_FILE_BYTES + 1, "file_too_large"),
        (2**63 - 1, "file_too_large"),
    ],
)  # fmt: skip
def test_sizes_are_refused_at_their_limits(api, gallery, size, code):
    row = api.batch(gallery, file_out(size=size), sign=False)[0]

    assert (row["error"] or {}).get("code") == code


@pytest.mark.parametrize(("count", "status"), [(0, 200), (1, 200), (99, 200), (100, 200), (101, 413)])
def test_a_call_names_at_most_a_hundred_files(api, gallery, count, status):
    answer = api.post(f"/galleries/{gallery.pk}/uploads/batch", {"files": [file_out() for _ in range(count)]})

    assert answer.status == status
    assert Upload.objects.count() == (count if status == 200 else 0)
    if status == 413:
        assert answer.code == "batch_too_large"


@pytest.mark.parametrize(("length", "status"), [(0, 422), (1, 200), (63, 200), (64, 200), (65, 422)])
def test_a_client_id_has_one_to_sixty_four_characters(api, gallery, length, status):
    answer = api.post(f"/galleries/{gallery.pk}/uploads/batch", {"files": [file_out(client_id="é" * length)]})

    assert answer.status == status


@pytest.mark.parametrize("missing", ["client_id", "name", "size"])
def test_an_item_without_what_it_needs_refuses_the_whole_call(api, gallery, missing):
    broken = file_out()
    del broken[missing]

    answer = api.post(f"/galleries/{gallery.pk}/uploads/batch", {"files": [file_out(), broken]})

    assert (answer.status, answer.code) == (422, "bad_request")
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "1000"}, {"size": 1.0}, {"size": True}, {"size": None}, {"size": 2**63},
        {"client_id": 7}, {"client_id": None}, {"name": ["x"]}, {"last_modified": "now"}, {"last_modified": 1.5},
        {"crc32": "CBF43926"}, {"crc32": "cbf4392"}, {"crc32": "cbf439266"}, {"crc32": 7}, {"crc32": "cbf43926\n"},
        {"allow_duplicate": "yes"}, {"allow_duplicate": 1}, {"lane": 3}, {"type": 5}, {"relative_path": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_field_of_the_wrong_type_refuses_the_call(api, gallery, wrong):
    answer = api.post(f"/galleries/{gallery.pk}/uploads/batch", {"files": [file_out(**wrong)]})

    assert (answer.status, answer.code) == (422, "bad_request")
    assert not Upload.objects.exists()


def test_unknown_fields_are_ignored(api, gallery):
    row = api.batch(gallery, file_out(colour="red", state="verified", key="../../x"), colour="blue")[0]

    assert row["state"] == "signed"
    assert ".." not in Upload.objects.get().key


@pytest.mark.parametrize("lane", ["carrier pigeon", ""])
def test_a_lane_the_store_lacks_is_refused_with_its_code(api, gallery, lane):
    row, other = api.batch(gallery, file_out(lane=lane), file_out())

    assert (row["state"], row["error"]["code"]) == ("refused", "lane_unsupported")
    assert other["error"] is None


def test_a_small_file_may_prefer_parts_and_a_large_one_may_not_prefer_one_put(api, gallery):
    small, large = api.batch(
        gallery, file_out(size=100, lane="multipart"), file_out(size=9 * MIB, lane="put"), sign=False
    )

    assert Upload.objects.get(pk=small["id"]).lane == "multipart"
    assert large["error"]["code"] == "lane_unsupported"


def test_what_cannot_be_stored_as_text_is_left_out(api, gallery):
    row = api.batch(gallery, file_out(name="a\x00b\ud800c.jpg", relative_path="x\x00/\udfff.jpg"))[0]

    assert row["name"] == "ab?c.jpg"


# --- the same file again


def test_the_same_file_again_meets_the_same_row(api, gallery):
    file = file_out()
    first = api.batch(gallery, file)[0]

    again = api.batch(gallery, file)[0]

    assert again["id"] == first["id"]
    assert again["state"] == "signed"
    assert again["transfer"]["lane"] == "put"
    assert Upload.objects.count() == 1


def test_the_same_file_again_keeps_the_row_alive(api, gallery):
    row = api.batch(gallery, file := file_out())[0]
    long_ago = timezone.now() - timedelta(days=5)
    Upload.objects.update(active_at=long_ago, url_expires_at=long_ago)

    api.batch(gallery, file)

    upload = Upload.objects.get(pk=row["id"])
    assert upload.active_at > long_ago
    assert upload.url_expires_at > timezone.now()


def test_the_same_id_twice_in_one_call_is_one_row_answered_twice(api, gallery):
    file = file_out()

    first, second = api.batch(gallery, file, file)

    assert first["id"] == second["id"]
    assert first["error"] is second["error"] is None
    assert Upload.objects.count() == UploadEvent.objects.count() == 1


def test_ids_of_another_actor_are_other_files(api, gallery, stranger, stranger_api):
    theirs = make_gallery(stranger)
    file = file_out()

    mine = api.batch(gallery, file)[0]
    other = stranger_api.batch(theirs, file)[0]

    assert mine["id"] != other["id"]


def test_the_same_id_with_another_size_is_a_conflict_and_leaves_the_row(api, gallery):
    row = api.batch(gallery, file := file_out())[0]

    again = api.batch(gallery, {**file, "size": file["size"] + 1})[0]

    assert again["error"]["code"] == "client_id_conflict"
    assert again["id"] == row["id"]
    assert "transfer" not in again
    assert Upload.objects.get().size == file["size"]


def test_the_same_id_with_two_sizes_in_one_call_keeps_the_first(api, gallery):
    file = file_out()

    first, second = api.batch(gallery, file, {**file, "size": 77})

    assert first["error"] is None
    assert second["error"]["code"] == "client_id_conflict"


def test_a_verified_file_answers_its_photo_and_no_transfer(api, gallery):
    photo = make_photo(gallery)
    upload = Upload.objects.get(photo=photo)

    row = api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size))[0]

    assert (row["state"], row["photo_id"]) == ("verified", str(photo.pk))
    assert "transfer" not in row


@pytest.mark.parametrize("state", [State.UPLOADED, State.VERIFYING])
def test_a_file_in_work_answers_its_row_and_no_transfer(api, gallery, state):
    upload = make_upload(gallery, state)

    row = api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size))[0]

    assert (row["state"], row["error"]) == (state, None)
    assert "transfer" not in row


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.CANCELLED, ""), (State.EXPIRED, ""), (State.FAILED, "object_missing"), (State.FAILED, "size_mismatch"),
        (State.FAILED, "checksum_mismatch"), (State.FAILED, "duplicate"),
    ],
)  # fmt: skip
def test_a_file_that_ended_begins_anew_when_it_is_chosen_again(api, gallery, state, code):
    upload = make_upload(gallery, state, error_code=code, crc32="00000001", tries=3)

    row = api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size), sign=False)[0]

    after = Upload.objects.get(pk=upload.pk)
    assert (row["id"], row["state"], row["error"]) == (str(upload.pk), "registered", None)
    assert row["version"] == upload.version + 1
    assert (after.attempt, after.crc32, after.tries, after.error_code) == (2, "", 0, "")
    assert after.key == upload.key[:-1] + "2"
    assert list(Discard.objects.values_list("key", flat=True)) == [upload.key]
    assert after.events.get().event == "choose_again"


def test_what_a_dead_attempt_stored_is_kept_until_its_urls_are_dead(api, gallery):
    upload = make_upload(gallery, State.CANCELLED)

    api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size))

    kept_for = Discard.objects.get().not_before - timezone.now()
    assert timedelta(hours=1, minutes=14) < kept_for <= timedelta(hours=1, minutes=15)


@pytest.mark.parametrize(
    "code", ["not_an_image", "damaged_photo", "parts_missing", "gave_up", "storage_unavailable"]
)
def test_a_file_that_failed_for_another_reason_keeps_its_row(api, gallery, code):
    upload = make_upload(gallery, State.FAILED, error_code=code)

    row = api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size))[0]

    assert (row["state"], row["error"]["code"]) == ("failed", code)
    assert "transfer" not in row
    assert Upload.objects.get().attempt == 1


def test_chosen_again_twice_in_one_call_is_one_new_attempt(api, gallery):
    upload = make_upload(gallery, State.CANCELLED)
    file = file_out(client_id=upload.client_id, size=upload.size)

    first, second = api.batch(gallery, file, file)

    assert first["id"] == second["id"] == str(upload.pk)
    assert Upload.objects.get().attempt == 2


def test_progress_of_the_attempt_before_is_forgotten(api, gallery, django_capture_on_commit_callbacks):
    upload = make_upload(gallery, State.SIGNED)
    report = {"uploads": [[str(upload.pk), upload.size, 1]]}
    api.post(f"/galleries/{gallery.pk}/progress", report)
    api.cancel(upload.pk)

    with django_capture_on_commit_callbacks(execute=True):
        api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size))

    assert api.get(f"/galleries/{gallery.pk}").body["progress"]["bytes"] == 0


# --- deleted photos come back


def delete(api, photo: Photo) -> None:
    assert api.delete(f"/photos/{photo.pk}").status == 204


def choose_again(api, gallery: Gallery, photo: Photo, **fields: object) -> dict:
    upload = Upload.objects.get(pk=photo.upload_id)
    return api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size, **fields))[0]


def test_a_deleted_photo_chosen_again_within_a_day_comes_back_without_a_byte(api, gallery):
    photo = make_photo(gallery)
    delete(api, photo)

    row = choose_again(api, gallery, photo)

    assert (row["state"], row["photo_id"]) == ("verified", str(photo.pk))
    assert "transfer" not in row
    photo.refresh_from_db()
    gallery.refresh_from_db()
    assert (photo.status, photo.deleted_at) == (PhotoStatus.READY, None)
    assert (gallery.photo_count, gallery.byte_count) == (1, photo.size)


def test_a_deleted_photo_named_twice_in_one_call_comes_back_once(api, gallery):
    photo = make_photo(gallery)
    delete(api, photo)
    upload = Upload.objects.get(pk=photo.upload_id)
    file = file_out(client_id=upload.client_id, size=upload.size)

    api.batch(gallery, file, file)

    gallery.refresh_from_db()
    photo.refresh_from_db()
    assert (photo.status, photo.version) == (PhotoStatus.READY, 3)
    assert gallery.photo_count == 1


@pytest.mark.parametrize(("hours", "state"), [(23.99, "verified"), (24.01, "signed")])
def test_a_photo_deleted_a_day_ago_is_uploaded_anew(api, gallery, hours, state):
    photo = make_photo(gallery)
    delete(api, photo)
    Photo.objects.update(deleted_at=timezone.now() - timedelta(hours=hours))

    row = choose_again(api, gallery, photo)

    assert row["state"] == state
    assert ("transfer" in row) == (state == "signed")
    assert not Discard.objects.exists(), "its object belongs to the deleted photo"


def test_a_photo_long_gone_is_uploaded_anew(api, gallery):
    photo = make_photo(gallery)
    photo.delete()

    row = choose_again(api, gallery, photo)

    assert (row["state"], row["photo_id"]) == ("signed", None)


def test_a_deleted_photo_whose_bytes_came_back_otherwise_is_a_duplicate(api, gallery):
    photo = make_photo(gallery, content=b"the same bytes")
    delete(api, photo)
    twin = make_photo(gallery, content=b"the same bytes")

    row = choose_again(api, gallery, photo)

    assert row["error"]["code"] == "duplicate"
    assert row["error"]["details"] == {"photo_id": str(twin.pk)}


def test_a_deleted_photo_comes_back_beside_its_copy_when_that_is_wished(api, gallery):
    photo = make_photo(gallery, content=b"the same bytes")
    delete(api, photo)
    make_photo(gallery, content=b"the same bytes")

    row = choose_again(api, gallery, photo, allow_duplicate=True)

    assert (row["state"], row["error"]) == ("verified", None)
    assert Photo.objects.ready().count() == 2


# --- copies


def test_the_bytes_of_a_live_photo_are_a_duplicate(api, gallery):
    photo = make_photo(gallery, content=b"once is enough")

    row = api.batch(gallery, file_out(size=photo.size, crc32=photo.crc32))[0]

    assert (row["id"], row["state"]) == (None, "refused")
    assert row["error"]["code"] == "duplicate"
    assert row["error"]["details"] == {"photo_id": str(photo.pk)}


@pytest.mark.parametrize("status", [PhotoStatus.STAGED, PhotoStatus.READY])
def test_a_staged_photo_counts_as_live(api, gallery, status):
    photo = make_photo(gallery, status=status)

    row = api.batch(gallery, file_out(size=photo.size, crc32=photo.crc32))[0]

    assert row["error"]["code"] == "duplicate"


def test_a_copy_is_taken_when_it_is_wished(api, gallery):
    photo = make_photo(gallery)

    row = api.batch(gallery, file_out(size=photo.size, crc32=photo.crc32, allow_duplicate=True))[0]

    assert row["state"] == "signed"
    assert Upload.objects.get(pk=row["id"]).is_wanted_copy


def test_no_copy_are_other_sizes_other_galleries_deleted_photos_and_unknown_checksums(api, gallery, owner):
    photo = make_photo(gallery)
    elsewhere = make_gallery(owner)
    deleted = make_photo(gallery)
    delete(api, deleted)

    rows = [
        *api.batch(
            gallery,
            file_out(size=photo.size + 1, crc32=photo.crc32),
            file_out(size=photo.size),
            file_out(size=deleted.size, crc32=deleted.crc32),
        ),
        *api.batch(elsewhere, file_out(size=photo.size, crc32=photo.crc32)),
    ]

    assert [row["error"] for row in rows] == [None] * 4


def test_two_files_of_the_same_bytes_on_their_way_are_both_taken(api, gallery):
    """Neither is a photo yet, and the first may still fail: the end of verification decides."""
    crc32 = crc_of(b"twins")

    rows = api.batch(gallery, file_out(size=5, crc32=crc32), file_out(size=5, crc32=crc32))

    assert [row["error"] for row in rows] == [None, None]


# --- a full gallery


def test_a_full_gallery_takes_what_fits_and_no_more(api, gallery, settings):
    settings.MAX_GALLERY_PHOTOS = 3
    make_photo(gallery)

    rows = api.batch(gallery, *[file_out() for _ in range(4)], sign=False)

    assert [row["error"] and row["error"]["code"] for row in rows] == [
        None,
        None,
        "gallery_full",
        "gallery_full",
    ]


@pytest.mark.parametrize(("spare", "code"), [(-1, "gallery_full"), (0, None), (1, None)])
def test_bytes_are_reserved_to_the_last(api, gallery, settings, spare, code):
    settings.MAX_GALLERY_BYTES = 5_000 + spare

    rows = api.batch(gallery, file_out(size=3_000), file_out(size=2_000), sign=False)

    assert (rows[1]["error"] or {}).get("code") == code


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED, State.FAILED])
def test_room_is_given_back_by_every_end_but_success(api, gallery, settings, state):
    settings.MAX_GALLERY_PHOTOS = 1
    make_upload(gallery, state)

    assert api.batch(gallery, file_out())[0]["error"] is None


@pytest.mark.parametrize("state", [State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING])
def test_room_is_kept_for_what_is_on_its_way(api, gallery, settings, state):
    settings.MAX_GALLERY_PHOTOS = 1
    make_upload(gallery, state)

    assert api.batch(gallery, file_out())[0]["error"]["code"] == "gallery_full"


def test_a_full_gallery_still_answers_the_files_it_knows(api, gallery, settings):
    row = api.batch(gallery, file := file_out())[0]
    settings.MAX_GALLERY_PHOTOS = 1

    again = api.batch(gallery, file)[0]

    assert (again["id"], again["error"]) == (row["id"], None)


def test_a_deleted_photo_takes_its_room_again_when_it_comes_back(api, gallery, settings):
    photo = make_photo(gallery)
    delete(api, photo)
    make_upload(gallery, State.SIGNED)
    settings.MAX_GALLERY_PHOTOS = 1

    assert choose_again(api, gallery, photo)["error"]["code"] == "gallery_full"


# --- rounds


def test_a_round_begins_with_the_first_file_after_all_had_ended(api, gallery):
    api.batch(gallery, file_out(size=100))
    gallery.refresh_from_db()
    began = gallery.round_started_at

    api.batch(gallery, file_out(size=50))

    gallery.refresh_from_db()
    assert gallery.round_started_at == began
    progress = api.get(f"/galleries/{gallery.pk}").body["progress"]
    assert (progress["bytes_total"], progress["files"]) == (150, {"signed": 2})


def test_what_ended_before_is_no_part_of_the_next_round(api, gallery):
    make_photo(gallery)

    api.batch(gallery, file_out(size=50))

    progress = api.get(f"/galleries/{gallery.pk}").body["progress"]
    assert (progress["bytes_total"], progress["files"]) == (50, {"signed": 1})


def test_the_version_of_the_gallery_rises_once_a_call_and_not_at_all_for_nothing(api, gallery):
    file = file_out()
    api.batch(gallery, file, file_out(), sign=False)
    gallery.refresh_from_db()
    assert gallery.version == 2

    api.batch(gallery, file, sign=False)

    gallery.refresh_from_db()
    assert gallery.version == 2


def test_a_deleted_gallery_takes_nothing(api, gallery):
    gallery_id = gallery.pk
    api.delete(f"/galleries/{gallery_id}")

    answer = api.post(f"/galleries/{gallery_id}/uploads/batch", {"files": [file_out()]})

    assert (answer.status, answer.code) == (410, "gallery_deleted")


def test_an_unknown_gallery_is_not_found(api):
    answer = api.post(f"/galleries/{uuid.uuid4()}/uploads/batch", {"files": [file_out()]})

    assert (answer.status, answer.code) == (404, "not_found")
