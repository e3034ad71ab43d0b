"""The resumable lane through the API: one session for one file, wherever it stops, and no trace of its URI."""

import hashlib
import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tests.builders import (
    MIB,
    crc_of,
    file_out,
    jpeg,
    make_photo,
    make_upload,
    put_original,
    report_bytes,
)
from tests.cast import bearer_api
from tests.faults.at_once import at_once
from uploads.errors import PartsMissing, SessionGone
from uploads.janitor.leftovers import throw_away
from uploads.lanes.base import lanes_of
from uploads.limits import ADOPT_AFTER, KIB, UPLOAD_LIFE
from uploads.models import Discard, Upload
from uploads.presign import look
from uploads.resumable import initiate_resumable
from uploads.sealing import seal, unseal
from uploads.states import State
from uploads.sweep import only as sweep_only
from uploads.sweep import sweep
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db
PHOTO = jpeg(7, width=640, height=480)
SIZE = len(PHOTO)


def declared(content: bytes = PHOTO, **fields) -> dict:
    return file_out(size=len(content), lane="resumable", **fields)


def begun(api, gallery, content: bytes = PHOTO, **fields) -> dict:
    [row] = api.batch(gallery, declared(content, **fields))
    return row


def row_of(answer: dict) -> Upload:
    return Upload.objects.get(pk=answer["id"])


def send(upload: Upload, first: int, last: int, content: bytes = PHOTO) -> None:
    """What a client's chunk leaves in the store, once it was answered."""
    session = lanes_of("local").sessions.find(unseal(upload.sealed_session), now_s=0)
    with session.writer(first) as writer:
        writer.write([content[first : last + 1]])
        writer.end()


def forget_sessions(folder: Path) -> None:
    shutil.rmtree(folder / "objects" / ".resumable")


# --- one session for one file


def test_a_batch_begins_a_session_and_says_where(api, gallery):
    row = begun(api, gallery)

    transfer = row["transfer"]
    assert (row["state"], row["error"]) == ("signed", None)
    assert set(transfer) == {"lane", "session_uri", "chunk_size", "offset"}
    assert (transfer["lane"], transfer["chunk_size"], transfer["offset"]) == ("resumable", 8 * MIB, 0)
    assert transfer["session_uri"].startswith("/-/objects/sessions/")


def test_a_chunk_is_a_multiple_of_what_google_wants(api, gallery):
    assert begun(api, gallery)["transfer"]["chunk_size"] % (256 * KIB) == 0


@pytest.mark.parametrize("size", [1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 100 * MIB])
def test_a_file_of_any_size_may_prefer_to_be_resumable(api, gallery, size):
    [row] = api.batch(gallery, file_out(size=size, lane="resumable"))

    assert row["transfer"]["lane"] == "resumable"


def test_without_a_wish_no_file_is_resumable_where_the_store_takes_parts(api, gallery):
    small, large = api.batch(gallery, file_out(size=1), file_out(size=9 * MIB))

    assert (small["transfer"]["lane"], large["transfer"]["lane"]) == ("put", "multipart")


def test_a_hundred_sessions_are_begun_in_one_call(api, gallery):
    rows = api.batch(gallery, *[declared() for _ in range(100)])

    assert len({row["transfer"]["session_uri"] for row in rows}) == 100


def test_progress_whose_client_is_gone_comes_back_from_the_offset_of_the_session(api, gallery, redis_server):
    upload = row_of(begun(api, gallery))
    forgotten = row_of(begun(api, gallery, client_id="forgotten"))
    send(upload, 0, 999)
    report_bytes(upload, 1_000)
    report_bytes(forgotten, 500)
    lanes_of("local").cancel_resumable(unseal(forgotten.sealed_session))
    redis_server.forget_everything()

    sweep_only("recollections")

    totals = api.get(f"/galleries/{gallery.pk}").body["progress"]
    assert (totals["bytes"], totals["files"]) == (1_000, {"uploading": 1, "signed": 1})


def test_a_batch_that_only_registers_begins_no_session(api, gallery):
    [row] = api.batch(gallery, declared(), sign=False)

    assert (row["state"], "transfer" in row) == ("registered", False)
    assert row_of(row).sealed_session == ""
    assert api.sign({"id": row["id"]})[0]["transfer"]["lane"] == "resumable"


def test_the_same_file_goes_on_in_the_same_session_from_where_it_is(api, gallery):
    file = declared()
    [first] = api.batch(gallery, file)
    send(row_of(first), 0, 999)

    [by_batch] = api.batch(gallery, file)
    send(row_of(first), 1000, 1499)
    [by_sign] = api.sign({"id": first["id"]})
    [after_failure] = api.sign({"id": first["id"], "after_failure": True})

    uris = {each["transfer"]["session_uri"] for each in (first, by_batch, by_sign, after_failure)}
    assert uris == {first["transfer"]["session_uri"]}
    assert [each["transfer"]["offset"] for each in (by_batch, by_sign, after_failure)] == [1000, 1500, 1500]
    assert {each["version"] for each in (by_batch, by_sign, after_failure)} == {first["version"]}


def test_the_same_upload_twice_in_one_call_has_one_session(api, gallery):
    [row] = api.batch(gallery, declared(), sign=False)

    first, second = api.sign({"id": row["id"]}, {"id": row["id"]})

    assert first["transfer"] == second["transfer"]
    assert not Discard.objects.exists()


@pytest.mark.parametrize("after_failure", [False, True])
def test_a_whole_file_needs_no_transfer(api, gallery, after_failure):
    row = begun(api, gallery)
    send(row_of(row), 0, SIZE - 1)

    [signed] = api.sign({"id": row["id"], "after_failure": after_failure})

    assert (signed["state"], "transfer" in signed) == ("uploaded", False)


def test_a_session_that_is_gone_is_begun_anew_on_the_same_attempt(api, gallery, data_dir):
    row = begun(api, gallery)
    send(row_of(row), 0, 999)
    forget_sessions(data_dir)

    [signed] = api.sign({"id": row["id"], "after_failure": True})

    assert signed["transfer"]["session_uri"] != row["transfer"]["session_uri"]
    assert signed["transfer"]["offset"] == 0
    after = row_of(row)
    assert (after.attempt, after.key) == (1, Upload.objects.get().key)
    assert unseal(after.sealed_session) == signed["transfer"]["session_uri"]


def test_a_session_gone_whose_object_is_there_is_whole(api, gallery, data_dir):
    row = begun(api, gallery)
    put_original(row_of(row), PHOTO)
    forget_sessions(data_dir)

    [signed] = api.sign({"id": row["id"], "after_failure": True})

    assert signed["state"] == "uploaded"


@pytest.mark.django_db(transaction=True)
def test_a_session_begun_by_two_calls_at_once_is_the_first_one_s(api, gallery, monkeypatch):
    """The other's is let go, unseen by any client."""
    [row] = api.batch(gallery, declared(), sign=False)
    upload = row_of(row)
    rival = initiate_resumable(upload, page_origin=settings.SITE_URL)

    def be_faster() -> None:
        Upload.objects.filter(pk=upload.pk).update(sealed_session=rival)
        connection.close()

    def begin_while_another_does(*args, **more):
        with ThreadPoolExecutor(1) as another:
            another.submit(be_faster).result()
        return initiate_resumable(*args, **more)

    monkeypatch.setattr("uploads.presign.initiate_resumable", begin_while_another_does)
    [signed] = api.sign({"id": row["id"]})

    assert signed["transfer"]["session_uri"] == unseal(rival)
    [unused] = Discard.objects.all()
    assert unseal(unused.sealed_session) != unseal(rival)
    assert throw_away([unused]) == [unused]
    assert look(row_of(row)).offset_bytes == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_signs_at_once_all_name_one_session(owner, gallery):
    """What the others have begun is let go, and every one of them is known."""
    callers = [bearer_api(owner) for _ in range(6)]
    [row] = callers[0].batch(gallery, declared(), sign=False)

    answers = at_once([lambda api=api: api.sign({"id": row["id"]})[0] for api in callers])

    [uri] = {each["transfer"]["session_uri"] for each in answers}
    assert unseal(row_of(row).sealed_session) == uri
    let_go = {unseal(each.sealed_session) for each in Discard.objects.all()}
    assert uri not in let_go
    assert len(let_go) + 1 == len(list((lanes_of("local").store.root / ".resumable").iterdir()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(3))
def test_a_sign_and_a_cancel_at_once_leave_no_session_unknown(owner, gallery, number):
    signer, canceller = bearer_api(owner), bearer_api(owner)
    [row] = signer.batch(gallery, declared(), sign=False)

    at_once([lambda: signer.sign({"id": row["id"]}), lambda: canceller.cancel(row["id"])])

    assert row_of(row).state == State.CANCELLED
    known = {unseal(each.sealed_session) for each in Discard.objects.exclude(sealed_session="")}
    opened = lanes_of("local").store.root / ".resumable"
    assert len(known) == (len(list(opened.iterdir())) if opened.exists() else 0)


def test_a_copy_of_a_photo_begins_no_way(api, gallery):
    photo = make_photo(gallery, content=PHOTO)

    row = begun(api, gallery, crc32=photo.crc32)

    assert row["error"]["code"] == "duplicate"


def test_a_stranger_sees_no_session(api, stranger_api, gallery):
    row = begun(api, gallery)

    [foreign] = stranger_api.sign({"id": row["id"]})

    assert foreign["error"]["code"] == "not_found"
    assert "transfer" not in foreign


# --- the origin of the page


@pytest.mark.parametrize(
    ("claimed", "is_ours"),
    [
        ("http://127.0.0.1:8000", True),
        ("https://elsewhere.example.org", False),
        ("null", False),
        (None, False),
    ],
)
def test_a_session_is_for_the_page_that_asked_if_it_is_ours(api, gallery, data_dir, claimed, is_ours):
    if claimed is not None:
        api.headers["Origin"] = claimed

    row = begun(api, gallery)

    plan = lanes_of("local").sessions.find(row["transfer"]["session_uri"], now_s=0).plan
    assert plan.origin == (claimed if is_ours else settings.SITE_URL)


# --- what the store has


def stored_of(api, row) -> dict:
    return api.get(f"/uploads/{row['id']}").body["stored"]


@pytest.mark.parametrize(
    ("sent_bytes", "status"), [(0, "in_progress"), (1, "in_progress"), (SIZE - 1, "in_progress"), (SIZE, "complete")]
)  # fmt: skip
def test_the_status_says_what_the_store_has_and_changes_nothing(api, gallery, sent_bytes, status):
    row = begun(api, gallery)
    if sent_bytes:
        send(row_of(row), 0, sent_bytes - 1)
    before = Upload.objects.values().get()

    stored = stored_of(api, row)

    assert stored == {"status": status, "bytes": sent_bytes, "parts": []}
    assert Upload.objects.values().get() == before


def test_the_status_of_a_session_gone_is_expired(api, gallery, data_dir):
    row = begun(api, gallery)
    forget_sessions(data_dir)

    assert stored_of(api, row) == {"status": "expired", "bytes": 0, "parts": []}


def test_before_the_first_session_nothing_is_stored(api, gallery):
    [row] = api.batch(gallery, declared(), sign=False)

    assert stored_of(api, row) == {"status": "in_progress", "bytes": 0, "parts": []}


# --- ends


@pytest.mark.parametrize("end", ["cancel", "expire", "gallery", "object_missing", "chosen again"])
def test_every_end_lets_the_session_go_and_the_sweeper_cancels_it(api, gallery, data_dir, end):
    file = declared()
    [row] = api.batch(gallery, file)
    send(row_of(row), 0, 999)
    uri = row["transfer"]["session_uri"]

    match end:
        case "cancel":
            api.cancel(row["id"])
        case "expire":
            long_ago = timezone.now() - UPLOAD_LIFE - timedelta(hours=1)
            Upload.objects.update(active_at=long_ago, looked_at=long_ago, seen_bytes=1_000)
            sweep()
            assert row_of(row).state == State.EXPIRED
        case "gallery":
            api.delete(f"/galleries/{gallery.pk}")
        case "object_missing":
            Upload.objects.update(state=State.FAILED, error_code="object_missing", ended_at=timezone.now())
            [again] = api.retry(row["id"])
            assert again["transfer"]["session_uri"] != uri
        case "chosen again":
            Upload.objects.update(state=State.EXPIRED, ended_at=timezone.now())
            [again] = api.batch(gallery, file)
            assert again["transfer"]["session_uri"] != uri
    [let_go] = Discard.objects.all()
    assert unseal(let_go.sealed_session) == uri

    assert throw_away([let_go]) == [let_go]

    assert not is_alive(uri)


def is_alive(uri: str) -> bool:
    try:
        lanes_of("local").sessions.find(uri, now_s=0)
    except SessionGone:
        return False
    return True


def test_a_session_sealed_with_a_forgotten_secret_is_let_go_of_all_the_same(gallery, settings):
    upload = make_upload(
        gallery, State.CANCELLED, lane="resumable", sealed_session=seal("/-/objects/sessions/x")
    )
    discard = Discard.objects.create(
        store="local", key=upload.key, sealed_session=upload.sealed_session, not_before=timezone.now()
    )
    settings.SECRET_KEY = "another"

    assert throw_away([discard]) == [discard]


def test_an_upload_of_a_forgotten_secret_goes_on_in_a_new_session(api, gallery, settings):
    row = begun(api, gallery)
    sealed = row_of(row).sealed_session
    settings.SECRET_KEY_FALLBACKS = []
    Upload.objects.update(sealed_session=sealed[:-4] + "AAAA")

    [signed] = api.sign({"id": row["id"]})

    assert signed["transfer"]["session_uri"] != row["transfer"]["session_uri"]
    assert signed["transfer"]["offset"] == 0


def test_replacing_the_secret_keeps_the_session(api, gallery, settings):
    row = begun(api, gallery)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next secret"

    assert unseal(row_of(row).sealed_session) == row["transfer"]["session_uri"]


# --- to the photo


def test_a_whole_session_becomes_a_photo_read_once_and_not_copied(api, gallery, developer):
    row = begun(api, gallery, crc32=crc_of(PHOTO))
    send(row_of(row), 0, 999)
    send(row_of(row), 1000, SIZE - 1)
    api.complete({"id": row["id"]})

    work_off(developer)

    upload = row_of(row)
    assert (upload.state, upload.photo.key) == (State.VERIFIED, upload.key)
    assert upload.photo.sha256 == hashlib.sha256(PHOTO).hexdigest()


def work_off(developer) -> None:
    with transaction.atomic():
        upload = claim_next()
    assert upload is not None
    verify(upload, developer)


def test_a_file_completed_too_early_goes_on_where_it_stopped(api, gallery, developer):
    row = begun(api, gallery)
    send(row_of(row), 0, 999)
    api.complete({"id": row["id"]})
    work_off(developer)
    failed = row_of(row)

    [again] = api.retry(row["id"])

    assert (failed.state, failed.error_code) == (State.FAILED, PartsMissing.code)
    assert failed.error_details == {"stored_bytes": 1000}
    assert again["transfer"]["session_uri"] == row["transfer"]["session_uri"]
    assert (again["transfer"]["offset"], row_of(row).attempt) == (1000, 1)


def test_bytes_that_do_not_match_their_checksum_fail_and_are_sent_again_elsewhere(api, gallery, developer):
    row = begun(api, gallery, crc32="00000000")
    send(row_of(row), 0, SIZE - 1)
    api.complete({"id": row["id"]})
    work_off(developer)

    [again] = api.retry(row["id"])

    assert row_of(row).attempt == 2
    assert again["transfer"]["session_uri"] != row["transfer"]["session_uri"]


def test_the_sweeper_adopts_a_whole_file_whose_complete_never_came(api, gallery):
    row = begun(api, gallery)
    send(row_of(row), 0, SIZE - 1)

    Upload.objects.update(url_expires_at=timezone.now() - ADOPT_AFTER - timedelta(seconds=1))

    sweep()

    assert row_of(row).state == State.UPLOADED


def test_the_sweeper_leaves_half_a_file_to_its_sender(api, gallery):
    row = begun(api, gallery)
    send(row_of(row), 0, SIZE - 2)
    Upload.objects.update(url_expires_at=timezone.now() - ADOPT_AFTER - timedelta(seconds=1))

    sweep()

    assert row_of(row).state == State.SIGNED
    assert look(row_of(row)).offset_bytes == SIZE - 1


# --- the URI is a secret


def test_no_column_and_no_line_of_the_log_holds_the_uri(api, gallery, caplog, data_dir):
    caplog.set_level(logging.DEBUG)
    kept = begun(api, gallery)
    ended = begun(api, gallery)
    api.cancel(ended["id"])
    api.sign({"id": kept["id"], "after_failure": True})
    stored_of(api, kept)
    api.get(f"/galleries/{gallery.pk}/uploads")
    tokens = [each["transfer"]["session_uri"].rpartition("/")[2] for each in (kept, ended)]

    rows = [
        str(row) for model in apps.get_models() for row in model._default_manager.values_list()
    ]  # fmt: skip
    words = "\n".join([*rows, caplog.text])

    assert row_of(kept).sealed_session
    assert row_of(kept).sealed_session in words
    assert not any(token in words for token in tokens)


def test_only_the_call_that_signs_shows_the_uri(api, gallery):
    row = begun(api, gallery)
    token = row["transfer"]["session_uri"].rpartition("/")[2]

    answers = [
        api.get(f"/uploads/{row['id']}"),
        api.get(f"/galleries/{gallery.pk}/uploads"),
        api.get(f"/galleries/{gallery.pk}"),
        api.post("/uploads/cancel", {"ids": [row["id"]]}),
    ]

    assert not any(token in json.dumps(each.body) for each in answers)
    assert {each.status for each in answers} == {200}
