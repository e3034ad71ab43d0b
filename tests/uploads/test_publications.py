"""Publishing: an intent and a flip, followed until nothing is left to wait for."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from galleries.models import Photo, PhotoStatus
from tests.builders import file_out, jpeg, make_gallery, make_photo, make_upload, put_original, uploaded
from tests.faults.at_once import at_once
from uploads import sweep
from uploads.limits import MAX_PUBLICATIONS_IN_PROGRESS
from uploads.models import Publication, PublicationState, Upload
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def quiet(owner):
    """A gallery that publishes only when it is told to."""
    return make_gallery(owner, auto_publish=False)


def publish(api, gallery, **body):
    answer = api.post(f"/galleries/{gallery.pk}/publications", {"idempotency_key": "k", **body})
    assert answer.status == 202, answer.body
    return answer.body


def look(api, publication):
    answer = api.get(f"/publications/{publication['id']}")
    assert answer.status == 200
    return answer.body


def work(developer) -> None:
    while (upload := claim_next()) is not None:
        verify(upload, developer)


def waiting_publications(gallery, count: int, *uploads: Upload) -> list[Publication]:
    """That many in progress, each of which follows those uploads."""
    made = [
        Publication.objects.create(
            gallery=gallery, actor="user:1", idempotency_key=uuid.uuid4().hex, created_at=timezone.now()
        )
        for _ in range(count)
    ]
    for publication in made:
        publication.uploads.set(uploads)
    return made


def counts(chosen: int, published: int, failed: int, pending: int) -> dict[str, int]:
    return {"chosen": chosen, "published": published, "failed": failed, "pending": pending}


def test_publishing_shows_everything_staged_at_once(api, quiet):
    photos = [make_photo(quiet, status=PhotoStatus.STAGED) for _ in range(3)]

    body = publish(api, quiet)

    assert body["state"] == "all_succeeded"
    assert body["counts"] == counts(3, 3, 0, 0)
    assert body["failures"] == []
    assert {each["id"] for each in api.get(f"/galleries/{quiet.pk}/photos").body["photos"]} == {
        str(photo.pk) for photo in photos
    }
    quiet.refresh_from_db()
    assert (quiet.photo_count, quiet.byte_count) == (3, sum(photo.size for photo in photos))
    assert quiet.version == 2


def test_publishing_follows_what_is_still_on_its_way(api, quiet, developer):
    upload = uploaded(quiet, jpeg(1))

    body = publish(api, quiet)
    assert (body["state"], body["counts"]) == ("in_progress", counts(1, 0, 0, 1))
    work(developer)

    after = look(api, body)
    assert (after["state"], after["counts"]) == ("all_succeeded", counts(1, 1, 0, 0))
    assert after["version"] > body["version"]
    assert Photo.objects.get(upload_id=upload.pk).status == PhotoStatus.READY


def test_what_comes_after_that_instant_is_not_meant(api, quiet, developer):
    publish(api, quiet)
    uploaded(quiet, jpeg(1))

    work(developer)

    assert Photo.objects.get().status == PhotoStatus.STAGED


def test_named_uploads_alone_are_published(api, quiet):
    wanted, other = make_photo(quiet, status=PhotoStatus.STAGED), make_photo(quiet, status=PhotoStatus.STAGED)

    body = publish(api, quiet, upload_ids=[str(wanted.upload_id)])

    assert body["counts"] == counts(1, 1, 0, 0)
    assert set(Photo.objects.ready().values_list("pk", flat=True)) == {wanted.pk}
    other.refresh_from_db()
    assert other.status == PhotoStatus.STAGED


def test_a_failure_is_named_and_the_others_are_published(api, quiet, developer):
    good, bad = uploaded(quiet, jpeg(1)), uploaded(quiet, b"no photo")
    body = publish(api, quiet)

    work(developer)

    after = look(api, body)
    assert (after["state"], after["counts"]) == ("some_failed", counts(2, 1, 1, 0))
    (failure,) = after["failures"]
    assert (failure["upload_id"], failure["error"]["code"]) == (str(bad.pk), "not_an_image")
    assert Photo.objects.get().upload_id == good.pk


def test_what_is_on_its_way_is_waited_for_beside_what_is_published(api, quiet):
    make_photo(quiet, status=PhotoStatus.STAGED)
    upload = make_upload(quiet, State.SIGNED)
    body = publish(api, quiet)
    assert (body["state"], body["counts"]) == ("in_progress", counts(2, 1, 0, 1))

    api.cancel(upload.pk)

    after = look(api, body)
    assert (after["state"], after["counts"]) == ("some_failed", counts(2, 1, 1, 0))
    assert after["version"] == body["version"] + 1


def test_what_had_failed_before_is_named_with_its_reason(api, quiet):
    upload = make_upload(quiet, State.FAILED, error_code="not_an_image")

    body = publish(api, quiet, upload_ids=[str(upload.pk)])

    assert (body["state"], body["failures"][0]["error"]["code"]) == ("all_failed", "not_an_image")


def test_when_all_failed_it_says_so(api, quiet, developer):
    uploaded(quiet, b"no photo")
    body = publish(api, quiet)

    work(developer)

    assert look(api, body)["state"] == "all_failed"


@pytest.mark.parametrize(("verb", "code"), [("cancel", "cancelled"), ("expire", "expired")])
def test_what_was_cancelled_or_never_sent_counts_as_failed(api, quiet, verb, code):
    upload = make_upload(quiet, State.SIGNED)
    body = publish(api, quiet)

    if verb == "cancel":
        api.cancel(upload.pk)
    else:
        Upload.objects.update(active_at=timezone.now() - timedelta(days=7))
        sweep.only("expiries")

    after = look(api, body)
    assert (after["state"], after["failures"][0]["error"]["code"]) == ("all_failed", code)


def test_a_copy_of_a_photo_that_is_there_counts_as_published(api, quiet, developer):
    make_photo(quiet, content=jpeg(1))
    uploaded(quiet, jpeg(1))
    body = publish(api, quiet)

    work(developer)

    after = look(api, body)
    assert (after["state"], after["counts"]) == ("all_succeeded", counts(1, 1, 0, 0))


def test_a_copy_that_ended_before_counts_as_published(api, quiet):
    upload = make_upload(quiet, State.FAILED, error_code="duplicate")

    assert publish(api, quiet, upload_ids=[str(upload.pk)])["state"] == "all_succeeded"


@pytest.mark.parametrize(
    ("count", "status"),
    [
        (MAX_PUBLICATIONS_IN_PROGRESS - 1, 202),
        (MAX_PUBLICATIONS_IN_PROGRESS, 409),
        (MAX_PUBLICATIONS_IN_PROGRESS + 1, 409),
    ],
)
def test_a_gallery_waits_for_so_many_publications_at_once(api, quiet, count, status):
    upload = make_upload(quiet, State.SIGNED)
    waiting_publications(quiet, count, upload)

    answer = api.post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": "k"})

    assert answer.status == status
    assert Publication.objects.filter(idempotency_key="k").exists() == (status == 202)
    if status == 409:
        error = answer.body["error"]
        assert (error["code"], error["retryable"]) == ("too_many_publications", True)
        assert error["details"] == {"limit": MAX_PUBLICATIONS_IN_PROGRESS, "used": count}


def test_what_need_not_wait_is_shown_however_many_publications_do(api, quiet):
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS, make_upload(quiet, State.SIGNED))
    photo = make_photo(quiet, status=PhotoStatus.STAGED)

    body = publish(api, quiet, upload_ids=[str(photo.upload_id)])

    assert body["state"] == "all_succeeded"
    assert Photo.objects.ready().get().pk == photo.pk


def test_one_too_many_shows_nothing(api, quiet):
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS, make_upload(quiet, State.SIGNED))
    make_photo(quiet, status=PhotoStatus.STAGED)

    answer = api.post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": "k"})

    assert (answer.status, answer.code) == (409, "too_many_publications")
    assert not Photo.objects.ready().exists()


def test_there_is_room_again_when_one_has_ended(api, quiet):
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS, upload := make_upload(quiet, State.SIGNED))
    api.cancel(upload.pk)
    make_upload(quiet, State.SIGNED)

    assert publish(api, quiet)["state"] == "in_progress"


def test_publications_of_other_galleries_take_no_room(api, quiet, owner):
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS, make_upload(quiet, State.SIGNED))
    other = make_gallery(owner, auto_publish=False)
    make_upload(other, State.SIGNED)

    assert publish(api, other)["state"] == "in_progress"


def test_a_known_key_is_answered_however_many_wait(api, quiet):
    upload = make_upload(quiet, State.SIGNED)
    first = publish(api, quiet)
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS, upload)

    assert publish(api, quiet) == first


def test_a_retry_of_one_too_many_takes_up_nothing(api, quiet):
    failed = make_upload(quiet, State.FAILED, error_code="gave_up")
    body = publish(api, quiet, upload_ids=[str(failed.pk)])
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS, make_upload(quiet, State.SIGNED))

    answer = api.post(f"/publications/{body['id']}/retry", {})

    assert (answer.status, answer.code) == (409, "too_many_publications")
    assert look(api, body) == body
    assert Upload.objects.get(pk=failed.pk).state == State.FAILED


def test_following_up_is_one_query_however_many_publications_wait(api, quiet):
    stuck = make_upload(quiet, State.SIGNED)

    def queries_of_a_move() -> int:
        moved = make_upload(quiet, State.SIGNED)
        for publication in Publication.objects.all():
            publication.uploads.add(moved)
        with CaptureQueriesContext(connection) as captured:
            assert api.cancel(moved.pk)[0]["state"] == "cancelled"
        return len(captured)

    without = queries_of_a_move()
    waiting_publications(quiet, 3, stuck)
    with_three = queries_of_a_move()
    waiting_publications(quiet, MAX_PUBLICATIONS_IN_PROGRESS - 3, stuck)
    with_all = queries_of_a_move()

    assert without == with_three == with_all


def test_a_move_closes_what_waited_for_it_alone(api, quiet):
    first, second = (make_upload(quiet, State.SIGNED) for _ in range(2))
    [of_first] = waiting_publications(quiet, 1, first)
    [of_both] = waiting_publications(quiet, 1, first, second)

    api.cancel(first.pk)

    of_first.refresh_from_db()
    of_both.refresh_from_db()
    assert (of_first.state, of_both.state) == (PublicationState.ALL_FAILED, PublicationState.IN_PROGRESS)


def test_the_sweeper_asks_once_however_many_publications_wait(owner, django_assert_num_queries):
    for _ in range(3):
        gallery = make_gallery(owner, auto_publish=False)
        waiting_publications(gallery, 3, make_upload(gallery, State.SIGNED))

    with django_assert_num_queries(1):
        sweep.close_publications()


@pytest.mark.parametrize("code", ["object_missing", "size_mismatch", "checksum_mismatch"])
@pytest.mark.parametrize(("attempt", "state"), [(1, "in_progress"), (2, "in_progress"), (3, "all_failed")])
def test_bad_bytes_are_pending_while_their_attempts_last(api, quiet, code, attempt, state):
    upload = make_upload(quiet, State.SIGNED, attempt=attempt)
    body = publish(api, quiet)
    Upload.objects.filter(pk=upload.pk).update(state=State.FAILED, error_code=code, ended_at=timezone.now())

    sweep.close_publications()

    assert look(api, body)["state"] == state


def test_nobody_waits_for_ever_for_bytes_that_are_not_sent_again(api, quiet):
    upload = make_upload(quiet, State.FAILED, error_code="checksum_mismatch")
    body = publish(api, quiet, upload_ids=[str(upload.pk)])
    assert body["state"] == "in_progress"
    Upload.objects.filter(pk=upload.pk).update(ended_at=timezone.now() - timedelta(hours=2))

    sweep.close_publications()

    assert look(api, body)["state"] == "all_failed"


def test_a_retry_takes_up_the_failed_alone_and_sends_no_good_byte_again(api, quiet, developer):
    good, bad = uploaded(quiet, jpeg(1)), uploaded(quiet, jpeg(2))
    body = publish(api, quiet)
    Upload.objects.filter(pk=bad.pk).update(tries=9)
    work(developer)
    assert look(api, body)["state"] == "some_failed"

    answer = api.post(f"/publications/{body['id']}/retry", {})

    assert answer.status == 202
    assert (answer.body["state"], answer.body["counts"]) == ("in_progress", counts(2, 1, 0, 1))
    work(developer)
    after = look(api, body)
    assert (after["state"], after["counts"]) == ("all_succeeded", counts(2, 2, 0, 0))
    assert Upload.objects.get(pk=bad.pk).attempt == 1
    assert Upload.objects.get(pk=good.pk).version == 3


def test_retrying_what_cannot_be_mended_ends_as_before(api, quiet):
    upload = make_upload(quiet, State.FAILED, error_code="not_an_image")
    body = publish(api, quiet, upload_ids=[str(upload.pk)])

    retried = api.post(f"/publications/{body['id']}/retry", {}).body

    assert (retried["state"], retried["counts"]) == ("all_failed", body["counts"])


def test_retrying_what_has_no_failures_changes_nothing(api, quiet):
    make_photo(quiet, status=PhotoStatus.STAGED)
    body = publish(api, quiet)

    answer = api.post(f"/publications/{body['id']}/retry", {})

    assert answer.body == look(api, body)
    assert answer.body["state"] == "all_succeeded"


def test_a_known_key_answers_the_same_publication(api, quiet):
    first = publish(api, quiet)
    make_photo(quiet, status=PhotoStatus.STAGED)

    again = publish(api, quiet)

    assert again["id"] == first["id"]
    assert Publication.objects.count() == 1
    assert Photo.objects.get().status == PhotoStatus.STAGED


def test_a_known_key_with_other_ids_is_a_conflict(api, quiet):
    upload = make_upload(quiet, State.SIGNED)
    publish(api, quiet)

    answer = api.post(
        f"/galleries/{quiet.pk}/publications", {"idempotency_key": "k", "upload_ids": [str(upload.pk)]}
    )

    assert (answer.status, answer.code) == (409, "idempotency_conflict")


def test_everything_is_another_request_than_nothing(api, quiet):
    publish(api, quiet)

    answer = api.post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": "k", "upload_ids": []})

    assert (answer.status, answer.code) == (409, "idempotency_conflict")


def test_the_order_of_the_ids_is_no_matter(api, quiet):
    ids = [str(make_upload(quiet, State.SIGNED).pk) for _ in range(2)]

    assert publish(api, quiet, upload_ids=ids)["id"] == publish(api, quiet, upload_ids=ids[::-1])["id"]


def test_a_key_is_one_gallerys(api, quiet, owner):
    other = make_gallery(owner)

    assert publish(api, quiet)["id"] != publish(api, other)["id"]


def test_ids_of_another_gallery_publish_nothing(api, quiet, owner, stranger):
    staged = make_photo(quiet, status=PhotoStatus.STAGED)
    elsewhere = make_photo(make_gallery(owner), status=PhotoStatus.STAGED)
    foreign = make_photo(make_gallery(stranger), status=PhotoStatus.STAGED)

    for unfit in (str(elsewhere.upload_id), str(foreign.upload_id), str(uuid.uuid4()), "x", "\x00"):
        answer = api.post(
            f"/galleries/{quiet.pk}/publications",
            {"idempotency_key": "k", "upload_ids": [str(staged.upload_id), unfit]},
        )
        assert (answer.status, answer.code) == (404, "not_found")
    assert not Photo.objects.ready().exists()
    assert not Publication.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"idempotency_key": ""},
        {"idempotency_key": 5},
        {"idempotency_key": "x" * 101},
        {"idempotency_key": "k", "upload_ids": "x"},
        {"idempotency_key": "k", "upload_ids": [5]},
    ],
)
def test_a_malformed_call_is_refused(api, quiet, body):
    answer = api.post(f"/galleries/{quiet.pk}/publications", body)

    assert (answer.status, answer.code) == (422, "bad_request")


def test_another_persons_publication_is_not_found(api, stranger_api, quiet):
    body = publish(api, quiet)

    for method, path in [("GET", ""), ("POST", "/retry")]:
        answer = stranger_api.call(
            method, f"/publications/{body['id']}{path}", {} if method == "POST" else None
        )
        assert (answer.status, answer.code) == (404, "not_found")
    foreign = stranger_api.post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": "k"})
    assert (foreign.status, foreign.code) == (404, "not_found")


def test_an_unknown_publication_is_not_found(api):
    assert api.get(f"/publications/{uuid.uuid4()}").code == "not_found"


def test_publications_of_a_deleted_gallery_are_gone(api, quiet):
    body = publish(api, quiet)
    api.delete(f"/galleries/{quiet.pk}")

    for method, path in [("GET", ""), ("POST", "/retry")]:
        answer = api.call(method, f"/publications/{body['id']}{path}", {} if method == "POST" else None)
        assert (answer.status, answer.code) == (410, "gallery_deleted")


def test_turning_auto_publish_on_publishes_nothing_already_staged(api, quiet):
    make_photo(quiet, status=PhotoStatus.STAGED)

    api.patch(f"/galleries/{quiet.pk}", {"auto_publish": True})

    assert Photo.objects.get().status == PhotoStatus.STAGED


def test_a_file_chosen_again_while_it_is_published_is_followed(api, quiet, developer):
    content = jpeg(1)
    row = api.batch(quiet, file := file_out(size=len(content)))[0]
    body = publish(api, quiet)
    api.cancel(row["id"])
    assert look(api, body)["state"] == "all_failed"

    api.batch(quiet, file)
    upload = Upload.objects.get(pk=row["id"])
    put_original(upload, content)
    api.complete({"id": row["id"]})
    work(developer)

    assert Upload.objects.get(pk=row["id"]).state == State.VERIFIED


@pytest.mark.django_db(transaction=True)
def test_publishing_retrying_and_verifying_at_once_waits_for_nobody(owner, quiet, developer):
    from tests.cast import bearer_api

    callers = [bearer_api(owner) for _ in range(6)]
    uploads = [make_upload(quiet, State.SIGNED) for _ in range(6)]
    body = publish(callers[0], quiet)
    for _ in range(3):
        at_once(
            [
                lambda: callers[0].post(f"/publications/{body['id']}/retry", {}).status,
                lambda: callers[1].cancel(*[upload.pk for upload in uploads[:3]]),
                lambda: callers[2].complete(*[{"id": str(upload.pk)} for upload in uploads[3:]]),
                lambda: (
                    callers[3]
                    .post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": "other"})
                    .status
                ),
                lambda: callers[4].post(f"/publications/{body['id']}/retry", {}).status,
                sweep.close_publications,
            ]
        )
        Upload.objects.filter(state=State.CANCELLED).update(
            state=State.FAILED, error_code="gave_up", ended_at=timezone.now()
        )

    assert look(callers[5], body)["state"] in {"in_progress", "all_failed", "some_failed"}


def test_a_publication_ends_with_its_gallery(api, quiet):
    upload = make_upload(quiet, State.SIGNED)
    publish(api, quiet)
    make_photo(quiet, status=PhotoStatus.STAGED)
    publish(api, quiet, idempotency_key="second")

    api.delete(f"/galleries/{quiet.pk}")

    assert upload.pk
    assert not Publication.objects.filter(state="in_progress").exists()
