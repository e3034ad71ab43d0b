"""The janitor: what only listings find, stores that are away or gone, dry runs; and nothing that lives is touched."""

import errno
import os
import tempfile
import uuid
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from galleries.errors import StorageUnavailable
from galleries.models import Gallery, Photo, PhotoStatus
from galleries.objects.base import bound_key, forget_stores, original_key, store_named
from tests.builders import (
    MIB,
    jpeg,
    make_gallery,
    make_photo,
    make_upload,
    put_original,
    report_bytes,
    uploaded,
)
from uploads import announce, clock, ledger, sweep
from uploads.heartbeats import beat
from uploads.janitor import leftovers, orphans
from uploads.janitor.deed import some_of
from uploads.janitor.files import ABANDONED_AFTER, SPOOL_PREFIX
from uploads.janitor.orphans import PREFIXES, ROUND, prefixes_between
from uploads.lanes.base import lanes_of
from uploads.limits import ADOPT_AFTER, DEAD_ATTEMPT_KEPT, UPLOAD_LIFE
from uploads.models import Discard, Upload
from uploads.ops.invariants import verify_invariants
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)  # files have the time of the disk, which does not stand still
GONE = "the-old-one"
DEAD = "s3"
NO_SERVER = {
    "BACKEND": "storages.backends.s3.S3Storage",
    "OPTIONS": {"bucket_name": "photos", "endpoint_url": "http://127.0.0.1:1", "access_key": "k", "secret_key": "s"},
}  # fmt: skip


def keys() -> set[str]:
    return {
        each.key for prefix in ("originals/", "renditions/") for each in store_named("local").list(prefix)
    }


def broken_rules() -> set[str]:
    """Rows of the builders have no history; all else must hold."""
    return {each.rule for each in verify_invariants().breaches} - {"illegal_history"}


@pytest.fixture
def dead_store(settings):
    settings.STORAGES = settings.STORAGES | {DEAD: NO_SERVER}
    settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {DEAD: "http://127.0.0.1:1"}
    forget_stores()
    return DEAD


def something_of_everything(gallery, store: str) -> dict[str, object]:
    """One row of each kind that a sweep takes up."""
    long_ago = timezone.now() - 2 * UPLOAD_LIFE
    silent = make_upload(gallery, State.SIGNED, store=store, active_at=long_ago)
    failed = make_upload(gallery, State.FAILED, store=store, error_code="gave_up", ended_at=long_ago)
    arrived = make_upload(
        gallery, State.SIGNED, store=store, size=5, url_expires_at=timezone.now() - 2 * ADOPT_AFTER
    )
    discard = Discard.objects.create(
        store=store, key=make_upload(gallery, State.CANCELLED).key, not_before=long_ago
    )
    photo = make_photo(gallery, status=PhotoStatus.DELETED, deleted_at=long_ago)
    Photo.objects.filter(pk=photo.pk).update(store=store)
    if store == "local":
        put_original(arrived, b"bytes")
    return {"silent": silent, "failed": failed, "arrived": arrived, "discard": discard, "photo": photo}


def assert_done(made) -> None:
    assert Upload.objects.get(pk=made["silent"].pk).state == State.EXPIRED
    assert Upload.objects.get(pk=made["failed"].pk).url_expires_at is None
    assert Upload.objects.get(pk=made["arrived"].pk).state == State.UPLOADED
    assert not Discard.objects.filter(pk=made["discard"].pk).exists()
    assert not Photo.objects.filter(pk=made["photo"].pk).exists()


def assert_waits(made) -> None:
    assert Upload.objects.get(pk=made["silent"].pk).state == State.SIGNED
    assert Upload.objects.get(pk=made["arrived"].pk).state == State.SIGNED
    assert Discard.objects.filter(pk=made["discard"].pk).exists()
    assert Photo.objects.filter(pk=made["photo"].pk).exists()


# --- stores that are gone, or do not answer


def test_a_store_that_is_gone_from_the_settings_stops_nothing_else(gallery):
    gone = something_of_everything(gallery, GONE)
    here = something_of_everything(gallery, "local")

    sweep.sweep()
    sweep.sweep_everything()

    assert_done(here)
    assert_waits(gone)


def test_a_store_that_does_not_answer_stops_nothing_else_and_keeps_its_rows(gallery, dead_store):
    away = something_of_everything(gallery, dead_store)
    here = something_of_everything(gallery, "local")

    sweep.sweep_everything()

    assert_done(here)
    assert_waits(away)


def test_many_rows_of_a_store_that_is_away_do_not_crowd_out_the_others(gallery, monkeypatch):
    for module in ("janitor.deed", "janitor.orphans", "sweep"):
        monkeypatch.setattr(f"uploads.{module}.AT_A_TIME", 2)
    for _ in range(3):
        something_of_everything(gallery, GONE)
    here = something_of_everything(gallery, "local")

    sweep.sweep()

    assert_done(here)


def test_what_a_store_refuses_for_good_does_not_crowd_out_the_others(gallery, monkeypatch):
    """Each look begins at the oldest, which are those: half of it begins elsewhere."""
    for module in ("janitor.deed", "sweep"):
        monkeypatch.setattr(f"uploads.{module}.AT_A_TIME", 4)
    refused = [a_discard(gallery) for _ in range(6)]
    good = a_discard(gallery)
    real = leftovers.end_sessions

    def refusing(discard):
        if discard in refused:
            raise StorageUnavailable
        real(discard)

    monkeypatch.setattr(leftovers, "end_sessions", refusing)
    for _ in range(50):
        sweep.only("discards")

    assert {*Discard.objects.all()} == {*refused}
    assert not Discard.objects.filter(pk=good.pk).exists()


def a_discard(gallery) -> Discard:
    key = make_upload(gallery, State.CANCELLED).key
    return Discard.objects.create(store="local", key=key, not_before=timezone.now())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
def test_a_look_finds_each_row_once_and_no_more_than_it_may(gallery, monkeypatch, count):
    monkeypatch.setattr("uploads.janitor.deed.AT_A_TIME", 4)
    made = [make_upload(gallery, State.SIGNED) for _ in range(count)]

    for _ in range(20):
        found = some_of(Upload.objects.all(), "registered_at")

        assert len(found) == len({*found}) == min(count, 4)
        assert found[:2] == made[:2]


def test_a_step_that_fails_stops_no_other_and_is_told(gallery, monkeypatch):
    here = something_of_everything(gallery, "local")

    def broken(_now):
        raise ZeroDivisionError
        yield

    monkeypatch.setitem(sweep.ROWS, "adoptions", broken)

    with pytest.raises(ExceptionGroup) as failed:
        sweep.sweep()

    assert [type(error) for error in failed.value.exceptions] == [ZeroDivisionError]
    assert not Discard.objects.filter(pk=here["discard"].pk).exists()
    assert not Photo.objects.filter(pk=here["photo"].pk).exists()


def test_a_disk_that_fails_keeps_the_photo_until_its_objects_are_gone(gallery, monkeypatch):
    photo = make_photo(gallery, status=PhotoStatus.DELETED, deleted_at=timezone.now() - timedelta(days=2))
    real = Path.unlink

    def refused(self, *args, **kwargs):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(Path, "unlink", refused)
    sweep.only("photos")
    kept = Photo.objects.filter(pk=photo.pk).exists()
    monkeypatch.setattr(Path, "unlink", real)
    sweep.only("photos")

    assert kept
    assert not Photo.objects.exists()
    assert keys() == set()


# --- what arrives after its attempt has ended


@pytest.mark.parametrize(
    ("age", "is_gone"),
    [(DEAD_ATTEMPT_KEPT - MINUTE, False), (DEAD_ATTEMPT_KEPT + MINUTE, True)],
)
@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_bytes_that_arrive_after_all_was_cleared_away_are_found_and_go(gallery, later, state, age, is_gone):
    upload = make_upload(gallery, state)
    put_original(upload, b"a request that took hours")

    later(age)
    sweep.only("objects")

    assert (upload.key not in keys()) == is_gone


def test_a_round_through_all_prefixes_ends_before_the_grace_of_the_invariants_does(gallery, later):
    for _ in range(5):
        put_original(make_upload(gallery, State.CANCELLED), b"late")
    began = timezone.now()
    sweep.Listed.objects_at = None

    moment = DEAD_ATTEMPT_KEPT + SECOND
    while moment <= DEAD_ATTEMPT_KEPT + SECOND + ROUND:
        later(moment - (timezone.now() - began))
        sweep.finish(list(sweep.listings_due(clock.now())), clock.now())
        moment += ROUND / 50

    assert keys() == set()
    assert broken_rules() == set()


def test_the_clock_leads_through_every_prefix_also_when_the_sweeper_is_started_again():
    began = timezone.now()
    seen: set[str] = set()
    for number in range(int(ROUND.total_seconds()) // 5 + 2):  # started anew each time
        seen |= {*prefixes_between(None, began + number * timedelta(seconds=5))}

    assert seen == {*PREFIXES}
    assert len(prefixes_between(began, began + 10 * ROUND)) == len(PREFIXES)
    assert len(prefixes_between(began, began)) == 0
    assert len(prefixes_between(began + ROUND, began)) == 1, "a clock that was set back"


@pytest.mark.parametrize(
    "state", [State.REGISTERED, State.SIGNED, State.UPLOADED, State.VERIFYING, State.FAILED]
)
def test_the_listing_never_touches_what_may_still_become_a_photo(gallery, later, state):
    upload = make_upload(gallery, state, attempt=2, error_code="gave_up" if state == State.FAILED else "")
    put_original(upload, b"bytes")
    store_named("local").put_bytes(bound_key(upload.pk, 2), b"a copy", content_type="image/jpeg")
    before = keys()

    later(timedelta(days=5))
    sweep.only("objects")

    assert keys() == before


def test_an_attempt_before_the_present_one_is_over(gallery, later):
    upload = make_upload(gallery, State.SIGNED, attempt=2)
    put_original(upload, b"bytes")
    for key in (original_key(upload.pk, 1), bound_key(upload.pk, 1)):
        store_named("local").put_bytes(key, b"bytes of before", content_type="image/jpeg")

    later(timedelta(days=1))
    sweep.only("objects")

    assert keys() == {upload.key}


@pytest.mark.parametrize("status", PhotoStatus.values)
def test_the_listing_never_touches_a_photo_whatever_became_of_its_upload(gallery, later, status):
    deleted_at = timezone.now() if status == PhotoStatus.DELETED else None
    photo = make_photo(gallery, status=status, deleted_at=deleted_at)
    Upload.objects.filter(pk=photo.upload_id).update(state=State.SIGNED, attempt=2)
    before = keys()

    later(timedelta(hours=23))
    sweep.sweep_everything()

    assert keys() == before


def test_what_no_row_has_ever_heard_of_is_left_alone(gallery, later):
    """A database that was restored from yesterday has not heard of today's photos."""
    unknown = original_key(make_upload(gallery).pk, 7)
    Upload.objects.all().delete()
    other = original_key(make_upload(gallery, State.CANCELLED, attempt=1).pk, 2)
    for key in (unknown, other):
        store_named("local").put_bytes(key, b"somebody's only copy", content_type="image/jpeg")

    later(timedelta(days=30))
    sweep.sweep_everything()

    assert keys() == {unknown, other}
    assert broken_rules() == {"object_without_row"}


def test_an_object_is_kept_by_a_row_that_calls_its_store_by_another_name(gallery, later, settings):
    photo = make_photo(gallery)
    settings.STORAGES = settings.STORAGES | {"renamed": settings.STORAGES["local"]}
    Photo.objects.filter(pk=photo.pk).update(store="renamed")
    before = keys()

    later(timedelta(days=1))
    sweep.sweep_everything()

    assert keys() == before


@pytest.mark.parametrize("state", [State.FAILED, State.UPLOADED])
def test_a_session_too_many_is_thrown_away_and_the_bytes_that_are_there_stay(gallery, state):
    """Two calls opened a session each; meanwhile the other one's bytes are whole, or wait to be tried again."""
    upload = make_upload(gallery, state, error_code="gave_up" if state == State.FAILED else "")
    put_original(upload, b"good bytes")
    session = lanes_of("local").create_multipart(upload.key, content_type="image/jpeg")
    Discard.objects.create(store="local", key=upload.key, session=session, not_before=timezone.now())

    sweep.only("discards")

    assert upload.key in keys()
    assert list(lanes_of("local").list_sessions("originals/")) == []


def open_session_of(upload: Upload) -> str:
    """As its row names it. What the list of discards had to say of it was done long ago."""
    session = lanes_of("local").create_multipart(upload.key, content_type="image/jpeg")
    Upload.objects.filter(pk=upload.pk).update(session=session)
    return session


def sessions_left() -> set[str]:
    return {each.session for each in lanes_of("local").list_sessions("originals/")}


@pytest.mark.parametrize("state", [State.VERIFIED, State.CANCELLED, State.EXPIRED, State.FAILED])
def test_a_session_of_an_attempt_that_has_ended_is_aborted(gallery, later, state):
    """A part that arrived while it was thrown away has kept it open."""
    ended = {"error_code": "not_an_image"} if state == State.FAILED else {}
    open_session_of(make_upload(gallery, state, size=9 * MIB, **ended))

    later(2 * DEAD_ATTEMPT_KEPT)
    sweep.only("sessions")

    assert sessions_left() == set()


@pytest.mark.parametrize("state", [State.SIGNED, State.UPLOADED, State.VERIFYING, State.FAILED])
def test_a_session_of_an_attempt_that_may_live_is_kept(gallery, later, state):
    kept = {"error_code": "parts_missing"} if state == State.FAILED else {}
    session = open_session_of(make_upload(gallery, state, size=9 * MIB, **kept))

    later(2 * DEAD_ATTEMPT_KEPT)
    sweep.only("sessions")

    assert sessions_left() == {session}


def test_a_session_of_the_attempt_before_is_aborted_and_the_present_ones_kept(gallery, later):
    upload = make_upload(gallery, State.SIGNED, size=9 * MIB, attempt=2)
    session = open_session_of(upload)
    lanes_of("local").create_multipart(original_key(upload.pk, 1), content_type="image/jpeg")

    later(2 * DEAD_ATTEMPT_KEPT)
    sweep.only("sessions")

    assert sessions_left() == {session}


@pytest.mark.parametrize("count", [1, 9])
def test_sessions_cost_two_queries_by_index(gallery, later, count, django_assert_num_queries):
    for _ in range(count):
        open_session_of(make_upload(gallery, State.CANCELLED, size=9 * MIB))
    later(2 * DEAD_ATTEMPT_KEPT)

    with django_assert_num_queries(2) as asked:
        assert len(list(orphans.sessions(clock.now()))) == count

    if connection.vendor == "sqlite":
        assert not [each for each in asked.captured_queries if "SCAN" in plan_of(each["sql"])]


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        return " ".join(str(row[3]) for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())


def test_a_session_on_the_list_of_discards_waits_for_its_time(gallery, later):
    upload = make_upload(gallery, State.CANCELLED, size=9 * MIB)
    session = lanes_of("local").create_multipart(upload.key, content_type="image/jpeg")
    not_before = timezone.now() + 3 * DEAD_ATTEMPT_KEPT
    Discard.objects.create(store="local", key=upload.key, session=session, not_before=not_before)

    later(2 * DEAD_ATTEMPT_KEPT)
    sweep.sweep_everything()
    waits = [each.session for each in lanes_of("local").list_sessions("originals/")]
    later(4 * DEAD_ATTEMPT_KEPT)
    sweep.sweep_everything()

    assert waits == [session]
    assert list(lanes_of("local").list_sessions("originals/")) == []


def test_a_failure_that_cannot_be_tried_again_keeps_nothing(gallery):
    upload = make_upload(gallery, State.FAILED, error_code="not_an_image")
    put_original(upload, b"no photo")
    Discard.objects.create(store="local", key=upload.key, not_before=timezone.now())

    sweep.only("discards")

    assert keys() == set()


def test_a_worker_that_comes_back_after_all_was_cleared_away_leaves_nothing(api, gallery, developer):
    """It slept for hours: meanwhile its file was cancelled, and the janitor has been there."""
    content = jpeg(1)
    upload = uploaded(gallery, content)

    class Sleeper:
        def develop(self, source, *, media_type):
            developed = developer.develop(source, media_type=media_type)
            api.cancel(upload.pk)
            Discard.objects.update(not_before=timezone.now())
            sweep.only("discards")
            return developed

    verify(claim_next(), Sleeper())
    left = keys()
    Discard.objects.update(not_before=timezone.now())
    sweep.only("discards")

    assert left != set(), "its smaller pictures"
    assert keys() == set()


# --- expiry asks the ledger


@pytest.mark.parametrize(
    ("ago", "state"),
    [(UPLOAD_LIFE - MINUTE, State.SIGNED), (UPLOAD_LIFE + MINUTE, State.EXPIRED)],
)
def test_six_days_count_from_the_last_bytes_that_were_reported(gallery, later, ago, state):
    upload = make_upload(gallery, State.SIGNED, size=1_000, active_at=timezone.now() - UPLOAD_LIFE)
    report_bytes(upload, 500)

    later(ago)
    sweep.only("expiries")

    assert Upload.objects.get().state == state
    assert Upload.objects.get().version == (1 if state == State.SIGNED else 2)


def test_an_upload_that_is_signed_while_the_store_is_asked_does_not_end(api, gallery):
    upload = make_upload(gallery, State.SIGNED, active_at=timezone.now() - 2 * UPLOAD_LIFE)

    for deed in sweep.rehearse("expiries"):
        signed = api.sign({"id": str(upload.pk)})[0]
        deed.act()

    assert signed["transfer"]["lane"] == "put"
    assert Upload.objects.get().state == State.SIGNED
    assert not Discard.objects.exists()


def test_a_report_that_brings_nothing_new_is_no_sign_of_life(gallery):
    upload = make_upload(gallery, State.SIGNED, size=1_000)
    report_bytes(upload, 500)
    ledger.client().hset(ledger.keys_of(gallery.pk)[2], str(upload.pk), 1_000)

    for again in (500, 400):
        report_bytes(upload, again)

    assert ledger.heard_of([(gallery.pk, upload.pk)])[upload.pk].timestamp() == 1_000


def test_nothing_expires_while_nobody_can_ask_the_ledger(gallery, monkeypatch):
    import redis

    upload = make_upload(gallery, State.SIGNED, active_at=timezone.now() - 2 * UPLOAD_LIFE)
    away = redis.Redis.from_url("unix:///nowhere/redis.sock")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "client", lambda: away)
        sweep.only("expiries")
        assert Upload.objects.get().state == State.SIGNED

    sweep.only("expiries")
    assert Upload.objects.get(pk=upload.pk).state == State.EXPIRED


# --- files of killed processes


def aged(path: Path, age: timedelta) -> Path:
    then_s = (timezone.now() - age).timestamp()
    os.utime(path, (then_s, then_s), follow_symlinks=False)
    return path


@pytest.mark.parametrize(
    ("age", "is_gone"),
    [(ABANDONED_AFTER - MINUTE, False), (ABANDONED_AFTER + MINUTE, True)],
)
def test_what_was_half_written_goes_after_an_hour(db, tmp_path, age, is_gone):
    incoming = store_named("local").incoming_folder
    incoming.mkdir(parents=True)
    body = incoming / "0123"
    body.write_bytes(b"half")
    aged(body, age)

    sweep.only("half_written")

    assert body.exists() != is_gone


def test_links_among_what_was_half_written_are_not_followed(db, tmp_path):
    incoming, elsewhere = store_named("local").incoming_folder, tmp_path / "elsewhere"
    incoming.mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "precious").write_bytes(b"keep me")
    for name, target in (("file", elsewhere / "precious"), ("folder", elsewhere)):
        (incoming / name).symlink_to(target)
        aged(incoming / name, 2 * ABANDONED_AFTER)
    aged(elsewhere / "precious", 2 * ABANDONED_AFTER)

    sweep.only("half_written")

    assert (elsewhere / "precious").read_bytes() == b"keep me"


def test_old_spool_files_go_and_nothing_else_of_that_folder(db, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    precious = tmp_path / "precious"
    names = {"old": 2 * ABANDONED_AFTER, "young": timedelta(0)}
    for name, age in names.items():
        (tmp_path / f"{SPOOL_PREFIX}{name}").write_bytes(b"spooled")
        aged(tmp_path / f"{SPOOL_PREFIX}{name}", age)
    (tmp_path / f"{SPOOL_PREFIX}folder").mkdir()
    precious.write_bytes(b"keep me")
    (tmp_path / f"{SPOOL_PREFIX}link").symlink_to(precious)
    for path in (precious, tmp_path / f"{SPOOL_PREFIX}folder", tmp_path / f"{SPOOL_PREFIX}link"):
        aged(path, 2 * ABANDONED_AFTER)

    sweep.only("spools")

    left = {path.name.removeprefix(SPOOL_PREFIX) for path in tmp_path.iterdir()} - {"objects"}
    assert left == {"young", "folder", "link", "precious"}


# --- photos of galleries that were deleted


def test_a_forgotten_gallery_counts_no_photo_that_is_gone(api, gallery, owner, later):
    make_photo(gallery)
    make_photo(gallery, status=PhotoStatus.STAGED)
    other = make_photo(make_gallery(owner))
    api.delete(f"/galleries/{gallery.pk}")

    later(timedelta(days=2))
    sweep.sweep()
    sweep.sweep()

    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.byte_count) == (0, 0)
    assert [photo.pk for photo in Photo.objects.all()] == [other.pk]
    assert broken_rules() == set()


def test_a_gallery_that_is_restored_keeps_its_photos(api, gallery, later):
    from galleries import lifecycle

    photo = make_photo(gallery)
    api.delete(f"/galleries/{gallery.pk}")
    lifecycle.restore(Gallery.objects.get(pk=gallery.pk))

    later(timedelta(days=2))
    sweep.sweep_everything()

    assert photo.key in keys()


# --- bells


@pytest.mark.parametrize(("waiting", "bells"), [(0, 0), (1, 1), (5, 5), (6, 6), (7, 6)])
def test_one_bell_for_each_worker_that_can_hear_and_none_for_nothing(gallery, monkeypatch, waiting, bells):
    rung = []
    monkeypatch.setattr(announce, "ring", lambda: rung.append(1))
    for name, concurrency in (("a", 2), ("b", 4)):
        beat(name, concurrency)
    for number in range(waiting):
        state = State.UPLOADED if number % 2 else State.VERIFYING
        make_upload(gallery, state, lease_until=timezone.now() - SECOND)

    sweep.ring_if_work_waits()

    assert len(rung) == bells


def test_bells_are_rung_before_anything_that_may_take_long(gallery, monkeypatch):
    happened = []
    monkeypatch.setattr(announce, "ring", lambda: happened.append("bell"))
    monkeypatch.setitem(sweep.ROWS, "adoptions", lambda _now: happened.append("a store is asked") or iter(()))
    make_upload(gallery, State.UPLOADED)

    sweep.sweep()

    assert happened == ["bell", "a store is asked"]


def test_what_is_adopted_is_rung_for_at_once(gallery, monkeypatch, django_capture_on_commit_callbacks):
    rung = []
    monkeypatch.setattr(announce, "ring", lambda: rung.append(1))
    upload = make_upload(gallery, State.SIGNED, size=5, url_expires_at=timezone.now() - 2 * ADOPT_AFTER)
    put_original(upload, b"bytes")

    with django_capture_on_commit_callbacks(execute=True):
        sweep.only("adoptions")

    assert rung == [1]


# --- by hand


def told(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("sweep", *arguments, stdout=out)
    return out.getvalue().splitlines()


def everything_that_is() -> list[object]:
    tables = (Upload, Photo, Discard, Gallery)
    return [*[list(table.objects.order_by("pk").values()) for table in tables], sorted(keys())]


def test_a_dry_run_names_each_deed_and_changes_nothing(gallery, later):
    made = something_of_everything(gallery, "local")
    late = make_upload(gallery, State.CANCELLED)
    put_original(late, b"late")
    orphan = make_upload(gallery, State.CANCELLED, size=9 * MIB)
    lanes_of("local").create_multipart(orphan.key, content_type="image/jpeg")
    later(2 * DEAD_ATTEMPT_KEPT)
    before = everything_that_is()

    said = told("--dry-run")

    assert everything_that_is() == before
    assert {
        f"adopt {made['arrived'].pk}",
        f"expire {made['silent'].pk}",
        f"let go of the bytes of {made['failed'].pk}",
        f"throw away {made['discard'].key}",
        f"forget the photos {made['photo'].pk}",
        f"delete the orphans {late.key}",
        f"abort the parts of {orphan.key}",
    } <= {*said}


def test_what_a_dry_run_names_is_what_a_sweep_does(gallery, later):
    made = something_of_everything(gallery, "local")
    late = make_upload(gallery, State.CANCELLED)
    put_original(late, b"late")
    later(2 * DEAD_ATTEMPT_KEPT)

    assert told() == []

    assert_done(made)
    assert late.key not in keys()
    assert [line for line in told("--dry-run") if "half written" not in line] == []


def test_one_step_alone_can_be_asked_for(gallery):
    made = something_of_everything(gallery, "local")

    told("--only", "discards")

    assert not Discard.objects.filter(pk=made["discard"].pk).exists()
    assert Upload.objects.get(pk=made["silent"].pk).state == State.SIGNED


def test_the_command_says_which_step_failed(gallery, monkeypatch):
    def broken(_now):
        raise ZeroDivisionError("a step that is broken")
        yield

    monkeypatch.setitem(sweep.STEPS, "sessions", broken)

    with pytest.raises(CommandError, match="a step that is broken"):
        told()


@pytest.mark.parametrize("count", [1, 9])
def test_a_prefix_costs_a_constant_number_of_queries(gallery, later, count, django_assert_max_num_queries):
    for number in range(count):
        upload = make_upload(gallery, State.CANCELLED, id=uuid.UUID(int=(number << 8) + 7))
        put_original(upload, b"late")
    later(2 * DEAD_ATTEMPT_KEPT)

    with django_assert_max_num_queries(8):
        list(orphans.objects(clock.now(), ["originals/07/"]))
