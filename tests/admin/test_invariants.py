"""Each invariant is broken on purpose, in a world that was sound, and the check names it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from galleries.models import Gallery, Photo, PhotoStatus, Rendition
from galleries.objects.base import original_key, store_named
from tests.admin.rows import WAYS, gallery_of, photo_in, publication_of, upload_in
from uploads import clock
from uploads.lanes.base import lanes_of
from uploads.limits import (
    MAX_FILE_BYTES,
    MAX_GALLERY_BYTES,
    MAX_PART_COUNT,
    MAX_PIXELS,
    MAX_SIDE_PX,
    UPLOAD_LIFE,
)
from uploads.models import Discard, Upload, UploadEvent
from uploads.ops.breach import RULES
from uploads.ops.invariants import verify_invariants
from uploads.ops.store_rules import DISCARD_GRACE, OBJECT_GRACE
from uploads.ops.stuck import SETTLED_WITHIN
from uploads.states import State

SECOND = timedelta(seconds=1)


def broken(**asked: bool) -> set[str]:
    return {breach.rule for breach in verify_invariants(**asked).breaches}


@pytest.fixture
def photo(gallery: Gallery) -> Photo:
    return photo_in(gallery)


def test_a_sound_world_breaks_nothing(gallery) -> None:
    for state in WAYS:
        if state != State.VERIFIED:
            upload_in(gallery, state)
    for status in PhotoStatus.values:
        photo_in(gallery, status)

    assert broken(read_bytes=True) == set()


def test_an_acknowledged_upload_without_a_photo_breaks_i1(photo) -> None:
    Upload.objects.filter(pk=photo.upload_id).update(photo=None)

    assert broken() == {"verified_without_photo"}


def test_an_upload_whose_photo_was_deleted_and_forgotten_is_sound(photo) -> None:
    Upload.objects.filter(pk=photo.upload_id).update(
        photo=None, ended_at=timezone.now() - timedelta(hours=24)
    )

    assert "verified_without_photo" not in broken()


@pytest.mark.parametrize("column", [{"size": 1}, {"crc32": "00000000"}, {"upload_id": uuid4()}])
def test_a_photo_of_other_bytes_breaks_i1(column, photo) -> None:
    Photo.objects.filter(pk=photo.pk).update(**column)

    assert "photo_is_another" in broken()


def test_a_lost_original_breaks_i1(photo) -> None:
    store_named("local").delete([photo.key])

    assert broken() == {"original_missing"}


def test_an_original_of_another_size_breaks_i1(photo) -> None:
    store_named("local").put_bytes(photo.key, b"short", content_type="image/jpeg")

    assert broken() == {"original_missing"}


def test_an_altered_original_breaks_i1_where_bytes_are_read(photo) -> None:
    store_named("local").put_bytes(photo.key, b"x" * photo.size, content_type="image/jpeg")

    assert broken() == set()
    assert broken(read_bytes=True) == {"original_altered"}


@pytest.mark.parametrize("column", ["photo_count", "byte_count"])
def test_a_count_that_is_off_by_one_breaks_i3(column, photo) -> None:
    Gallery.objects.filter(pk=photo.gallery_id).update(**{column: getattr(Gallery.objects.get(), column) + 1})

    assert broken() == {"counters_differ"}


def unguarded(model: type[Photo], name: str) -> Any:
    """The constraint that keeps the database from this; it is put back with the rest of the transaction."""
    return next(each for each in model._meta.constraints if each.name == name)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("constraint", "rule", "shared"),
    [
        ("photo_once_per_upload", "photos_of_one_upload", ("upload_id",)),
        ("photo_bytes_once_per_gallery", "bytes_twice", ("size", "crc32")),
    ],
)
def test_what_the_database_refuses_breaks_i3_where_it_did_not(constraint, rule, shared, gallery) -> None:
    guard = unguarded(Photo, constraint)
    first, second = photo_in(gallery), photo_in(gallery)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Photo, guard)
    try:
        Photo.objects.filter(pk=second.pk).update(**{name: getattr(first, name) for name in shared})

        assert rule in broken(stores=False)
    finally:
        Photo.objects.filter(pk=second.pk).update(status=PhotoStatus.DELETED, deleted_at=timezone.now())
        with connection.schema_editor() as editor:
            editor.add_constraint(Photo, guard)


def test_the_same_bytes_twice_on_demand_are_sound(gallery) -> None:
    photo_in(gallery, content=b"the same")
    Photo.objects.update(is_wanted_copy=True)
    photo_in(gallery, content=b"the same")

    assert broken() == set()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"waiting_for_nobody"})])
def test_an_upload_that_waits_for_nobody_breaks_i5(beyond, expected, gallery) -> None:
    upload_in(gallery, State.UPLOADED, try_after=clock.now() - SETTLED_WITHIN - beyond)

    assert broken() == expected


def test_a_long_queue_that_moves_is_sound(gallery) -> None:
    upload_in(gallery, State.UPLOADED, try_after=timezone.now() - timedelta(hours=3))
    upload_in(gallery, State.VERIFYING)

    assert broken() == set()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"lease_lost"})])
def test_an_upload_held_by_a_lost_worker_breaks_i5(beyond, expected, gallery) -> None:
    upload_in(gallery, State.VERIFYING, lease_until=clock.now() - SETTLED_WITHIN - beyond)

    assert broken() == expected


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"past_its_life"})])
@pytest.mark.parametrize("state", [State.REGISTERED, State.SIGNED])
def test_an_upload_past_its_life_breaks_i5(state, beyond, expected, gallery) -> None:
    upload_in(gallery, state, active_at=clock.now() - UPLOAD_LIFE - SETTLED_WITHIN - beyond)

    assert broken() == expected


def test_a_publication_that_waits_for_nothing_breaks_i5(photo) -> None:
    publication_of(Upload.objects.get(pk=photo.upload_id))

    assert broken() == {"publication_without_end"}


@pytest.mark.parametrize(("ago", "expected"), [(0, set()), (70, {"publication_without_end"})])
def test_a_publication_waits_an_hour_for_bytes_that_may_be_sent_again(ago, expected, gallery) -> None:
    ended_at = timezone.now() - timedelta(minutes=ago)
    publication_of(upload_in(gallery, State.FAILED, code="checksum_mismatch", ended_at=ended_at))

    assert broken() == expected


def test_a_photo_shown_without_a_smaller_picture_breaks_i6(photo) -> None:
    Rendition.objects.filter(photo=photo, name="grid").delete()

    assert "shown_without_rendition" in broken()


def test_a_staged_photo_without_a_smaller_picture_is_sound(gallery) -> None:
    photo = photo_in(gallery, PhotoStatus.STAGED)
    Rendition.objects.filter(photo=photo, name="grid").delete()

    assert "shown_without_rendition" not in broken()


def test_a_smaller_picture_that_is_not_in_the_store_breaks_i6(photo) -> None:
    store_named("local").delete([photo.renditions.get(name="grid").key])

    assert broken() == {"rendition_missing"}


def test_a_photo_that_no_upload_brought_breaks_i6(photo) -> None:
    Upload.objects.filter(pk=photo.upload_id).delete()

    assert broken() == {"shown_without_upload"}


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"deleted_and_kept"})])
def test_a_deleted_photo_that_is_kept_breaks_i6(beyond, expected, gallery) -> None:
    photo = photo_in(gallery, PhotoStatus.DELETED)
    deleted_at = clock.now() - timedelta(hours=24) - SETTLED_WITHIN - beyond
    Photo.objects.filter(pk=photo.pk).update(deleted_at=deleted_at)

    assert broken() == expected


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"deleted_and_kept"})])
def test_a_photo_of_a_deleted_gallery_that_is_kept_breaks_i6(beyond, expected, photo) -> None:
    Gallery.objects.update(deleted_at=clock.now() - timedelta(hours=24) - SETTLED_WITHIN - beyond)

    assert broken() == expected


@pytest.mark.parametrize("is_in_deleted_gallery", [True, False])
def test_a_photo_that_is_just_being_forgotten_is_sound(is_in_deleted_gallery, gallery, photo) -> None:
    """Its objects go first."""
    deleted_at = timezone.now() - timedelta(hours=24, seconds=40)
    if is_in_deleted_gallery:
        Gallery.objects.update(deleted_at=deleted_at)
    else:
        Photo.objects.update(status=PhotoStatus.DELETED, deleted_at=deleted_at)
        Gallery.objects.update(photo_count=0, byte_count=0)
    store_named("local").delete([photo.key, *photo.renditions.values_list("key", flat=True)])

    assert broken() == set()


def test_a_state_written_past_the_table_breaks_i8(gallery) -> None:
    upload = upload_in(gallery, State.SIGNED)
    Upload.objects.filter(pk=upload.pk).update(state=State.UPLOADED)

    assert broken() == {"illegal_history"}


def test_a_version_that_skips_breaks_i8(gallery) -> None:
    upload = upload_in(gallery, State.SIGNED)
    Upload.objects.filter(pk=upload.pk).update(version=upload.version + 1)

    assert broken() == {"illegal_history"}


@pytest.mark.parametrize(
    "forged",
    [
        {"event": "verify", "source": "signed", "target": "verified"},
        {"event": "sign", "source": "uploaded", "target": "signed"},
        {"event": "conjure", "source": "signed", "target": "uploaded"},
        {"event": "stored", "source": "signed", "target": "verified"},
        {"event": "stored", "source": "signed", "target": "uploaded", "attempt": 0},
    ],
)
def test_an_illegal_move_breaks_i8(forged, gallery) -> None:
    upload = upload_in(gallery, State.SIGNED)
    UploadEvent.objects.create(upload=upload, at=timezone.now(), **({"attempt": 1} | forged))
    Upload.objects.filter(pk=upload.pk).update(
        state=forged["target"], version=3, attempt=forged.get("attempt", 1), ended_at=None
    )

    assert "illegal_history" in broken()


def test_an_upload_without_a_birth_breaks_i8(gallery) -> None:
    upload = upload_in(gallery, State.REGISTERED)
    UploadEvent.objects.filter(upload=upload).delete()

    assert broken() == {"illegal_history"}


@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"object_without_row"})])
def test_an_object_that_no_row_names_breaks_i9_once_the_grace_is_over(beyond, expected, later, db) -> None:
    store_named("local").put_bytes(original_key(uuid4(), 1), b"nobody's", content_type="image/jpeg")

    later(OBJECT_GRACE + beyond * 60)

    assert broken() == expected


@pytest.mark.parametrize("state", [state for state in WAYS if state != State.VERIFIED])
def test_only_objects_of_uploads_that_may_still_become_photos_are_named(state, gallery, later) -> None:
    upload = upload_in(gallery, state)
    store_named("local").put_bytes(upload.key, b"sent", content_type="image/jpeg")

    later(OBJECT_GRACE + timedelta(minutes=1))

    assert ("object_without_row" in broken()) is (state in {State.CANCELLED, State.EXPIRED})


def test_what_the_janitor_is_about_to_throw_away_is_named(db, later) -> None:
    key = original_key(uuid4(), 1)
    store_named("local").put_bytes(key, b"sent", content_type="image/jpeg")
    Discard.objects.create(store="local", key=key, not_before=timezone.now() + OBJECT_GRACE)

    later(OBJECT_GRACE + timedelta(minutes=1))

    assert broken() == set()


@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"session_without_row"})])
def test_parts_that_no_row_names_break_i9_once_the_grace_is_over(beyond, expected, later, db) -> None:
    lanes_of("local").create_multipart(original_key(uuid4(), 1), content_type="image/jpeg")

    later(OBJECT_GRACE + beyond * 60)

    assert broken() == expected


def test_parts_of_an_open_upload_are_named(gallery, later) -> None:
    upload = upload_in(gallery, State.SIGNED)
    session = lanes_of("local").create_multipart(upload.key, content_type="image/jpeg")
    Upload.objects.filter(pk=upload.pk).update(session=session, lane="multipart")

    later(OBJECT_GRACE + timedelta(minutes=1))

    assert broken() == set()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("beyond", "expected"), [(-SECOND, set()), (SECOND, {"discard_overdue"})])
def test_a_janitor_who_does_not_come_breaks_i9(beyond, expected, db) -> None:
    key = original_key(uuid4(), 1)
    Discard.objects.create(store="local", key=key, not_before=clock.now() - DISCARD_GRACE - beyond)

    assert broken() == expected


def test_a_row_that_names_a_store_nobody_knows_breaks_i9(gallery) -> None:
    upload_in(gallery, State.SIGNED, store="the-old-one")

    assert broken() == {"store_unknown"}


@pytest.mark.parametrize(("count", "expected"), [(0, set()), (1, {"gallery_overfull"})])
def test_a_gallery_with_more_bytes_than_it_may_have_breaks_i11(count, expected, gallery) -> None:
    """A hundred and one uploads of the largest size, but for what is still free."""
    free = MAX_GALLERY_BYTES
    while free:
        size = min(free, MAX_FILE_BYTES)
        upload_in(gallery, State.SIGNED, size=size, lane="multipart")
        free -= size
    for _ in range(count):
        upload_in(gallery, State.SIGNED, size=1)

    assert broken() == expected


@pytest.mark.parametrize(("extra", "expected"), [(-1, set()), (0, set()), (1, {"gallery_overfull"})])
def test_a_gallery_with_more_photos_than_it_may_have_breaks_i11(extra, expected, gallery, settings) -> None:
    settings.MAX_GALLERY_PHOTOS = 3
    photo_in(gallery)
    for _ in range(2 + extra):
        upload_in(gallery, State.SIGNED)

    assert broken() == expected


@pytest.mark.parametrize(("extra", "expected"), [(-1, set()), (0, set()), (1, {"gallery_overfull"})])
def test_a_gallery_with_more_open_uploads_than_it_may_have_breaks_i11(
    extra, expected, gallery, settings
) -> None:
    settings.MAX_GALLERY_OPEN_UPLOADS = 2
    photo_in(gallery)
    for _ in range(2 + extra):
        upload_in(gallery, State.SIGNED)

    assert broken() == expected


@pytest.mark.parametrize(("extra", "expected"), [(-1, set()), (0, set()), (1, {"user_overfull"})])
@pytest.mark.parametrize("quota", ["MAX_USER_PHOTOS", "MAX_USER_BYTES", "MAX_USER_OPEN_UPLOADS"])
def test_a_person_with_more_than_one_may_have_breaks_i11(quota, extra, expected, gallery, settings) -> None:
    """A deleted photo counts until its bytes are gone."""
    photos = [photo_in(gallery), photo_in(gallery_of(gallery.owner), PhotoStatus.DELETED)]
    uploads = [upload_in(gallery, State.SIGNED), upload_in(gallery_of(gallery.owner), State.UPLOADED)]
    held = {
        "MAX_USER_PHOTOS": len([*photos, *uploads]),
        "MAX_USER_BYTES": sum(each.size for each in [*photos, *uploads]),
        "MAX_USER_OPEN_UPLOADS": len(uploads),
    }
    setattr(settings, quota, held[quota] - extra)

    assert broken() == expected


@pytest.mark.parametrize(("extra", "expected"), [(-1, set()), (0, set()), (1, {"upload_too_large"})])
def test_an_upload_larger_than_any_may_be_breaks_i11(extra, expected, gallery) -> None:
    upload_in(gallery, State.SIGNED, size=MAX_FILE_BYTES + extra, lane="multipart")

    assert broken() == expected


@pytest.mark.parametrize(("extra", "expected"), [(-1, set()), (0, set()), (1, {"upload_too_large"})])
def test_an_upload_of_more_parts_than_any_may_have_breaks_i11(extra, expected, gallery) -> None:
    upload_in(gallery, State.SIGNED, size=MAX_PART_COUNT * 1000 + extra, part_bytes=1000, lane="multipart")

    assert broken() == expected


@pytest.mark.parametrize(
    ("width", "height", "is_sound"),
    [
        (MAX_SIDE_PX - 1, 1, True),
        (MAX_SIDE_PX, 1, True),
        (MAX_SIDE_PX + 1, 1, False),
        (1, MAX_SIDE_PX + 1, False),
        (MAX_PIXELS // 10_000, 10_000, True),
        (MAX_PIXELS // 10_000 + 1, 10_000, False),
    ],
)
def test_a_photo_larger_than_any_may_be_breaks_i11(width, height, is_sound, photo) -> None:
    Photo.objects.filter(pk=photo.pk).update(width=width, height=height)

    assert broken() == (set() if is_sound else {"photo_too_large"})


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_invariants", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_ends_with_0_and_says_so_when_all_holds(photo) -> None:
    code, said = run("--json")

    assert code == 0
    assert json.loads(said) == {"ok": True, "checked": [*RULES], "broken": [], "unanswered": []}


def test_the_command_ends_with_1_and_names_what_is_broken(photo) -> None:
    store_named("local").delete([photo.key])

    code, said = run("--json")

    assert code == 1
    (named,) = json.loads(said)["broken"]
    assert (named["invariant"], named["rule"], named["count"], named["examples"]) == (
        "I1",
        "original_missing",
        1,
        [photo.key],
    )


def test_people_read_the_same_in_words(photo) -> None:
    Gallery.objects.update(photo_count=7)

    code, said = run("--rows-only")

    assert code == 1
    assert said.startswith("I3 counters_differ: a gallery does not count the photos it shows (1)")


def test_a_store_that_does_not_answer_is_said_and_not_taken_for_empty(photo, settings) -> None:
    options = {
        "bucket_name": "photos",
        "endpoint_url": "http://127.0.0.1:1",
        "access_key": "k",
        "secret_key": "s",
    }
    settings.STORAGES = settings.STORAGES | {
        "s3": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }

    code, said = run("--json")

    assert code == 2
    report = json.loads(said)
    assert (report["ok"], report["broken"], report["unanswered"]) == (False, [], ["s3"])


def test_every_rule_that_is_checked_is_described() -> None:
    from uploads.ops import row_rules

    described = {rule for rules in RULES.values() for rule in rules}

    assert {*row_rules.rules_at(timezone.now())} <= described
