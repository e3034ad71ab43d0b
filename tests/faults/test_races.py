"""Several at once: one effect, no deadlock, nothing lost. On SQLite and on PostgreSQL."""

from itertools import cycle, islice, pairwise

import pytest

from galleries.models import Gallery, Photo, PhotoStatus
from galleries.objects.base import store_named
from tests.builders import MIB, file_out, jpeg, make_gallery, make_photo, make_upload, uploaded
from tests.cast import bearer_api, make_user
from tests.faults.at_once import at_once
from uploads.lanes.base import lanes_of
from uploads.models import Discard, Upload, UploadEvent
from uploads.states import Event as Move
from uploads.states import State, sources_of
from uploads.verify import claim_next, verify

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def callers(owner):
    """Eight programs of the same owner, each with a client of its own."""
    return [bearer_api(owner) for _ in range(8)]


def assert_history_is_legal() -> None:
    for upload in Upload.objects.prefetch_related("events"):
        events = [each for each in upload.events.all() if each.event != "register"]
        for event in events:
            assert event.source in sources_of(Move(event.event))
        for earlier, later in pairwise(events):
            assert later.source == earlier.target
        if events:
            assert events[-1].target == upload.state


def test_each_waiting_file_is_claimed_by_one_worker(gallery):
    uploads = {make_upload(gallery, State.UPLOADED).pk for _ in range(12)}

    def claim_all() -> list:
        claimed = []
        while (upload := claim_next()) is not None:
            claimed.append(upload.pk)
        return claimed

    claimed = [pk for each in at_once([claim_all] * 6) for pk in each]

    assert sorted(claimed) == sorted(uploads)


def test_completing_at_once_has_one_effect(callers, gallery):
    upload = make_upload(gallery, State.SIGNED)

    answers = at_once([lambda api=api: api.complete({"id": str(upload.pk)})[0] for api in callers])

    assert {(row["state"], row["version"]) for row in answers} == {("uploaded", 2)}
    assert UploadEvent.objects.count() == 1


def test_the_same_files_in_parallel_batches_are_one_row_each(callers, gallery):
    files = [file_out() for _ in range(20)]

    answers = at_once(
        [
            lambda api=api, turn=turn: api.batch(gallery, *files[turn:], *files[:turn])
            for turn, api in enumerate(callers)
        ]
    )

    assert Upload.objects.count() == 20
    assert len({row["id"] for rows in answers for row in rows}) == 20
    assert UploadEvent.objects.filter(event="register").count() == 20


def test_parallel_batches_never_overfill_a_gallery(callers, gallery, settings):
    settings.MAX_GALLERY_PHOTOS = 10

    answers = at_once(
        [lambda api=api: api.batch(gallery, *[file_out() for _ in range(4)]) for api in callers]
    )

    codes = [row["error"] and row["error"]["code"] for rows in answers for row in rows]
    assert codes.count(None) == Upload.objects.open().count() == 10
    assert codes.count("gallery_full") == 22


def test_calls_on_the_same_rows_never_wait_for_each_other_for_ever(callers, gallery):
    """Batch takes the gallery first and rows second; so must every other call, or the database ends one of them."""
    files = [file_out() for _ in range(10)]
    rows = callers[0].batch(gallery, *files)
    ids = [row["id"] for row in rows]
    acts = [
        lambda api: api.batch(gallery, *files),
        lambda api: api.complete(*[{"id": each} for each in reversed(ids)]),
        lambda api: api.sign(*[{"id": each, "after_failure": True} for each in ids]),
        lambda api: api.cancel(*reversed(ids)),
        lambda api: api.retry(*ids),
    ]

    for _ in range(4):
        answers = at_once(
            [
                lambda act=act, api=api: act(api)
                for act, api in zip(islice(cycle(acts), 8), callers, strict=True)
            ]
        )
        assert all(len(each) == 10 for each in answers)

    assert_history_is_legal()


def test_cancelling_while_a_photo_is_published_ends_in_one_of_the_two(callers, gallery, developer):
    contents = [jpeg(number) for number in range(6)]
    uploads = [uploaded(gallery, content) for content in contents]
    claimed = [claim_next() for _ in uploads]
    developed = [developer.develop(open_file(content), media_type="image/jpeg") for content in contents]
    ready = {upload.pk: each for upload, each in zip(uploads, developed, strict=True)}

    class Done:
        """What the decoder has answered already: several workers, each with its own file."""

        def __init__(self, upload: Upload) -> None:
            self.upload = upload

        def develop(self, source, *, media_type):
            return ready[self.upload.pk]

    at_once(
        [
            *[lambda upload=upload: verify(upload, Done(upload)) for upload in claimed],
            lambda: callers[0].cancel(*[upload.pk for upload in uploads]),
        ]
    )

    for upload in Upload.objects.all():
        assert (upload.state == State.VERIFIED) == (upload.photo_id is not None), upload.state
        assert upload.state in {State.VERIFIED, State.CANCELLED, State.UPLOADED}
    gallery.refresh_from_db()
    assert gallery.photo_count == Photo.objects.ready().count()
    assert_history_is_legal()


def open_file(content: bytes):
    import io

    return io.BytesIO(content)


def test_the_same_bytes_published_at_once_are_one_photo(gallery, developer):
    content = jpeg(3)
    for _ in range(3):
        uploaded(gallery, content)
    claimed = [claim_next() for _ in range(3)]
    developed = [developer.develop(open_file(content), media_type="image/jpeg") for _ in claimed]

    class Done:
        def __init__(self, answer) -> None:
            self.answer = answer

        def develop(self, source, *, media_type):
            return self.answer

    at_once([lambda u=u, d=d: verify(u, Done(d)) for u, d in zip(claimed, developed, strict=True)])

    photo = Photo.objects.get()
    states = sorted(Upload.objects.values_list("state", "error_code"))
    assert states == [(State.FAILED, "duplicate"), (State.FAILED, "duplicate"), (State.VERIFIED, "")]
    assert {each.key for each in store_named("local").list("renditions/")} >= set(
        photo.renditions.values_list("key", flat=True)
    )


def test_two_calls_that_open_a_session_at_once_keep_one(callers, gallery):
    upload = make_upload(gallery, size=20 * MIB)

    answers = at_once([lambda api=api: api.sign({"id": str(upload.pk)})[0] for api in callers])

    session = Upload.objects.get().session
    urls = [part["request"]["url"] for row in answers for part in row["transfer"]["parts"]]
    assert all(f"session={session}" in url for url in urls)
    others = {each.session for each in lanes_of("local").list_sessions("originals/")} - {session}
    assert others == set(Discard.objects.values_list("session", flat=True))


def test_an_idempotency_key_used_at_once_makes_one_gallery(callers):
    answers = at_once(
        [lambda api=api: api.post("/galleries", {"title": "One", "idempotency_key": "k"}) for api in callers]
    )

    assert {answer.status for answer in answers} == {201}
    assert Gallery.objects.count() == 1


def test_deleting_and_restoring_at_once_keeps_the_counters_true(callers, gallery):
    photos = [make_photo(gallery) for _ in range(5)]
    ids = [str(photo.pk) for photo in photos]

    for _ in range(3):
        at_once(
            [
                lambda api=api, verb=verb: api.post(f"/photos/{verb}", {"ids": ids}).photos
                for api, verb in zip(callers, cycle(["delete", "restore"]), strict=False)
            ]
        )

    gallery.refresh_from_db()
    ready = Photo.objects.filter(status=PhotoStatus.READY)
    assert gallery.photo_count == ready.count()
    assert gallery.byte_count == sum(ready.values_list("size", flat=True))


def test_a_gallery_deleted_while_files_are_added_keeps_none_open(callers, gallery):
    gallery_id = gallery.pk

    def add(api):
        return api.post(
            f"/galleries/{gallery_id}/uploads/batch", {"files": [file_out() for _ in range(5)]}
        ).status

    statuses = at_once(
        [
            *[lambda api=api: add(api) for api in callers[1:]],
            lambda: callers[0].delete(f"/galleries/{gallery_id}").status,
        ]
    )

    assert set(statuses) <= {200, 204, 410}
    assert not Upload.objects.open().exists()


def test_versions_of_a_gallery_follow_each_other_without_repetition(callers, gallery, owner):
    others = [bearer_api(owner) for _ in range(2)]
    batches = at_once([lambda api=api: api.batch(gallery, file_out()) for api in [*callers, *others]])

    gallery.refresh_from_db()
    assert len(batches) == 10
    assert gallery.version == 11


def test_strangers_at_work_do_not_wait_for_each_other(gallery):
    users = [make_user(f"user-{number}") for number in range(4)]
    apis = [(bearer_api(user), make_gallery(user)) for user in users]

    answers = at_once(
        [lambda api=api, own=own: api.batch(own, *[file_out() for _ in range(30)]) for api, own in apis]
    )

    assert all(row["error"] is None for rows in answers for row in rows)


def test_after_two_hundred_publishings_at_once_counters_equal_counts(callers, gallery):
    """Each by a publication of its own; totals, list and gallery say the same."""
    photos = [make_photo(gallery, status=PhotoStatus.STAGED) for _ in range(200)]
    shares = [photos[first::8] for first in range(8)]

    def publish_each(api, share) -> list[int]:
        path, asked = f"/galleries/{gallery.pk}/publications", [str(photo.upload_id) for photo in share]
        return [api.post(path, {"idempotency_key": each, "upload_ids": [each]}).status for each in asked]

    answers = at_once(
        [
            lambda api=api, share=share: publish_each(api, share)
            for api, share in zip(callers, shares, strict=True)
        ]
    )

    gallery.refresh_from_db()
    shown = Photo.objects.ready().filter(gallery=gallery)
    assert {status for share in answers for status in share} == {202}
    assert (gallery.photo_count, shown.count()) == (200, 200)
    assert gallery.byte_count == sum(shown.values_list("size", flat=True))
    body = callers[0].get(f"/galleries/{gallery.pk}").body
    assert (body["photo_count"], body["progress"]["files"]) == (200, {"verified": 200})
    assert body["progress"]["bytes"] == body["progress"]["bytes_total"] == gallery.byte_count
