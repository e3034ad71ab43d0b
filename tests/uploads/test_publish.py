"""Publications: an intent and a flip, followed until everything chosen has ended."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from galleries.access import Actor
from galleries.models import Gallery, Photo, PhotoStatus
from tests.builders import make_gallery, make_photo, make_upload
from uploads import control, sweep
from uploads.models import Publication, PublicationState, Upload
from uploads.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery(owner):
    return make_gallery(owner, auto_publish=False)


def publish(api, gallery, **body):
    return api.post(f"/galleries/{gallery.pk}/publications", {"idempotency_key": "once", **body})


def test_everything_staged_becomes_visible_at_once(api, gallery):
    photos = [make_photo(gallery, status=PhotoStatus.STAGED) for _ in range(3)]

    answer = publish(api, gallery)

    assert answer.status == 202
    assert answer.body["state"] == "all_succeeded"
    assert answer.body["counts"] == {"chosen": 3, "published": 3, "failed": 0, "pending": 0}
    assert Photo.objects.ready().filter(pk__in=[photo.pk for photo in photos]).count() == 3
    gallery.refresh_from_db()
    assert (gallery.photo_count, gallery.byte_count) == (3, sum(photo.size for photo in photos))


def test_only_the_named_become_visible(api, gallery):
    chosen, other = (make_photo(gallery, status=PhotoStatus.STAGED) for _ in range(2))

    answer = publish(api, gallery, upload_ids=[str(chosen.upload_id)])

    assert answer.body["counts"]["chosen"] == 1
    assert list(Photo.objects.ready().values_list("pk", flat=True)) == [chosen.pk]
    other.refresh_from_db()
    assert other.status == PhotoStatus.STAGED


def test_a_file_still_on_its_way_keeps_it_in_progress(api, gallery):
    make_photo(gallery, status=PhotoStatus.STAGED)
    make_upload(gallery, State.SIGNED)

    answer = publish(api, gallery)

    assert answer.body["state"] == "in_progress"
    assert answer.body["counts"] == {"chosen": 2, "published": 1, "failed": 0, "pending": 1}


def test_cancelling_the_last_one_pending_ends_it_with_some_failed(api, owner, gallery):
    make_photo(gallery, status=PhotoStatus.STAGED)
    upload = make_upload(gallery, State.SIGNED)
    begun = publish(api, gallery).body

    control.cancel(Actor(owner), [upload.pk])

    ended = api.get(f"/publications/{begun['id']}").body
    assert ended["state"] == "some_failed"
    assert ended["version"] == begun["version"] + 1
    assert ended["counts"] == {"chosen": 2, "published": 1, "failed": 1, "pending": 0}
    assert [(each["upload_id"], each["error"]["code"]) for each in ended["failures"]] == [
        (str(upload.pk), "cancelled")
    ]


def test_nothing_succeeded_is_all_failed(api, gallery):
    upload = make_upload(gallery, State.FAILED, error_code="not_an_image")

    answer = publish(api, gallery, upload_ids=[str(upload.pk)])

    assert answer.body["state"] == "all_failed"
    assert answer.body["failures"][0]["error"]["code"] == "not_an_image"


def test_a_copy_of_a_photo_that_is_there_counts_as_published(api, gallery):
    upload = make_upload(gallery, State.FAILED, error_code="duplicate")

    answer = publish(api, gallery, upload_ids=[str(upload.pk)])

    assert answer.body["state"] == "all_succeeded"


def test_damaged_bytes_are_waited_for_while_attempts_last(api, gallery):
    waiting = make_upload(gallery, State.FAILED, error_code="checksum_mismatch", attempt=2)
    given_up = make_upload(gallery, State.FAILED, error_code="checksum_mismatch", attempt=3)

    answer = publish(api, gallery, upload_ids=[str(waiting.pk), str(given_up.pk)])

    assert answer.body["counts"] == {"chosen": 2, "published": 0, "failed": 1, "pending": 1}


def test_nobody_waits_for_ever_for_bytes_that_are_not_sent_again(api, gallery):
    upload = make_upload(gallery, State.FAILED, error_code="checksum_mismatch")
    publish(api, gallery, upload_ids=[str(upload.pk)])
    Upload.objects.filter(pk=upload.pk).update(ended_at=timezone.now() - timedelta(hours=2))

    sweep.close_publications()

    assert Publication.objects.get().state == PublicationState.ALL_FAILED


def test_a_stranger_can_neither_publish_nor_look(api, stranger_api, gallery):
    begun = publish(api, gallery).body

    assert publish(stranger_api, gallery).code == "not_found"
    assert stranger_api.get(f"/publications/{begun['id']}").code == "not_found"
    assert stranger_api.post(f"/publications/{begun['id']}/retry", {}).code == "not_found"


def test_an_upload_of_another_gallery_is_not_found(api, owner, gallery):
    foreign = make_photo(make_gallery(owner, auto_publish=False), status=PhotoStatus.STAGED)

    assert publish(api, gallery, upload_ids=[str(foreign.upload_id)]).code == "not_found"
    assert publish(api, gallery, upload_ids=["no id at all"]).code == "not_found"


def test_a_known_key_answers_the_same_publication(api, gallery):
    photo = make_photo(gallery, status=PhotoStatus.STAGED)
    first = publish(api, gallery, upload_ids=[str(photo.upload_id)]).body

    again = publish(api, gallery, upload_ids=[str(photo.upload_id)])

    assert again.body == first
    assert Publication.objects.count() == 1


def test_a_known_key_with_other_ids_is_a_conflict(api, gallery):
    publish(api, gallery)

    assert publish(api, gallery, upload_ids=[]).code == "idempotency_conflict"


def test_retry_takes_up_the_failed_only(api, gallery):
    make_photo(gallery, status=PhotoStatus.STAGED)
    failed = make_upload(gallery, State.FAILED, error_code="gave_up")
    begun = publish(
        api, gallery, upload_ids=[str(pk) for pk in Upload.objects.values_list("pk", flat=True)]
    ).body
    assert begun["state"] == "some_failed"

    retried = api.post(f"/publications/{begun['id']}/retry", {})

    assert retried.body["state"] == "in_progress"
    assert retried.body["counts"] == {"chosen": 2, "published": 1, "failed": 0, "pending": 1}
    failed.refresh_from_db()
    assert failed.state == State.UPLOADED


def test_retrying_what_cannot_be_mended_ends_as_before(api, gallery):
    upload = make_upload(gallery, State.FAILED, error_code="not_an_image")
    begun = publish(api, gallery, upload_ids=[str(upload.pk)]).body

    retried = api.post(f"/publications/{begun['id']}/retry", {})

    assert retried.body["state"] == "all_failed"


def test_an_unknown_publication_is_not_found(api):
    assert api.get(f"/publications/{uuid.uuid4()}").code == "not_found"


def test_turning_auto_publish_on_shows_nothing_already_staged(api, gallery):
    make_photo(gallery, status=PhotoStatus.STAGED)

    api.patch(f"/galleries/{gallery.pk}", {"auto_publish": True})

    assert not Photo.objects.ready().exists()
    assert Gallery.objects.get(pk=gallery.pk).photo_count == 0
