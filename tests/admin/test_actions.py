"""What staff mend, and what they are told of it. Everything goes through the product's own steps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from accounts.models import find_user_of_token, issue_token
from galleries import lifecycle
from galleries.models import Gallery, Photo, PhotoStatus
from galleries.objects.base import original_key, store_named
from tests.admin.rows import photo_in, publication_of, upload_in
from uploads import announce, publications
from uploads.models import Discard, Publication, Upload, UploadEvent
from uploads.ops.invariants import verify_invariants
from uploads.states import State

if TYPE_CHECKING:
    from accounts.models import User


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[str]:
    """The rope is pulled outside of this process; here it is only heard."""
    rung: list[str] = []
    monkeypatch.setattr(announce, "ring", lambda: rung.append("ding"))
    return rung


def history(upload: Upload) -> list[str]:
    return list(UploadEvent.objects.filter(upload=upload).values_list("event", flat=True))


def entries(row: Any) -> list[tuple[str, str]]:
    """Who did what to it."""
    found = LogEntry.objects.filter(object_id=str(row.pk)).order_by("pk").select_related("user")
    return [(entry.user.get_username(), entry.get_change_message()) for entry in found]


def state_of(upload: Upload) -> str:
    return Upload.objects.get(pk=upload.pk).state


def test_a_failed_upload_with_good_bytes_is_checked_again(
    gallery, chief, bells, django_capture_on_commit_callbacks
) -> None:
    upload = upload_in(gallery, State.FAILED, code="gave_up")

    with django_capture_on_commit_callbacks(execute=True):
        answer = chief.act("uploads_upload", "retry", upload)

    assert state_of(upload) == State.UPLOADED
    assert history(upload)[-1] == "check_again"
    assert bells == ["ding"]
    assert chief.said(answer) == ["1 upload will be checked again."]
    assert entries(upload) == [("chief", "Will be checked again.")]


def test_a_failed_upload_with_bad_bytes_waits_for_its_sender_on_a_new_attempt(gallery, chief) -> None:
    upload = upload_in(gallery, State.FAILED, code="checksum_mismatch")

    answer = chief.act("uploads_upload", "retry", upload)

    after = Upload.objects.get(pk=upload.pk)
    assert (after.state, after.attempt, after.key) == (State.SIGNED, 2, original_key(upload.pk, 2))
    assert Discard.objects.filter(key=upload.key).exists()
    assert chief.said(answer) == ["1 upload will go on when the sender sends the bytes again."]


def test_whoever_watches_the_gallery_learns_of_it(gallery, chief) -> None:
    upload = upload_in(gallery, State.FAILED)
    before = Gallery.objects.get(pk=gallery.pk).version

    chief.act("uploads_upload", "retry", upload)

    assert Gallery.objects.get(pk=gallery.pk).version == before + 1


def test_what_is_not_retried_is_counted_by_why_not(gallery, owner, chief) -> None:
    gone = lifecycle_deleted(owner)
    rows = [
        upload_in(gallery, State.FAILED),
        upload_in(gallery, State.FAILED, code="not_an_image"),
        upload_in(gallery, State.SIGNED),
        upload_in(gallery, State.VERIFIED, photo=None),
        gone,
    ]

    answer = chief.act("uploads_upload", "retry", *rows)

    done, left = chief.said(answer)
    assert done == "1 upload will be checked again."
    assert left.startswith("4 uploads left as before. ")
    for why in (
        "1: trying again does not help (not_an_image)",
        "1: signed, not failed",
        "1: verified, not failed",
        "1: This gallery was deleted",
    ):
        assert why in left
    assert [len(entries(row)) for row in rows] == [1, 0, 0, 0, 0]


def lifecycle_deleted(owner: User) -> Upload:
    gallery = Gallery.objects.create(owner=owner, title="Gone")
    upload = upload_in(gallery, State.FAILED)
    lifecycle.delete(gallery)
    return upload


def test_more_than_a_hundred_are_retried_at_once(gallery, chief) -> None:
    rows = [upload_in(gallery, State.FAILED) for _ in range(101)]

    answer = chief.act("uploads_upload", "retry", *rows, select_across="1")

    assert chief.said(answer) == ["101 uploads will be checked again."]
    assert set(Upload.objects.values_list("state", flat=True)) == {"uploaded"}


def test_retrying_twice_does_it_once(gallery, chief) -> None:
    upload = upload_in(gallery, State.FAILED)

    chief.act("uploads_upload", "retry", upload)
    answer = chief.act("uploads_upload", "retry", upload)

    assert chief.said(answer) == ["1 upload left as before. 1: uploaded, not failed."]
    assert history(upload).count("check_again") == 1
    assert len(entries(upload)) == 1


def test_an_upload_put_off_is_put_before_the_workers_at_once(
    gallery, chief, bells, django_capture_on_commit_callbacks
) -> None:
    upload = upload_in(gallery, State.UPLOADED, try_after=timezone.now() + timedelta(minutes=5))

    with django_capture_on_commit_callbacks(execute=True):
        answer = chief.act("uploads_upload", "requeue", upload)

    after = Upload.objects.get(pk=upload.pk)
    assert after.try_after <= timezone.now()
    assert (after.state, after.version, history(after)) == (upload.state, upload.version, history(upload))
    assert bells == ["ding"]
    assert chief.said(answer) == ["1 upload put before the workers again."]


def test_an_upload_of_a_lost_worker_rings_and_one_in_hand_does_not(
    gallery, chief, bells, django_capture_on_commit_callbacks
) -> None:
    lost = upload_in(gallery, State.VERIFYING, lease_until=timezone.now() - timedelta(seconds=1))
    in_hand = upload_in(gallery, State.VERIFYING)

    with django_capture_on_commit_callbacks(execute=True):
        answer = chief.act("uploads_upload", "requeue", lost, in_hand)

    assert bells == ["ding"]
    assert chief.said(answer) == [
        "1 upload put before the workers again.",
        "1 upload left as before. 1: a worker has it in hand.",
    ]


def test_nothing_rings_where_nothing_waits(gallery, chief, bells, django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        chief.act("uploads_upload", "requeue", upload_in(gallery, State.SIGNED))

    assert bells == []


def test_cancelling_lets_the_janitor_have_the_bytes(gallery, chief) -> None:
    upload = upload_in(gallery, State.SIGNED)

    answer = chief.act("uploads_upload", "cancel", upload)

    assert state_of(upload) == State.CANCELLED
    assert Discard.objects.filter(key=upload.key).exists()
    assert chief.said(answer) == ["1 upload cancelled."]
    assert entries(upload) == [("chief", "Cancelled.")]


def test_a_photo_is_not_cancelled_any_more(gallery, chief) -> None:
    photo = photo_in(gallery)
    upload = Upload.objects.get(pk=photo.upload_id)

    answer = chief.act("uploads_upload", "cancel", upload)

    assert state_of(upload) == State.VERIFIED
    assert chief.said(answer) == ["1 upload left as before. 1: The photo is already in the gallery."]


def test_what_failed_of_a_publication_is_taken_up_again(gallery, chief) -> None:
    good, bad = photo_in(gallery), upload_in(gallery, State.FAILED)
    publication = publication_of(Upload.objects.get(pk=good.upload_id), bad, state="some_failed")

    answer = chief.act("uploads_publication", "retry", publication)

    assert Publication.objects.get(pk=publication.pk).state == "in_progress"
    assert state_of(bad) == State.UPLOADED
    assert chief.said(answer) == ["1 publication taken up again."]
    assert entries(publication) == [("chief", "Taken up again.")]


def test_a_publication_that_would_be_one_too_many_stays_as_it_is(gallery, chief, monkeypatch) -> None:
    monkeypatch.setattr(publications, "MAX_PUBLICATIONS_IN_PROGRESS", 1)
    publication_of(upload_in(gallery, State.SIGNED))
    failed = upload_in(gallery, State.FAILED)
    publication = publication_of(failed, state="all_failed")

    answer = chief.act("uploads_publication", "retry", publication)

    assert state_of(failed) == State.FAILED
    assert chief.said(answer) == [
        "1 publication left as before. 1: Too many publications of this gallery wait for files."
    ]


def test_a_publication_of_which_nothing_failed_stays_as_it_is(gallery, chief) -> None:
    photo = photo_in(gallery)
    done = publication_of(Upload.objects.get(pk=photo.upload_id), state="all_succeeded")
    running = publication_of(upload_in(gallery, State.SIGNED))

    answer = chief.act("uploads_publication", "retry", done, running)

    (left,) = chief.said(answer)
    assert left.startswith("2 publications left as before. ")
    assert "1: nothing of it failed" in left
    assert "1: in progress" in left


def test_a_deleted_photo_is_not_counted_and_comes_back_counted(gallery, chief) -> None:
    photo, other = photo_in(gallery), photo_in(gallery)

    deleted = chief.act("galleries_photo", "delete", photo)

    shown = Gallery.objects.get(pk=gallery.pk)
    assert (shown.photo_count, shown.byte_count) == (1, other.size)
    assert chief.said(deleted) == ["1 photo deleted."]

    restored = chief.act("galleries_photo", "restore", photo)

    shown = Gallery.objects.get(pk=gallery.pk)
    assert (shown.photo_count, shown.byte_count) == (2, photo.size + other.size)
    assert chief.said(restored) == ["1 photo restored."]
    assert entries(photo) == [("chief", "Deleted."), ("chief", "Restored.")]
    assert verify_invariants().is_whole


@pytest.mark.parametrize(
    ("ago", "comes_back"),
    [(timedelta(hours=24, seconds=-5), True), (timedelta(hours=24, seconds=1), False)],
)
def test_a_photo_comes_back_within_a_day(ago, comes_back, gallery, chief) -> None:
    photo = photo_in(gallery, PhotoStatus.DELETED)
    Photo.objects.filter(pk=photo.pk).update(deleted_at=timezone.now() - ago)

    answer = chief.act("galleries_photo", "restore", photo)

    assert (Photo.objects.get(pk=photo.pk).status == PhotoStatus.READY) is comes_back
    if not comes_back:
        assert chief.said(answer) == ["1 photo left as before. 1: deleted more than 24 hours ago."]


def test_one_photo_that_cannot_come_back_keeps_no_other_from_it(gallery, chief) -> None:
    again, its_next, other = photo_in(gallery), photo_in(gallery), photo_in(gallery)
    chief.act("galleries_photo", "delete", again, other)
    Photo.objects.filter(pk=its_next.pk).update(upload_id=again.upload_id)

    answer = chief.act("galleries_photo", "restore", again, other)

    assert Photo.objects.get(pk=other.pk).status == PhotoStatus.READY
    assert chief.said(answer) == [
        "1 photo restored.",
        "1 photo left as before. 1: its file was sent again and is a photo of its own now.",
    ]


def test_a_gallery_is_deleted_with_what_is_on_its_way(gallery, chief) -> None:
    upload = upload_in(gallery, State.SIGNED)

    answer = chief.act("galleries_gallery", "delete", gallery)

    assert state_of(upload) == State.CANCELLED
    assert Gallery.objects.get(pk=gallery.pk).deleted_at is not None
    assert chief.said(answer) == ["1 gallery deleted."]
    assert entries(gallery) == [("chief", "Deleted.")]


def test_a_new_title_is_announced_to_who_is_watching(gallery, chief) -> None:
    before = Gallery.objects.get(pk=gallery.pk).version
    body = {
        "title": "Autumn",
        "sort": "name",
        "auto_publish": "on",
        "keep_location": "on",
        "photo_count": "9",
    }

    chief.client.post(reverse("admin:galleries_gallery_change", args=[gallery.pk]), body)

    after = Gallery.objects.get(pk=gallery.pk)
    assert (after.title, after.sort, after.version) == ("Autumn", "name", before + 1)
    assert (after.keep_location, after.photo_count) == (False, 0)


def test_staff_narrow_what_a_gallery_takes(gallery, chief) -> None:
    page = reverse("admin:galleries_gallery_change", args=[gallery.pk])
    body = {"title": "Summer", "sort": "name", "only_types": ["image/jpeg"], "min_pixels": "5000000"}

    chief.client.post(page, body)
    refused = chief.client.post(page, {**body, "max_pixels": "4999999", "only_types": ["image/svg+xml"]})

    after = Gallery.objects.get(pk=gallery.pk)
    assert (after.only_types, after.min_pixels, after.max_pixels) == (["image/jpeg"], 5_000_000, None)
    assert "at least so many pixels" in refused.content.decode()
    assert "image/svg+xml is not one of" in refused.content.decode()


def test_what_a_gallery_takes_is_asked_for_in_words(gallery, chief) -> None:
    page = chief.client.get(reverse("admin:galleries_gallery_change", args=[gallery.pk])).content.decode()

    for words in ("Takes only", "Largest file, in bytes", "Fewest pixels", "Most pixels", "Most photos"):
        assert f">{words}:</" in page
    assert page.count("as the product takes.") == 3
    assert "Only types" not in page


def test_a_deleted_gallery_is_not_changed(gallery, chief) -> None:
    lifecycle.delete(gallery)

    answer = chief.client.post(
        reverse("admin:galleries_gallery_change", args=[gallery.pk]), {"title": "Autumn", "sort": "name"}
    )

    assert answer.status_code == 403
    assert Gallery.objects.get(pk=gallery.pk).title == "Summer"


def test_a_revoked_token_opens_nothing(gallery, owner, chief) -> None:
    token = issue_token(owner)
    row = owner.api_tokens.get()

    first = chief.act("accounts_apitoken", "revoke", row)
    second = chief.act("accounts_apitoken", "revoke", row)

    assert find_user_of_token(token) is None
    assert chief.said(first) == ["1 api token revoked."]
    assert chief.said(second) == ["1 api token left as before. 1: revoked already."]
    assert entries(row) == [("chief", "Revoked.")]


def test_what_is_due_is_thrown_away_and_what_is_not_stays(gallery, chief) -> None:
    store, now = store_named("local"), timezone.now()
    keys = [original_key(UUID(int=number), 1) for number in (1, 2)]
    for key in keys:
        store.put_bytes(key, b"nobody's", content_type="image/jpeg")
    due = Discard.objects.create(store="local", key=keys[0], not_before=now)
    later = Discard.objects.create(store="local", key=keys[1], not_before=now + timedelta(minutes=1))

    answer = chief.act("uploads_discard", "throw_away_now", due, later)

    assert [store.find(key) is None for key in keys] == [True, False]
    assert list(Discard.objects.all()) == [later]
    assert chief.said(answer) == ["1 discard thrown away.", "1 discard left as before. 1: not due yet."]


def test_a_store_that_is_gone_keeps_its_rows_and_no_other_store_s(chief) -> None:
    now = timezone.now()
    keys = [original_key(UUID(int=number), 1) for number in (1, 2)]
    gone, here = (
        Discard.objects.create(store=store, key=key, not_before=now)
        for store, key in zip(("the-old-one", "local"), keys, strict=True)
    )
    store_named("local").put_bytes(here.key, b"nobody's", content_type="image/jpeg")

    answer = chief.act("uploads_discard", "throw_away_now", gone, here)

    assert list(Discard.objects.all()) == [gone]
    assert store_named("local").find(here.key) is None
    assert chief.said(answer) == [
        "1 discard thrown away.",
        "1 discard left as before. 1: the storage does not answer.",
    ]


def test_the_janitor_never_eats_a_photo_whoever_sends_him(gallery, chief) -> None:
    photo = photo_in(gallery)
    row = Discard.objects.create(store="local", key=photo.key, not_before=timezone.now())

    chief.act("uploads_discard", "throw_away_now", row)

    assert store_named("local").find(photo.key) is not None


def test_only_a_thousand_rows_are_taken_at_once(gallery, chief, monkeypatch) -> None:
    monkeypatch.setattr("accounts.staff.MAX_ROWS_PER_ACTION", 2)
    rows = [upload_in(gallery, State.FAILED) for _ in range(3)]

    answer = chief.act("uploads_upload", "retry", *rows)

    assert chief.said(answer) == [
        "2 uploads will be checked again.",
        "Only the first 2 were taken. Choose the others again.",
    ]
