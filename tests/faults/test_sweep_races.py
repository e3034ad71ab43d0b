"""The sweeper beside everything else: what lives is never touched, and of two that reach for a row one wins."""

import io
import threading
from datetime import timedelta
from itertools import cycle, islice

import pytest
from django.db import transaction
from django.utils import timezone

from galleries import curation, lifecycle
from galleries.models import DELETED_KEPT_FOR, Photo, PhotoStatus
from galleries.objects.base import store_named
from tests.builders import (
    MIB,
    crc_of,
    file_out,
    jpeg,
    make_photo,
    make_upload,
    put_original,
    put_part,
    uploaded,
)
from tests.cast import bearer_api
from tests.faults.at_once import at_once
from uploads import sweep
from uploads.lanes.base import lanes_of
from uploads.limits import ADOPT_AFTER, DEAD_ATTEMPT_KEPT, SIGNED_URL_LIFE, UPLOAD_LIFE
from uploads.models import Discard, Upload, UploadEvent, move_to
from uploads.ops.invariants import verify_invariants
from uploads.states import Event, State
from uploads.verify import claim_next, verify

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ROWS = 6
SWEEPERS = 2


@pytest.fixture
def callers(owner):
    return [bearer_api(owner) for _ in range(3)]


def broken() -> set[str]:
    """Rows of the builders have no history of their own."""
    return {each.rule for each in verify_invariants().breaches} - {"illegal_history"}


def silent_for(age: timedelta) -> dict:
    return {"url_expires_at": timezone.now() - age, "active_at": timezone.now() - age - SIGNED_URL_LIFE}


def sweepers() -> list:
    return [sweep.sweep_everything] * SWEEPERS


def originals() -> set[str]:
    return {each.key for each in store_named("local").list("originals/")}


class Done:
    """What the decoder has answered already: it is one process, and these are several threads."""

    def __init__(self, answer) -> None:
        self.answer = answer

    def develop(self, source, *, media_type):
        return self.answer


def test_two_sweepers_end_each_silent_upload_once(gallery):
    uploads = [
        make_upload(gallery, State.SIGNED, active_at=timezone.now() - 2 * UPLOAD_LIFE) for _ in range(ROWS)
    ]

    at_once([sweep.sweep_everything] * 4)

    assert {each.state for each in Upload.objects.all()} == {State.EXPIRED}
    assert UploadEvent.objects.filter(event="expire").count() == len(uploads)
    assert Discard.objects.count() == len(uploads)


def test_two_sweepers_let_go_of_a_failure_once(gallery):
    for _ in range(ROWS):
        make_upload(gallery, State.FAILED, error_code="gave_up", ended_at=timezone.now() - 2 * UPLOAD_LIFE)

    at_once([sweep.sweep_everything] * 4)

    assert Discard.objects.count() == ROWS


def test_two_sweepers_forget_a_gallery_and_count_it_once(api, gallery):
    for _ in range(ROWS):
        make_photo(gallery)
    api.delete(f"/galleries/{gallery.pk}")
    type(gallery).objects.update(deleted_at=timezone.now() - 2 * DELETED_KEPT_FOR)

    at_once([sweep.sweep_everything] * 4)

    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.byte_count) == (0, 0)
    assert originals() == set()


def test_completing_while_it_expires_ends_in_one_of_the_two(callers, gallery):
    uploads = [make_upload(gallery, State.SIGNED, **silent_for(2 * UPLOAD_LIFE)) for _ in range(ROWS)]
    asks = [{"id": str(upload.pk)} for upload in uploads]

    at_once([*sweepers(), *[lambda api=api: api.complete(*asks) for api in callers]])

    for upload in Upload.objects.all():
        is_expired = upload.state == State.EXPIRED
        assert upload.state in {State.EXPIRED, State.UPLOADED}
        assert Discard.objects.filter(key=upload.key).exists() == is_expired
        assert upload.events.count() == 1


def test_signing_while_it_expires_ends_in_one_of_the_two(callers, gallery):
    uploads = [make_upload(gallery, State.SIGNED, **silent_for(2 * UPLOAD_LIFE)) for _ in range(ROWS)]
    asks = [{"id": str(upload.pk)} for upload in uploads]

    answers = at_once([*sweepers(), *[lambda api=api: api.sign(*asks) for api in callers]])

    for upload in Upload.objects.all():
        got_url = any(
            row["id"] == str(upload.pk) and row.get("transfer") for rows in answers[SWEEPERS:] for row in rows
        )
        assert upload.state in {State.EXPIRED, State.SIGNED}
        assert got_url or upload.state == State.EXPIRED, "neither signed nor told"


def test_adopting_while_it_is_completed_hands_it_over_once(callers, gallery):
    uploads = [make_upload(gallery, State.SIGNED, size=5, **silent_for(2 * ADOPT_AFTER)) for _ in range(ROWS)]
    for upload in uploads:
        put_original(upload, b"bytes")
    asks = [{"id": str(upload.pk)} for upload in uploads]

    at_once([*sweepers(), *[lambda api=api: api.complete(*asks) for api in callers]])

    assert {(each.state, each.version) for each in Upload.objects.all()} == {(State.UPLOADED, 2)}
    assert UploadEvent.objects.filter(event="stored").count() == ROWS


def test_sweeping_while_photos_are_verified_takes_no_byte_of_them(gallery, developer):
    """Their keys stand on the list of discards already: of sessions too many, or by an old mistake."""
    contents = [jpeg(number) for number in range(ROWS)]
    uploads = [uploaded(gallery, content) for content in contents]
    for upload in uploads:
        Discard.objects.create(store="local", key=upload.key, not_before=timezone.now())
    claimed = [claim_next() for _ in uploads]
    ready = {
        upload.pk: developer.develop(io.BytesIO(content), media_type="image/jpeg")
        for upload, content in zip(uploads, contents, strict=True)
    }

    at_once([*sweepers(), *[lambda each=each: verify(each, Done(ready[each.pk])) for each in claimed]])

    assert Photo.objects.ready().count() == ROWS
    assert broken() == set()


def test_retrying_while_its_bytes_are_let_go_never_ends_in_a_photo_without_them(callers, gallery, developer):
    contents = [jpeg(number) for number in range(ROWS)]
    uploads = []
    for content in contents:
        upload = make_upload(
            gallery, State.FAILED, size=len(content), crc32=crc_of(content), error_code="gave_up",
            ended_at=timezone.now() - 2 * UPLOAD_LIFE,
        )  # fmt: skip
        put_original(upload, content)
        uploads.append(upload)
    ready = {
        upload.pk: developer.develop(io.BytesIO(content), media_type="image/jpeg")
        for upload, content in zip(uploads, contents, strict=True)
    }

    def sweep_and_throw_away() -> None:
        for _ in range(3):
            sweep.only("failures")
            Discard.objects.update(not_before=timezone.now())
            sweep.only("discards")

    def retry_and_verify() -> None:
        callers[0].retry(*[upload.pk for upload in uploads])
        while (claimed := claim_next()) is not None:
            verify(claimed, Done(ready[claimed.pk]))

    at_once([sweep_and_throw_away, sweep_and_throw_away, retry_and_verify])

    for upload in Upload.objects.all():
        assert upload.state in {State.VERIFIED, State.SIGNED}
    assert broken() == set()


def test_restoring_while_deleted_photos_are_forgotten_brings_back_whole_ones_alone(gallery):
    """Deleted a day ago, some seconds more or less."""
    now = timezone.now()
    photos = [
        make_photo(
            gallery, status=PhotoStatus.DELETED, status_before_delete=PhotoStatus.STAGED,
            deleted_at=now - DELETED_KEPT_FOR + timedelta(seconds=seconds),
        )
        for seconds in (-3_600, -60, -1, 0, 30, 60)
    ]  # fmt: skip
    ids = [photo.pk for photo in photos]
    Upload.objects.update(ended_at=now - 2 * DELETED_KEPT_FOR)

    at_once([*sweepers(), *[lambda: curation.restore_photos(gallery.pk, ids)] * 3])

    assert Photo.objects.filter(status=PhotoStatus.STAGED).count() == 2
    assert broken() <= {"deleted_and_kept"}


def test_restoring_a_gallery_while_it_is_forgotten_is_all_or_nothing(api, gallery):
    for _ in range(ROWS):
        make_photo(gallery)
    api.delete(f"/galleries/{gallery.pk}")

    for seconds in (30, 15):  # all that follows takes a moment
        type(gallery).objects.update(
            deleted_at=timezone.now() - DELETED_KEPT_FOR + timedelta(seconds=seconds)
        )
        gallery.refresh_from_db()
        at_once([*sweepers(), lambda: lifecycle.restore(gallery)])

    gallery.refresh_from_db()
    assert (gallery.deleted_at, Photo.objects.ready().count()) == (None, ROWS)
    assert broken() == set()


def test_choosing_again_while_the_attempt_before_is_cleared_away_keeps_the_new_bytes(callers, gallery, owner):
    content = jpeg(1)
    files = [file_out(size=len(content)) for _ in range(ROWS)]
    api = callers[0]
    rows = api.batch(gallery, *files)
    for upload in Upload.objects.all():
        put_original(upload, content)
    api.cancel(*[row["id"] for row in rows])
    Discard.objects.update(not_before=timezone.now())

    def choose_again(caller) -> None:
        caller.batch(gallery, *files)
        for upload in Upload.objects.filter(attempt=2):
            put_original(upload, content)

    at_once([*sweepers(), *[lambda caller=caller: choose_again(caller) for caller in callers]])
    sweep.sweep_everything()

    assert {(each.state, each.attempt) for each in Upload.objects.all()} == {(State.SIGNED, 2)}
    assert originals() == {each.key for each in Upload.objects.all()}


def test_listing_while_attempts_begin_and_end_takes_only_the_dead(callers, gallery, monkeypatch):
    """All objects look old to this janitor: only the rows protect them."""
    monkeypatch.setattr("uploads.janitor.orphans.DEAD_ATTEMPT_KEPT", -DEAD_ATTEMPT_KEPT)
    files = [file_out(size=5) for _ in range(ROWS)]
    api = callers[0]

    def live() -> None:
        for verb in islice(cycle([api.cancel, None]), 8):
            rows = api.batch(gallery, *files)
            for upload in Upload.objects.filter(state=State.SIGNED):
                put_original(upload, b"bytes")
            if verb:
                verb(*[row["id"] for row in rows])

    def list_all() -> None:
        for _ in range(4):
            sweep.only("objects")

    at_once([live, list_all, list_all])

    assert {each.state for each in Upload.objects.all()} == {State.SIGNED}
    assert {each.key for each in Upload.objects.all()} <= originals()


def test_sessions_opened_while_a_sweep_looks_for_orphans_stay_open(callers, gallery):
    uploads = [make_upload(gallery, size=9 * MIB) for _ in range(ROWS)]
    asks = [{"id": str(upload.pk)} for upload in uploads]

    at_once([*[lambda: sweep.only("sessions")] * 2, *[lambda api=api: api.sign(*asks) for api in callers]])

    open_sessions = {each.session for each in lanes_of("local").list_sessions("originals/")}
    assert {each.session for each in Upload.objects.all()} <= open_sessions


def test_looking_for_orphan_sessions_while_attempts_are_taken_up_again_aborts_none_that_lives(
    callers, gallery, monkeypatch
):
    """All sessions look old to this janitor: only the rows protect them."""
    api = callers[0]
    rows = api.batch(gallery, *[file_out(size=9 * MIB) for _ in range(ROWS)])
    pks = [row["id"] for row in rows]
    monkeypatch.setattr("uploads.janitor.orphans.DEAD_ATTEMPT_KEPT", -DEAD_ATTEMPT_KEPT)

    looked, is_over = threading.Semaphore(0), threading.Event()

    def fail_and_retry() -> None:
        try:
            for _ in range(4):
                for upload in Upload.objects.filter(pk__in=pks, state=State.SIGNED):
                    with transaction.atomic():
                        move_to(upload, Event.FAIL, code="parts_missing", ended_at=timezone.now())
                assert looked.acquire(timeout=20)
                api.retry(*pks)
        finally:
            is_over.set()

    def look_for_orphans() -> None:
        while not is_over.is_set():
            sweep.only("sessions")
            looked.release()

    at_once([fail_and_retry, look_for_orphans, look_for_orphans])

    open_sessions = {each.session for each in lanes_of("local").list_sessions("originals/")}
    assert {each.state for each in Upload.objects.all()} == {State.SIGNED}
    assert {each.session for each in Upload.objects.all()} == open_sessions
    assert len(open_sessions) == ROWS


def test_parts_that_arrive_while_their_session_is_thrown_away_leave_nothing(callers, gallery):
    api = callers[0]
    rows = api.batch(gallery, *[file_out(size=9 * MIB) for _ in range(3)])
    uploads = list(Upload.objects.all())
    api.cancel(*[row["id"] for row in rows])
    Discard.objects.update(not_before=timezone.now())

    def send_late() -> None:
        from uploads.errors import SessionGone

        for upload in uploads:
            for number, size in ((1, 8 * MIB), (2, MIB)):
                try:
                    put_part(upload, number, bytes(size))
                except SessionGone:
                    break

    at_once([*sweepers(), send_late])
    sweep.sweep_everything()

    assert list(lanes_of("local").list_sessions("originals/")) == []
    assert originals() == set()
    assert not Discard.objects.exists()
