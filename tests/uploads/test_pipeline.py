"""From stored bytes to a photo: the whole of verification on the local store, with real bytes and the real decoder."""

import os
import uuid
import zlib
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from galleries.models import Photo, PhotoStatus, Rendition
from galleries.objects.base import bound_key, store_named
from tests.builders import (
    MIB,
    crc_of,
    file_out,
    jpeg,
    make_gallery,
    make_upload,
    put_original,
    put_part,
    uploaded,
)
from uploads import clock, sweep
from uploads.limits import MAX_TRIES, STORE_FORGIVEN
from uploads.models import Discard, Upload
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db


def process(developer) -> Upload | None:
    """What a worker does, once."""
    upload = claim_next()
    if upload is not None:
        verify(upload, developer)
    return upload


def row(upload: Upload) -> Upload:
    return Upload.objects.get(pk=upload.pk)


def make_due(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk).update(try_after=clock.now() - timedelta(seconds=1))


def read(key: str) -> bytes:
    return b"".join(store_named("local").read(key))


def keys() -> set[str]:
    return {
        each.key for prefix in ("originals/", "renditions/") for each in store_named("local").list(prefix)
    }


# --- it works


def test_matching_bytes_become_a_ready_photo(gallery, developer):
    content = jpeg(1, width=900, height=600)
    upload = uploaded(gallery, content, name="Meer.jpg")

    process(developer)

    after, photo = row(upload), Photo.objects.get()
    assert (after.state, after.photo_id, after.error_code) == (State.VERIFIED, photo.pk, "")
    assert (photo.status, photo.name, photo.size, photo.crc32) == (
        "ready",
        "Meer.jpg",
        len(content),
        crc_of(content),
    )
    assert (photo.width, photo.height, photo.media_type) == (900, 600, "image/jpeg")
    assert read(photo.key) == content
    assert {each.name for each in photo.renditions.all()} == {"grid", "view"}
    for each in photo.renditions.all():
        stored = read(each.key)
        assert (len(stored), f"{zlib.crc32(stored):08x}") == (each.size, each.crc32)
    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.byte_count) == (1, len(content))


def test_with_auto_publish_off_a_photo_is_staged_and_not_counted(owner, developer):
    gallery = make_gallery(owner, auto_publish=False)
    uploaded(gallery, jpeg(1))

    process(developer)

    assert Photo.objects.get().status == PhotoStatus.STAGED
    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.byte_count) == (0, 0)


def test_a_checksum_that_nobody_gave_is_recorded(gallery, developer):
    content = jpeg(1)
    upload = uploaded(gallery, content, crc32="")

    process(developer)

    assert (row(upload).state, row(upload).crc32) == (State.VERIFIED, crc_of(content))


def test_what_a_file_is_called_does_not_matter_what_it_is_does(gallery, developer):
    import pyvips

    png = pyvips.Image.black(8, 8).pngsave_buffer()
    uploaded(gallery, png, name="x.jpg", media_type="image/jpeg")

    process(developer)

    assert Photo.objects.get().media_type == "image/png"


def test_nothing_waits_is_no_work(gallery, developer):
    assert process(developer) is None


# --- parts


def multipart(api, gallery, content: bytes, *, with_crcs: bool) -> Upload:
    declared = api.batch(gallery, file_out(size=len(content)), sign=False)[0]
    parts = [content[start : start + 8 * MIB] for start in range(0, len(content), 8 * MIB)]
    asks = [
        {"number": n, **({"crc32": crc_of(part)} if with_crcs else {})}
        for n, part in enumerate(parts, start=1)
    ]
    api.sign({"id": declared["id"], "parts": asks})
    upload = Upload.objects.get(pk=declared["id"])
    for number, part in enumerate(parts, start=1):
        put_part(upload, number, part)
    return upload


def large_jpeg() -> bytes:
    """Bytes after the end of a JPEG are no part of the picture, and none of a decoder's business."""
    return jpeg(5) + bytes(9 * MIB)


def test_parts_are_completed_by_the_worker_alone(api, gallery, developer):
    content = large_jpeg()
    upload = multipart(api, gallery, content, with_crcs=True)
    api.complete({"id": str(upload.pk)})

    process(developer)

    photo = Photo.objects.get()
    assert (photo.key, photo.size, photo.crc32) == (upload.key, len(content), crc_of(content))
    assert read(photo.key) == content


def test_parts_signed_without_checksums_are_bound_by_a_copy_out_of_reach(api, gallery, developer):
    upload = multipart(api, gallery, large_jpeg(), with_crcs=False)
    api.complete({"id": str(upload.pk)})

    process(developer)

    assert Photo.objects.get().key == bound_key(upload.pk, 1)
    assert Discard.objects.get().key == upload.key


@pytest.mark.parametrize("is_completed", [True, False], ids=["completed", "found whole by signing"])
def test_parts_that_a_store_has_not_compared_are_compared_by_the_worker(
    api, gallery, developer, is_completed
):
    content = large_jpeg()
    upload = multipart(api, gallery, content, with_crcs=True)
    put_part(upload, 2, b"damaged".ljust(len(content) - 8 * MIB))
    ask = {"id": str(upload.pk)}
    assert (api.complete(ask) if is_completed else api.sign({**ask, "after_failure": True}))[0]["state"] == (
        State.UPLOADED
    )

    process(developer)

    assert (row(upload).state, row(upload).error_code) == (State.FAILED, "checksum_mismatch")
    assert not Photo.objects.exists()


def test_missing_parts_fail_and_a_retry_asks_for_those_alone(api, gallery, developer):
    content = large_jpeg()
    upload = multipart(api, gallery, content, with_crcs=True)
    location = settings.STORAGES["local"]["OPTIONS"]["location"]
    (location / ".multipart" / upload.session / "00002").unlink()
    api.complete({"id": str(upload.pk)})

    process(developer)

    assert row(upload).error_code == "parts_missing"
    assert row(upload).error_details == {"missing": [2], "missing_count": 1}
    again = api.retry(upload.pk)[0]
    assert [part["number"] for part in again["transfer"]["parts"]] == [2]
    put_part(row(upload), 2, content[8 * MIB :])
    api.complete({"id": str(upload.pk)})
    process(developer)
    assert row(upload).state == State.VERIFIED


# --- it refuses, each with its code


@pytest.mark.parametrize(
    ("content", "declared", "code"),
    [
        (None, {}, "object_missing"),
        (jpeg(1)[:-1], {"size": len(jpeg(1))}, "size_mismatch"),
        (jpeg(1) + b"x", {"size": len(jpeg(1))}, "size_mismatch"),
        (jpeg(1), {"crc32": "00000000"}, "checksum_mismatch"),
        (b"plain words, no photo", {}, "not_an_image"),
        (jpeg(1)[: len(jpeg(1)) // 2], {}, "damaged_photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {}, "not_an_image"),
    ],
    ids=["missing", "shorter", "longer", "other bytes", "text", "half", "svg"],
)
def test_what_is_wrong_fails_with_its_code_and_is_not_published(gallery, developer, content, declared, code):
    size = declared.get("size", len(content or b"12345"))
    upload = make_upload(gallery, State.UPLOADED, size=size, crc32=declared.get("crc32", ""), name="x.jpg")
    if content is not None:
        put_original(upload, content)

    process(developer)

    after = row(upload)
    assert (after.state, after.error_code) == (State.FAILED, code)
    assert after.ended_at is not None
    assert not Photo.objects.exists()
    assert not Rendition.objects.exists()
    gallery.refresh_from_db()
    assert gallery.photo_count == 0


@pytest.mark.parametrize(("content", "is_let_go"), [(b"no photo", True), (None, False)])
def test_bytes_that_can_never_be_a_photo_are_thrown_away(gallery, developer, content, is_let_go):
    upload = make_upload(gallery, State.UPLOADED, size=8)
    if content:
        put_original(upload, content)

    process(developer)

    assert (upload.key in Discard.objects.values_list("key", flat=True)) == is_let_go


def test_one_bad_file_harms_no_other(gallery, developer):
    bad, good = uploaded(gallery, b"no photo"), uploaded(gallery, jpeg(2))

    while process(developer):
        pass

    assert (row(bad).state, row(good).state) == (State.FAILED, State.VERIFIED)


# --- duplicates


def test_of_two_files_with_the_same_bytes_the_second_is_a_duplicate(gallery, developer):
    content = jpeg(3)
    first, second = uploaded(gallery, content), uploaded(gallery, content)

    while process(developer):
        pass

    photo = Photo.objects.get()
    states = sorted((row(each).state, row(each).error_code) for each in (first, second))
    assert states == [(State.FAILED, "duplicate"), (State.VERIFIED, "")]
    failed = Upload.objects.get(state=State.FAILED)
    assert failed.error_details == {"photo_id": str(photo.pk)}
    gallery.refresh_from_db()
    assert gallery.photo_count == 1


def test_what_a_duplicate_left_in_the_store_goes_and_the_photo_stays(gallery, developer):
    content = jpeg(3)
    uploaded(gallery, content)
    uploaded(gallery, content)
    while process(developer):
        pass

    Discard.objects.update(not_before=timezone.now())
    sweep.only("discards")

    photo = Photo.objects.get()
    assert keys() == {photo.key, *photo.renditions.values_list("key", flat=True)}
    assert not Discard.objects.exists()


def test_a_wished_copy_is_published_beside_the_first(gallery, developer):
    content = jpeg(3)
    uploaded(gallery, content)
    uploaded(gallery, content, is_wanted_copy=True)

    while process(developer):
        pass

    assert Photo.objects.ready().count() == 2


def test_the_same_bytes_in_another_gallery_are_another_photo(gallery, owner, developer):
    content = jpeg(3)
    uploaded(gallery, content)
    uploaded(make_gallery(owner), content)

    while process(developer):
        pass

    assert Photo.objects.ready().count() == 2


# --- what happens meanwhile


class Meanwhile:
    """The real decoder, but something happens while it works."""

    def __init__(self, developer, act) -> None:
        self.developer, self.act = developer, act

    def develop(self, source, *, media_type):
        developed = self.developer.develop(source, media_type=media_type)
        self.act()
        return developed


def test_cancelled_while_verifying_is_not_published(api, gallery, developer):
    upload = uploaded(gallery, jpeg(1))

    process(Meanwhile(developer, lambda: api.cancel(upload.pk)))

    assert row(upload).state == State.CANCELLED
    assert not Photo.objects.exists()
    Discard.objects.update(not_before=timezone.now())
    sweep.only("discards")
    assert keys() == set()


def test_a_gallery_deleted_while_verifying_gets_no_photo(api, gallery, developer):
    upload = uploaded(gallery, jpeg(1))

    process(Meanwhile(developer, lambda: api.delete(f"/galleries/{gallery.pk}")))

    assert row(upload).state == State.CANCELLED
    assert not Photo.objects.exists()


def test_a_worker_taken_for_dead_changes_nothing_when_it_comes_back(gallery, developer):
    upload = uploaded(gallery, jpeg(1))

    def lose_the_lease() -> None:
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        process(developer)

    process(Meanwhile(developer, lose_the_lease))

    assert row(upload).state == State.VERIFIED
    photo = Photo.objects.get()
    assert photo.renditions.count() == 2
    Discard.objects.update(not_before=timezone.now())
    sweep.only("discards")
    assert keys() == {photo.key, *photo.renditions.values_list("key", flat=True)}


def test_renditions_of_a_worker_still_at_work_are_not_thrown_away(gallery, developer):
    upload = uploaded(gallery, jpeg(1))

    def somebody_else_holds_it() -> None:
        Upload.objects.update(lease_token=uuid.uuid4(), version=99)

    process(Meanwhile(developer, somebody_else_holds_it))

    assert row(upload).state == State.VERIFYING
    assert not Discard.objects.exists()


def test_a_lease_that_ran_out_is_taken_over_before_new_work(gallery, developer):
    lost = uploaded(gallery, jpeg(1))
    assert claim_next().pk == lost.pk
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    uploaded(gallery, jpeg(2))

    taken = claim_next()

    assert (taken.pk, taken.tries) == (lost.pk, 2)
    assert taken.events.last().event == "take_over"


def test_a_lease_that_holds_is_respected(gallery):
    uploaded(gallery, jpeg(1))
    claim_next()

    assert claim_next() is None


def test_the_owner_with_the_fewest_in_work_comes_first(gallery, stranger):
    for number in range(3):
        uploaded(gallery, jpeg(number))
    uploaded(make_gallery(stranger), jpeg(9))

    claimed = [claim_next() for _ in range(4)]

    assert {upload.owner_id for upload in claimed[:2]} == {gallery.owner_id, stranger.pk}


def test_a_single_worker_serves_everybody_however_long_one_queue_is(gallery, stranger):
    from uploads.verify import fairest

    for each in [gallery, gallery, gallery, make_gallery(stranger)]:
        uploaded(each, b"bytes")

    served = {fairest(timezone.now()).owner_id for _ in range(100)}

    assert served == {gallery.owner_id, stranger.pk}


def test_files_of_one_owner_are_taken_in_their_order(gallery):
    at = timezone.now() - timedelta(minutes=5)
    uploads = [uploaded(gallery, b"bytes", try_after=at + timedelta(seconds=-n)) for n in range(3)]

    assert [claim_next().pk for _ in range(3)] == [upload.pk for upload in reversed(uploads)]


def test_a_row_that_is_put_off_waits(gallery):
    upload = uploaded(gallery, jpeg(1), try_after=timezone.now() + timedelta(minutes=1))

    assert claim_next() is None
    make_due(upload)
    assert claim_next().pk == upload.pk


# --- passing faults


@pytest.fixture
def broken_store(monkeypatch):
    """The disk answers with an input/output error until `mend` is called."""
    import errno

    real = os.open
    state = {"is_broken": True}

    def open_or_fail(path, flags, *args, **kwargs):
        if state["is_broken"] and "originals" in str(path):
            raise OSError(errno.EIO, "input/output error")
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", open_or_fail)
    return lambda: state.update(is_broken=False)


def test_a_store_that_fails_for_a_moment_puts_the_upload_back(gallery, developer, broken_store):
    upload = uploaded_before_the_fault(gallery, broken_store)

    process(developer)

    after = row(upload)
    assert (after.state, after.error_code, after.tries) == (State.UPLOADED, "", 0)
    assert after.try_after > timezone.now()
    broken_store()
    make_due(upload)
    process(developer)
    assert row(upload).state == State.VERIFIED


def uploaded_before_the_fault(gallery, broken_store, age: timedelta = timedelta(0)) -> Upload:
    content = jpeg(1)
    now = clock.now()
    upload = make_upload(
        gallery, State.UPLOADED, size=len(content), crc32=crc_of(content), active_at=now - age, try_after=now
    )
    path = settings.STORAGES["local"]["OPTIONS"]["location"] / upload.key
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return upload


@pytest.mark.parametrize(
    ("age", "state"),
    [(STORE_FORGIVEN - timedelta(minutes=1), State.UPLOADED), (STORE_FORGIVEN, State.FAILED)],
    ids=["less-than-a-day", "a-day"],
)
def test_a_store_that_is_away_is_waited_for_a_day(gallery, developer, broken_store, age, state):
    upload = uploaded_before_the_fault(gallery, broken_store, age)

    for _ in range(3 * MAX_TRIES):
        make_due(upload)
        process(developer)

    assert row(upload).state == state
    assert row(upload).tries == (0 if state == State.UPLOADED else MAX_TRIES)


def test_a_store_that_keeps_failing_ends_the_upload_with_its_code_and_a_retry_mends_it(
    api, gallery, developer, broken_store
):
    upload = uploaded_before_the_fault(gallery, broken_store, STORE_FORGIVEN)

    for _ in range(MAX_TRIES):
        make_due(upload)
        process(developer)

    assert (row(upload).state, row(upload).error_code) == (State.FAILED, "storage_unavailable")
    assert row(upload).tries == MAX_TRIES
    broken_store()
    assert api.retry(upload.pk)[0]["state"] == "uploaded"
    process(developer)
    assert row(upload).state == State.VERIFIED


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("age_s", "longest_s"), [(0, 4), (16, 4), (80, 20), (236, 59), (240, 60), (3600, 60)]
)
def test_waiting_for_a_store_grows_to_a_minute(gallery, developer, broken_store, age_s, longest_s):
    upload = uploaded_before_the_fault(gallery, broken_store, timedelta(seconds=age_s))

    process(developer)

    wait_s = (row(upload).try_after - clock.now()).total_seconds()
    assert longest_s / 2 <= wait_s <= longest_s


@pytest.mark.usefixtures("still")
def test_waiting_between_tries_grows_and_is_bounded(gallery, developer, broken_store):
    upload = uploaded_before_the_fault(gallery, broken_store, STORE_FORGIVEN)

    waits = []
    for _ in range(MAX_TRIES - 1):
        make_due(upload)
        process(developer)
        waits.append((row(upload).try_after - clock.now()).total_seconds())

    for tries, wait in enumerate(waits, start=1):
        assert 2**tries <= wait <= 2 * 2**tries


@pytest.mark.parametrize(("tries", "state"), [(MAX_TRIES - 1, State.VERIFIED), (MAX_TRIES, State.FAILED)])
def test_a_file_that_kills_its_worker_every_time_is_given_up(gallery, developer, tries, state):
    upload = uploaded(gallery, jpeg(1), tries=tries)

    process(developer)

    assert row(upload).state == state
    assert row(upload).error_code == ("gave_up" if state == State.FAILED else "")


class Broken:
    """A decoder with a fault of its own, that no code of ours foresees."""

    def develop(self, source, *, media_type):
        raise RuntimeError("unforeseen")


def test_a_fault_that_nobody_foresaw_is_tried_again_and_then_given_up(gallery, caplog):
    upload = uploaded(gallery, jpeg(1))

    for _ in range(MAX_TRIES):
        make_due(upload)
        process(Broken())

    assert (row(upload).state, row(upload).error_code) == (State.FAILED, "gave_up")
    assert "verify.crashed" in caplog.text


@pytest.mark.parametrize("point", ["after the claim", "after the renditions"])
def test_a_worker_killed_anywhere_is_made_up_for_by_the_next(gallery, developer, point):
    """Killed: nothing of ours runs any more. The lease runs out, another worker begins anew."""
    upload = uploaded(gallery, jpeg(1))

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    claimed = claim_next()
    if point == "after the renditions":
        with pytest.raises(Killed):
            verify(claimed, Meanwhile(developer, die))
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    while process(developer):
        pass

    assert row(upload).state == State.VERIFIED
    photo = Photo.objects.get()
    assert keys() == {photo.key, *photo.renditions.values_list("key", flat=True)}


def test_the_original_is_read_once(gallery, developer):
    from galleries.objects import base

    uploaded(gallery, jpeg(1))
    calls: list[str] = []
    base.on_store_call.append(lambda _store, verb: calls.append(verb))

    process(developer)

    base.on_store_call.pop()
    assert calls.count("read") == 1


def test_versions_count_each_change_and_the_history_tells_them(gallery, developer):
    upload = uploaded(gallery, jpeg(1))

    process(developer)

    after = row(upload)
    assert after.version == 3
    assert [each.event for each in after.events.all()] == ["claim", "verify"]
