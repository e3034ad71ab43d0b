"""POST /api/uploads/complete, cancel and retry."""

import uuid
import zlib
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.builders import MIB, file_out, make_gallery, make_photo, make_upload
from uploads import control
from uploads.crc32 import combine_parts
from uploads.errors import BYTES_ARE_BAD
from uploads.limits import MAX_GALLERY_PHOTOS
from uploads.models import Discard, Upload
from uploads.presign import Ask
from uploads.states import ENDED_STATES, State
from uploads.wire import known_errors

pytestmark = pytest.mark.django_db
RETRYABLE = sorted(code for code, error in known_errors().items() if error.retryable)
FINAL = ["not_an_image", "damaged_photo", "duplicate", "unsupported_format", "too_many_pixels"]


def stored(upload: Upload) -> Upload:
    return Upload.objects.get(pk=upload.pk)


# --- complete


def test_complete_hands_a_signed_upload_to_verification(api, gallery):
    upload = make_upload(gallery, State.SIGNED)

    answer = api.post("/uploads/complete", {"uploads": [{"id": str(upload.pk), "crc32": "cbf43926"}]})

    assert answer.status == 202
    row = answer.uploads[0]
    assert (row["id"], row["state"], row["version"], row["error"]) == (str(upload.pk), "uploaded", 2, None)
    assert stored(upload).crc32 == "cbf43926"


def test_completing_twice_is_harmless(api, gallery):
    upload = make_upload(gallery, State.SIGNED)

    rows = [api.complete({"id": str(upload.pk)})[0] for _ in range(2)]

    assert [(row["state"], row["version"], row["error"]) for row in rows] == [("uploaded", 2, None)] * 2
    assert stored(upload).events.count() == 1


def test_an_upload_named_twice_in_one_call_is_completed_once(api, gallery):
    upload = make_upload(gallery, State.SIGNED)

    rows = api.complete({"id": str(upload.pk), "crc32": "cbf43926"}, {"id": str(upload.pk)})

    assert [row["state"] for row in rows] == ["uploaded", "uploaded"]
    assert stored(upload).crc32 == "cbf43926"


@pytest.mark.parametrize(
    "state", [State.UPLOADED, State.VERIFYING, State.VERIFIED, State.FAILED, State.CANCELLED, State.EXPIRED]
)
def test_completing_later_answers_the_row_as_it_is(api, gallery, state):
    upload = make_upload(gallery, state)

    row = api.complete({"id": str(upload.pk)})[0]

    assert (row["state"], row["version"]) == (state, 1)


def test_what_was_never_signed_cannot_be_complete(api, gallery):
    upload = make_upload(gallery)

    row = api.complete({"id": str(upload.pk)})[0]

    assert (row["state"], row["error"]["code"]) == ("registered", "wrong_state")


def test_another_checksum_than_the_signed_one_is_a_conflict(api, gallery):
    upload = make_upload(gallery, State.SIGNED, crc32="cbf43926")

    row = api.complete({"id": str(upload.pk), "crc32": "00000000"})[0]

    assert (row["state"], row["error"]["code"]) == ("signed", "checksum_conflict")
    assert stored(upload).crc32 == "cbf43926"


def test_a_complete_without_a_checksum_uses_the_combination_of_the_parts(api, gallery):
    parts = [bytes(8 * MIB), bytes(8 * MIB), b"end"]
    crcs = {str(n): f"{zlib.crc32(part):08x}" for n, part in enumerate(parts, start=1)}
    upload = make_upload(gallery, State.SIGNED, size=16 * MIB + 3, part_crcs=crcs)

    api.complete({"id": str(upload.pk)})

    assert stored(upload).crc32 == f"{zlib.crc32(b''.join(parts)):08x}"


def test_a_whole_that_contradicts_its_parts_is_a_conflict(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=9 * MIB, part_crcs={"1": "00000001", "2": "00000002"})

    row = api.complete({"id": str(upload.pk), "crc32": "00000003"})[0]

    assert row["error"]["code"] == "checksum_conflict"


def test_parts_not_all_known_leave_the_checksum_to_the_worker(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=9 * MIB, part_crcs={"2": "00000002"})

    api.complete({"id": str(upload.pk)})

    assert (stored(upload).state, stored(upload).crc32) == ("uploaded", "")


def test_bytes_that_turn_out_to_be_a_copy_at_the_end_are_refused(api, gallery):
    photo = make_photo(gallery)
    upload = make_upload(gallery, State.SIGNED, size=photo.size)

    row = api.complete({"id": str(upload.pk), "crc32": photo.crc32})[0]

    assert (row["state"], row["error"]["code"]) == ("failed", "duplicate")
    assert row["error"]["details"] == {"photo_id": str(photo.pk)}
    assert Discard.objects.get().key == upload.key


def test_a_copy_known_by_its_parts_alone_is_refused_too(api, gallery):
    known = {"1": "00000001", "2": "00000002"}
    whole = combine_parts([("00000001", 8 * MIB), ("00000002", MIB)])
    photo = make_photo(gallery, size=9 * MIB, crc32=whole)
    upload = make_upload(gallery, State.SIGNED, size=9 * MIB, part_crcs=known)

    row = api.complete({"id": str(upload.pk)})[0]

    assert row["error"]["details"] == {"photo_id": str(photo.pk)}


def test_a_wished_copy_is_completed(api, gallery):
    photo = make_photo(gallery)
    upload = make_upload(gallery, State.SIGNED, size=photo.size, is_wanted_copy=True)

    assert api.complete({"id": str(upload.pk), "crc32": photo.crc32})[0]["state"] == "uploaded"


# --- cancel


@pytest.mark.parametrize(
    "state", [State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING, State.FAILED]
)
def test_cancelling_ends_an_upload_and_throws_away_what_it_stored(api, gallery, state):
    upload = make_upload(gallery, state, session="a" * 32)

    row = api.cancel(upload.pk)[0]

    assert (row["state"], row["error"], row["version"]) == ("cancelled", None, 2)
    discard = Discard.objects.get()
    assert (discard.key, discard.session) == (upload.key, "a" * 32)
    assert discard.not_before >= timezone.now() + timedelta(hours=1, minutes=14)


def test_a_photo_is_too_late_to_cancel(api, gallery):
    photo = make_photo(gallery)

    row = api.cancel(photo.upload_id)[0]

    assert (row["state"], row["error"]["code"], row["photo_id"]) == ("verified", "too_late", str(photo.pk))
    assert row["version"] == 1
    assert not Discard.objects.exists()


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_cancelling_what_has_ended_changes_nothing(api, gallery, state):
    upload = make_upload(gallery, state)

    row = api.cancel(upload.pk)[0]

    assert (row["state"], row["version"], row["error"]) == (state, 1, None)


def test_nothing_cancelled_comes_back_by_itself(api, gallery):
    upload = make_upload(gallery, State.SIGNED)
    api.cancel(upload.pk)

    rows = [
        api.sign({"id": str(upload.pk), "after_failure": True})[0],
        api.complete({"id": str(upload.pk)})[0],
        api.retry(upload.pk)[0],
    ]

    assert {row["state"] for row in rows} == {"cancelled"}
    assert not any("transfer" in row for row in rows)


def test_deleting_a_full_gallery_writes_its_uploads_in_few_statements_none_of_which_chooses_by_row(
    api, gallery
):
    """A CASE over all rows took the square of their number, and the database's one write lock as long."""
    first = make_upload(gallery, State.SIGNED)
    columns = [field.attname for field in Upload._meta.concrete_fields]
    alike = {name: getattr(first, name) for name in columns}
    Upload.objects.bulk_create(
        Upload(**{**alike, "id": uuid.uuid4(), "client_id": f"c-{number}", "version": 1 + number % 3})
        for number in range(MAX_GALLERY_PHOTOS - 1)
    )
    versions = sum(Upload.objects.values_list("version", flat=True))

    with CaptureQueriesContext(connection) as asked:
        assert api.delete(f"/galleries/{gallery.pk}").status == 204

    statements = [each["sql"] for each in asked.captured_queries]
    assert len(statements) <= 30
    assert not [sql for sql in statements if " CASE " in sql]
    ended = Upload.objects.filter(state=State.CANCELLED, ended_at__isnull=False, events__event="cancel")
    assert ended.count() == Discard.objects.count() == MAX_GALLERY_PHOTOS
    assert sum(Upload.objects.values_list("version", flat=True)) == versions + MAX_GALLERY_PHOTOS


def test_a_cancelled_row_in_hand_has_the_version_of_the_database(api, gallery):
    uploads = [make_upload(gallery, State.SIGNED, version=version) for version in (1, 7)]

    rows = api.cancel(*[upload.pk for upload in uploads])

    assert [row["version"] for row in rows] == [stored(upload).version for upload in uploads] == [2, 8]


# --- retry


@pytest.mark.parametrize("code", sorted(BYTES_ARE_BAD))
def test_a_retry_after_bad_bytes_is_a_new_attempt_with_a_transfer(api, gallery, code):
    upload = make_upload(gallery, State.FAILED, error_code=code, crc32="00000001", tries=1)

    row = api.retry(upload.pk)[0]

    after = stored(upload)
    assert (row["state"], row["error"]) == ("signed", None)
    assert f"/{upload.pk}/2?" in row["transfer"]["request"]["url"]
    assert (after.attempt, after.crc32, after.tries) == (2, "", 0)
    assert Discard.objects.get().key == upload.key


def test_a_retry_of_missing_parts_keeps_attempt_and_session_and_answers_what_is_missing(api, gallery):
    from tests.builders import put_part

    row = api.batch(gallery, file_out(size=20 * MIB))[0]
    upload = Upload.objects.get(pk=row["id"])
    put_part(upload, 1, bytes(8 * MIB))
    Upload.objects.update(state=State.FAILED, error_code="parts_missing")

    again = api.retry(upload.pk)[0]

    assert [part["number"] for part in again["transfer"]["parts"]] == [2, 3]
    assert again["transfer"]["stored"] == [1]
    assert (stored(upload).attempt, stored(upload).session) == (1, upload.session)


@pytest.mark.parametrize("code", sorted({*RETRYABLE} - BYTES_ARE_BAD - {"parts_missing", "session_gone"}))
def test_a_retry_where_the_bytes_are_good_sends_none(api, gallery, code):
    upload = make_upload(gallery, State.FAILED, error_code=code, tries=5)

    row = api.retry(upload.pk)[0]

    assert (row["state"], row["error"]) == ("uploaded", None)
    assert "transfer" not in row
    assert (stored(upload).attempt, stored(upload).tries) == (1, 0)


@pytest.mark.parametrize("code", FINAL)
def test_what_trying_again_cannot_mend_stays_failed(api, gallery, code):
    upload = make_upload(gallery, State.FAILED, error_code=code)

    row = api.retry(upload.pk)[0]

    assert (row["state"], row["error"]["code"], row["version"]) == ("failed", code, 1)
    assert row["error"]["retryable"] is False


@pytest.mark.parametrize("state", [*ENDED_STATES, State.UPLOADED, State.VERIFYING])
def test_retrying_what_has_not_failed_changes_nothing(api, gallery, state):
    if state == State.FAILED:
        return
    upload = make_upload(gallery, state)

    row = api.retry(upload.pk)[0]

    assert (row["state"], row["version"]) == (state, 1)


def test_retrying_twice_is_one_new_attempt(api, gallery):
    upload = make_upload(gallery, State.FAILED, error_code="checksum_mismatch")

    api.retry(upload.pk)
    api.retry(upload.pk)

    assert (stored(upload).attempt, stored(upload).state) == (2, "signed")


def test_a_retried_file_counts_in_the_round_it_begins(api, gallery):
    upload = make_upload(
        gallery,
        State.FAILED,
        error_code="gave_up",
        size=700,
        registered_at=timezone.now() - timedelta(days=1),
    )

    api.retry(upload.pk)

    gallery_out = api.get(f"/galleries/{gallery.pk}").body
    assert gallery_out["state"] == "processing"
    assert gallery_out["progress"]["files"] == {"uploaded": 1}
    assert gallery_out["progress"]["bytes_total"] == 700


def test_nothing_goes_on_in_a_deleted_gallery(api, gallery):
    upload = make_upload(gallery, State.FAILED, error_code="gave_up")
    api.delete(f"/galleries/{gallery.pk}")

    row = api.retry(upload.pk)[0]

    assert (row["state"], row["error"]["code"]) == ("failed", "gallery_deleted")


# --- all of them


@pytest.mark.parametrize("verb", ["complete", "cancel", "retry"])
def test_answers_come_in_the_order_of_the_request_with_unknown_ids_in_their_places(
    api, gallery, stranger, verb
):
    first, second = make_upload(gallery, State.SIGNED), make_upload(gallery, State.SIGNED)
    foreign = make_upload(make_gallery(stranger), State.SIGNED)
    ids = [str(second.pk), "no id at all", str(foreign.pk), str(uuid.uuid4()), str(first.pk), str(second.pk)]

    rows = api.complete(*[{"id": each} for each in ids]) if verb == "complete" else getattr(api, verb)(*ids)

    assert [row["id"] for row in rows] == ids
    assert [row["error"] and row["error"]["code"] for row in rows] == [
        None, "not_found", "not_found", "not_found", None, None,
    ]  # fmt: skip
    assert stored(foreign).version == 1


@pytest.mark.parametrize("verb", ["complete", "cancel", "retry"])
@pytest.mark.parametrize(("count", "status"), [(0, 200), (99, 200), (100, 200), (101, 413)])
def test_a_call_names_at_most_a_hundred(api, verb, count, status):
    ids = [str(uuid.uuid4())] * count
    body = {"uploads": [{"id": each} for each in ids]} if verb == "complete" else {"ids": ids}

    answer = api.post(f"/uploads/{verb}", body)

    assert answer.status == (202 if verb == "complete" and status == 200 else status)


@pytest.mark.parametrize("verb", ["complete", "cancel", "retry"])
@pytest.mark.parametrize("body", [{}, [], None, {"ids": None}, {"ids": "x"}, {"ids": [1]}, {"uploads": [{}]}])
def test_a_malformed_call_is_refused_whole(api, verb, body):
    answer = api.post(f"/uploads/{verb}", body)

    assert (answer.status, answer.code) == (422, "bad_request")


def test_one_call_raises_the_version_of_each_gallery_once(api, gallery, owner):
    other = make_gallery(owner)
    uploads = [make_upload(each, State.SIGNED) for each in (gallery, gallery, other)]

    api.complete(*[{"id": str(upload.pk)} for upload in uploads])

    for each in (gallery, other):
        each.refresh_from_db()
        assert each.version == 2


def test_an_ask_is_what_its_fields_say():
    ask = Ask(uuid.UUID(int=1))

    assert (ask.crc32, ask.after_failure, ask.part_crcs) == ("", False, None)
    assert control.needs_bytes(control.Outcome("x")) is False
