"""POST /api/uploads/sign: signed again, further, and after a failure."""

import shutil
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from galleries.objects.base import store_named
from tests.builders import MIB, crc_of, file_out, make_photo, make_upload, put_original, put_part
from uploads.lanes.base import lanes_of
from uploads.limits import MAX_FILE_BYTES, MAX_SIGNATURES_PER_ANSWER
from uploads.models import Discard, Upload
from uploads.states import State

pytestmark = pytest.mark.django_db
LARGE = 20 * MIB


@pytest.fixture
def large(api, gallery) -> Upload:
    """Three parts of which nothing is known yet, its session open."""
    row = api.batch(gallery, file_out(size=LARGE))[0]
    return Upload.objects.get(pk=row["id"])


def numbers(row: dict) -> list[int]:
    return [part["number"] for part in row["transfer"]["parts"]]


def test_signing_moves_a_registered_upload(api, gallery):
    upload = make_upload(gallery)

    row = api.sign({"id": str(upload.pk), "crc32": "cbf43926"})[0]

    assert (row["state"], row["version"], row["error"]) == ("signed", 2, None)
    assert row["transfer"]["request"]["headers"]["x-amz-checksum-crc32"] == "y/Q5Jg=="
    assert Upload.objects.get().crc32 == "cbf43926"


def test_signing_again_changes_no_version_and_keeps_the_row_alive(api, gallery):
    upload = make_upload(gallery, State.SIGNED, active_at=timezone.now() - timedelta(days=5))

    row = api.sign({"id": str(upload.pk)})[0]

    after = Upload.objects.get()
    assert (row["state"], row["version"]) == ("signed", 1)
    assert after.active_at > upload.active_at
    assert row["transfer"]["request"]["url"]


def test_a_signature_without_a_checksum_uses_the_one_that_is_kept(api, gallery):
    upload = make_upload(gallery, State.SIGNED, crc32="cbf43926")

    row = api.sign({"id": str(upload.pk)})[0]

    assert row["transfer"]["request"]["headers"]["x-amz-checksum-crc32"] == "y/Q5Jg=="


def test_another_checksum_for_the_same_attempt_is_a_conflict(api, gallery):
    upload = make_upload(gallery, State.SIGNED, crc32="cbf43926")

    row = api.sign({"id": str(upload.pk), "crc32": "00000000"})[0]

    assert row["error"]["code"] == "checksum_conflict"
    assert "transfer" not in row
    assert Upload.objects.get().crc32 == "cbf43926"


def test_answers_come_in_the_order_of_the_request_unknown_ids_among_them(
    api, gallery, stranger, stranger_api
):
    from tests.builders import make_gallery

    mine, other = make_upload(gallery), make_upload(gallery)
    foreign = make_upload(make_gallery(stranger))
    unknown = str(uuid.uuid4())

    rows = api.sign(
        {"id": str(other.pk)}, {"id": str(foreign.pk)}, {"id": unknown}, {"id": "no id"}, {"id": str(mine.pk)}
    )

    assert [row["id"] for row in rows] == [str(other.pk), str(foreign.pk), unknown, "no id", str(mine.pk)]
    missing = {"code": "not_found", "message": "There is nothing here.", "retryable": False}
    assert [row["error"] for row in rows] == [None, missing, missing, missing, None]
    assert set(rows[1]) == {"id", "error"}


@pytest.mark.parametrize(
    "state",
    [State.UPLOADED, State.VERIFYING, State.VERIFIED, State.FAILED, State.CANCELLED, State.EXPIRED],
)
def test_a_state_that_takes_no_bytes_answers_its_row_without_a_transfer(api, gallery, state):
    upload = make_upload(gallery, state)

    row = api.sign({"id": str(upload.pk)})[0]

    assert row["state"] == state
    assert "transfer" not in row


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 413)])
def test_a_call_names_at_most_a_hundred_uploads(api, count, status):
    answer = api.post("/uploads/sign", {"uploads": [{"id": str(uuid.uuid4())}] * count})

    assert answer.status == status


def test_the_same_upload_twice_in_one_call_is_answered_twice(api, gallery):
    upload = make_upload(gallery)

    first, second = api.sign({"id": str(upload.pk)}, {"id": str(upload.pk)})

    assert first["id"] == second["id"]
    assert first["state"] == second["state"] == "signed"


def test_bytes_that_turn_out_to_be_a_copy_are_refused_before_they_are_sent(api, gallery):
    photo = make_photo(gallery)
    upload = make_upload(gallery, size=photo.size)

    row = api.sign({"id": str(upload.pk), "crc32": photo.crc32})[0]

    assert (row["state"], row["error"]["code"]) == ("failed", "duplicate")
    assert row["error"]["details"] == {"photo_id": str(photo.pk)}
    assert "transfer" not in row


def test_a_wished_copy_is_signed(api, gallery):
    photo = make_photo(gallery)
    upload = make_upload(gallery, size=photo.size, is_wanted_copy=True)

    row = api.sign({"id": str(upload.pk), "crc32": photo.crc32})[0]

    assert row["state"] == "signed"


def test_the_session_and_bytes_of_a_copy_are_let_go(api, gallery):
    photo = make_photo(gallery)
    upload = make_upload(gallery, State.SIGNED, size=photo.size)

    api.sign({"id": str(upload.pk), "crc32": photo.crc32})

    assert Discard.objects.get().key == upload.key


# --- after a failure


def test_after_a_failure_a_file_that_arrived_is_uploaded_and_needs_no_transfer(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=5)
    put_original(upload, b"bytes")

    row = api.sign({"id": str(upload.pk), "after_failure": True})[0]

    assert (row["state"], row["error"]) == ("uploaded", None)
    assert "transfer" not in row


def test_without_a_failure_nobody_looks(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=5)
    put_original(upload, b"bytes")

    row = api.sign({"id": str(upload.pk)})[0]

    assert row["state"] == "signed"


@pytest.mark.parametrize("content", [None, b"byte", b"bytess"])
def test_after_a_failure_a_file_that_is_not_there_whole_gets_a_fresh_url(api, gallery, content):
    upload = make_upload(gallery, State.SIGNED, size=5)
    if content is not None:
        put_original(upload, content)

    row = api.sign({"id": str(upload.pk), "after_failure": True})[0]

    assert row["state"] == "signed"
    assert row["transfer"]["lane"] == "put"


def test_asking_after_a_failure_twice_is_harmless(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=5)
    put_original(upload, b"bytes")

    rows = [api.sign({"id": str(upload.pk), "after_failure": True})[0] for _ in range(2)]

    assert [row["state"] for row in rows] == ["uploaded", "uploaded"]
    assert Upload.objects.get().version == 2


@pytest.mark.parametrize(("state", "look_count"), [(State.SIGNED, 1), (State.REGISTERED, 0)])
def test_only_a_file_whose_address_was_given_is_looked_for(api, gallery, monkeypatch, state, look_count):
    upload = make_upload(gallery, state)
    looked: list[str] = []
    store = type(store_named("local"))
    find = store.find
    monkeypatch.setattr(store, "find", lambda self, key: looked.append(key) or find(self, key))

    row = api.sign({"id": str(upload.pk), "after_failure": True})[0]

    assert looked == [upload.key] * look_count
    assert (row["state"], row["transfer"]["lane"]) == ("signed", "put")


def test_a_store_that_is_away_is_an_answer_for_that_file_alone(api, gallery):
    fine = make_upload(gallery)
    broken = make_upload(gallery, State.SIGNED)
    # The store's folder is a file: it answers, but not to this.
    root = settings.STORAGES["local"]["OPTIONS"]["location"]
    root.mkdir(parents=True, exist_ok=True)
    (root / "originals").mkdir()
    folder = root / broken.key.rpartition("/")[0]
    folder.parent.mkdir(parents=True)
    folder.symlink_to(folder)  # a loop

    rows = api.sign({"id": str(broken.pk), "after_failure": True}, {"id": str(fine.pk)})

    assert rows[1]["error"] is None
    assert rows[0]["error"] is None or rows[0]["error"]["code"] == "storage_unavailable"


# --- parts


def test_a_store_may_name_its_sessions_at_any_length(api, gallery, monkeypatch):
    """Cloudflare R2 takes more than 320 characters: https://github.com/s3fs-fuse/s3fs-fuse/issues/2095."""
    named = "x" * 2_000
    monkeypatch.setattr(type(lanes_of("local")), "create_multipart", lambda *_, **__: named)

    row = api.batch(gallery, file_out(size=LARGE))[0]
    api.cancel(row["id"])

    upload, discard = Upload.objects.get(pk=row["id"]), Discard.objects.get()
    assert (upload.session, discard.session) == (named, named)
    for each in (upload, discard):  # what PostgreSQL refuses, and SQLite would take
        each.clean_fields()


def test_the_next_window_are_the_parts_that_are_missing(api, large):
    put_part(large, 2, bytes(8 * MIB))

    row = api.sign({"id": str(large.pk)})[0]

    assert numbers(row) == [1, 3]
    assert row["transfer"]["stored"] == [2]


def test_a_part_of_another_size_is_not_stored(api, large):
    put_part(large, 2, bytes(8 * MIB - 1))

    row = api.sign({"id": str(large.pk)})[0]

    assert numbers(row) == [1, 2, 3]


def test_named_parts_alone_are_signed_in_the_order_they_are_named(api, large):
    row = api.sign({"id": str(large.pk), "parts": [{"number": 3, "crc32": "00000003"}, {"number": 1}]})[0]

    parts = row["transfer"]["parts"]
    assert [part["number"] for part in parts] == [3, 1]
    assert parts[0]["request"]["headers"] == {"x-amz-checksum-crc32": "AAAAAw=="}
    assert parts[1]["request"]["headers"] == {}


def test_a_part_without_a_checksum_uses_the_one_last_signed(api, large):
    api.sign({"id": str(large.pk), "parts": [{"number": 2, "crc32": "00000002"}]})

    row = api.sign({"id": str(large.pk), "parts": [{"number": 2}]})[0]

    assert row["transfer"]["parts"][0]["request"]["headers"] == {"x-amz-checksum-crc32": "AAAAAg=="}


def test_after_a_failure_named_parts_are_signed_less_what_is_stored(api, large):
    put_part(large, 1, bytes(8 * MIB))

    row = api.sign({"id": str(large.pk), "after_failure": True, "parts": [{"number": 1}, {"number": 2}]})[0]

    assert numbers(row) == [2]
    assert row["transfer"]["stored"] == [1]


def test_after_a_failure_all_parts_stored_is_uploaded(api, large):
    for number, size in ((1, 8 * MIB), (2, 8 * MIB), (3, 4 * MIB)):
        put_part(large, number, bytes(size))

    row = api.sign({"id": str(large.pk), "after_failure": True, "parts": [{"number": 3}]})[0]

    assert row["state"] == "uploaded"
    assert "transfer" not in row


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (-1, "bad_part_number"),
        (0, "bad_part_number"),
        (1, None),
        (3, None),
        (4, "bad_part_number"),
        (10_001, "bad_part_number"),
        (10**30, "bad_part_number"),
    ],
)
def test_part_numbers_outside_the_plan_are_refused(api, large, number, code):
    row = api.sign({"id": str(large.pk), "parts": [{"number": number}]})[0]

    assert (row["error"] or {}).get("code") == code


def test_a_bad_part_number_in_a_second_ask_of_the_same_upload_is_refused(api, large):
    answer = api.post(
        "/uploads/sign",
        {"uploads": [
            {"id": str(large.pk), "parts": [{"number": 1}]},
            {"id": str(large.pk), "parts": [{"number": 99}]},
        ]},
    )  # fmt: skip

    assert answer.status == 200
    assert "bad_part_number" in str(answer.body)


def test_a_file_of_one_put_has_no_parts_to_remember(api, gallery):
    upload = make_upload(gallery)

    row = api.sign({"id": str(upload.pk), "parts": [{"number": 77, "crc32": "00000001"}]})[0]

    assert (row["error"] or {}).get("code") in {None, "bad_part_number"}
    assert Upload.objects.get().part_crcs == {}


def test_signatures_are_shared_in_the_order_of_the_asks(api, gallery):
    uploads = [make_upload(gallery, size=MAX_FILE_BYTES) for _ in range(5)]

    rows = api.sign(*[{"id": str(upload.pk)} for upload in reversed(uploads)])

    assert [len(numbers(row)) for row in rows] == [256, 256, 256, 232, 0]


def signatures_of(rows: list[dict]) -> list[int]:
    """In each answer: one URL for a file sent whole or a session, one for each part."""
    return [len(row["transfer"].get("parts", "1")) for row in rows]


def test_an_answer_holds_a_thousand_signatures_whatever_goes_by_parts(api, gallery):
    """A file sent whole has its one; what goes by parts has what these leave."""
    large = [make_upload(gallery, size=MAX_FILE_BYTES) for _ in range(5)]
    small = [make_upload(gallery) for _ in range(94)]
    session = make_upload(gallery, lane="resumable")

    rows = api.sign(*[{"id": str(upload.pk)} for upload in [*large, *small, session]])

    assert signatures_of(rows) == [256, 256, 256, 137, 0] + [1] * 95
    assert sum(signatures_of(rows)) == MAX_SIGNATURES_PER_ANSWER


def test_files_that_need_no_signature_have_none_kept_for_them(api, gallery):
    large = [make_upload(gallery, size=MAX_FILE_BYTES) for _ in range(4)]
    ended = [make_upload(gallery, State.CANCELLED) for _ in range(10)]

    rows = api.sign(*[{"id": str(upload.pk)} for upload in [*large, *ended]])

    assert [len(numbers(row)) for row in rows[:4]] == [256, 256, 256, 232]


def test_a_batch_answers_with_a_thousand_signatures_too(api, gallery):
    files = [file_out(size=MAX_FILE_BYTES) for _ in range(4)] + [file_out() for _ in range(96)]

    rows = api.batch(gallery, *files)

    assert signatures_of(rows) == [256, 256, 256, 136] + [1] * 96


def test_a_session_is_opened_once_and_kept(api, gallery):
    upload = make_upload(gallery, size=LARGE)
    api.sign({"id": str(upload.pk)})
    session = Upload.objects.get().session

    api.sign({"id": str(upload.pk)}, {"id": str(upload.pk), "parts": [{"number": 1}]})

    assert session
    assert Upload.objects.get().session == session


def open_sessions() -> set[str]:
    return {each.session for each in lanes_of("local").list_sessions("originals/")}


def kept_sessions() -> set[str]:
    named = {
        *Upload.objects.values_list("session", flat=True),
        *Discard.objects.values_list("session", flat=True),
    }
    return named - {""}


@pytest.mark.parametrize(
    "asks",
    [
        [{}, {}],
        [{"parts": [{"number": 99}]}],
        [{"crc32": "00000001"}, {"crc32": "00000002"}],
    ],
    ids=["twice in a call", "a bad part number", "two checksums"],
)
def test_no_session_is_opened_that_nobody_names(api, gallery, asks):
    upload = make_upload(gallery, size=LARGE, crc32="00000009" if len(asks) == 2 and asks[0] else "")

    api.sign(*[{"id": str(upload.pk), **ask} for ask in asks])

    assert open_sessions() == kept_sessions()


def test_a_session_the_store_has_forgotten_is_made_anew_on_the_same_attempt(api, large):
    shutil.rmtree(settings.STORAGES["local"]["OPTIONS"]["location"] / ".multipart" / large.session)

    row = api.sign({"id": str(large.pk), "after_failure": True})[0]

    after = Upload.objects.get()
    assert numbers(row) == [1, 2, 3]
    assert after.attempt == 1
    assert after.session not in {"", large.session}


def test_a_session_that_was_completed_is_recognised_by_its_object(api, gallery):
    upload = make_upload(gallery, State.SIGNED, size=9 * MIB, session="f" * 32)
    put_original(upload, bytes(9 * MIB))

    row = api.sign({"id": str(upload.pk), "after_failure": True})[0]

    assert row["state"] == "uploaded"


def test_wrong_types_refuse_the_call(api, gallery):
    upload = make_upload(gallery)

    for wrong in (
        {"id": 7}, {"crc32": "xyz"}, {"after_failure": "yes"}, {"parts": {}}, {"parts": [{"number": "1"}]},
        {"parts": [{"number": 1.0}]}, {"parts": [{"crc32": "00000000"}]}, {"parts": [{"number": True}]},
    ):  # fmt: skip
        answer = api.post("/uploads/sign", {"uploads": [{"id": str(upload.pk), **wrong}]})
        assert (answer.status, answer.code) == (422, "bad_request"), wrong


def test_a_signature_given_without_a_checksum_is_remembered_as_such(api, large):
    """A URL that any bytes fit could still write after completion: such a file is bound by a copy."""
    from uploads.verify import is_bound_by_signature

    known = [{"number": number, "crc32": crc_of(b"x")} for number in (1, 2, 3)]
    api.sign({"id": str(large.pk), "parts": known})

    assert not is_bound_by_signature(Upload.objects.get()), "the batch gave URLs without checksums"


def test_a_file_whose_every_url_named_its_checksum_needs_no_copy(api, gallery):
    from uploads.verify import is_bound_by_signature

    row = api.batch(gallery, file_out(size=LARGE), sign=False)[0]
    api.sign(
        {"id": row["id"], "parts": [{"number": 1, "crc32": "00000001"}, {"number": 2, "crc32": "00000002"}]}
    )
    api.sign({"id": row["id"], "parts": [{"number": 3, "crc32": "00000003"}]})

    assert is_bound_by_signature(Upload.objects.get())


def test_a_part_signed_for_other_bytes_before_is_bound_by_a_copy(api, gallery):
    """The URL of the first signature still fits its bytes, also when the file is complete with others."""
    from uploads.verify import is_bound_by_signature

    row = api.batch(gallery, file_out(size=LARGE), sign=False)[0]
    known = [{"number": number, "crc32": f"0000000{number}"} for number in (1, 2, 3)]
    api.sign({"id": row["id"], "parts": known})
    api.sign({"id": row["id"], "parts": [{"number": 1, "crc32": "0000000f"}]})

    assert not is_bound_by_signature(Upload.objects.get())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("was_cancelled", [True, False])
@pytest.mark.parametrize("lane", ["multipart", "resumable"])
def test_a_file_begun_anew_while_the_store_is_asked_is_told_to_ask_again(
    api, gallery, monkeypatch, lane, was_cancelled
):
    """What was seen or opened belongs to the attempt before; the others of the call go on."""
    declared = file_out(size=LARGE, lane=lane)
    [row] = api.batch(gallery, declared, sign=False)
    [other] = api.batch(gallery, file_out(), sign=False)
    if was_cancelled:
        api.post("/uploads/cancel", {"ids": [row["id"]]})

    def begin_anew(point: str) -> None:
        if point == "sign.after_sessions":
            monkeypatch.undo()
            if not was_cancelled:
                api.post("/uploads/cancel", {"ids": [row["id"]]})
            api.batch(gallery, declared, sign=False)

    monkeypatch.setattr("uploads.presign.crash_points.reached", begin_anew)
    answers = api.sign({"id": row["id"]}, {"id": other["id"]})

    assert [answer["error"] and answer["error"]["code"] for answer in answers] == ["session_gone", None]
    assert answers[1]["transfer"]
    assert open_sessions() <= kept_sessions()
    assert api.sign({"id": row["id"]})[0]["transfer"]["lane"] == lane
