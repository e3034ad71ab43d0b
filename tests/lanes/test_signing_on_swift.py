"""What a signature is worth, asked of a store that checks it; what holds for every store is in test_contract.py."""

from dataclasses import replace

import pytest

from galleries.models import Photo
from tests.builders import jpeg, make_upload
from tests.lanes.test_contract import (
    OTHER_PHOTO,
    PHOTO,
    content_of,
    crc32_of,
    put_photo,
    send_parts,
    sign_part,
    sign_put,
)
from uploads.limits import MIN_PART_BYTES
from uploads.models import Upload
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.services


@pytest.fixture
def stage(swift_stage):
    return swift_stage


def without_query(request):
    return replace(request, url=request.url.partition("?")[0])


def rewritten(before, after):
    def rewrite(request):
        forged = request.url.replace(before, after)
        assert forged != request.url
        return replace(request, url=forged)

    return rewrite


FORGERIES = {
    "unsigned": without_query,
    "longer-life": rewritten("X-Amz-Expires=900", "X-Amz-Expires=90000"),
    "other-credential": rewritten("test%3Atester", "test%3Aothers"),
    "other-region": rewritten("us-east-1", "us-west-2"),
    "fewer-headers-signed": rewritten("content-length%3B", ""),
    "one-parameter-more": lambda request: replace(request, url=request.url + "&x-id=PutObject"),
    "other-method": lambda request: replace(request, method="DELETE"),
    "signature": lambda request: replace(request, url=request.url[:-8] + "00000000"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_put_that_was_not_signed_like_that_is_refused(stage, forge):
    answer = stage.send(forge(sign_put(stage)), PHOTO)

    assert answer.status in {400, 403}
    assert stage.store.find(stage.key()) is None


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_part_that_was_not_signed_like_that_is_refused(stage, forge):
    session = send_parts(stage)

    answer = stage.send(forge(sign_part(stage, session, 1, PHOTO)), PHOTO)

    assert answer.status in {400, 403}
    assert stage.lanes.list_parts(stage.key(), session) == []


@pytest.mark.parametrize(("age_s", "is_refused"), [(895, False), (901, True)])
def test_the_url_of_a_part_lives_for_fifteen_minutes(stage, age_s, is_refused):
    session = send_parts(stage)
    now_s = stage.lanes.clock()
    stage.lanes.clock = lambda: now_s - age_s

    answer = stage.send(sign_part(stage, session, 1, PHOTO), PHOTO)

    assert (answer.status == 403) is is_refused
    assert (stage.lanes.list_parts(stage.key(), session) == []) is is_refused


@pytest.mark.parametrize("checksum", [None, "AAAAAA=="])
def test_a_part_without_its_signed_checksum_or_with_another_is_refused(stage, checksum):
    session = send_parts(stage)

    answer = stage.send(sign_part(stage, session, 1, PHOTO), PHOTO, x_amz_checksum_crc32=checksum)

    assert answer.status in {400, 403}
    assert stage.lanes.list_parts(stage.key(), session) == []


def test_the_url_of_a_put_opens_no_session_and_that_of_a_part_no_object(stage):
    session = send_parts(stage)
    put, part = sign_put(stage), sign_part(stage, session, 1, PHOTO)

    answers = [
        stage.send(replace(put, method="POST", url=put.url + "&uploads="), b""),
        stage.send(rewritten(f"uploadId={session}&", "")(part), PHOTO),
    ]

    assert [answer.is_ok for answer in answers] == [False, False]
    assert stage.store.find(stage.key()) is None
    assert len(list(stage.lanes.list_sessions("originals/"))) == 1


def test_the_url_to_read_from_does_not_write(stage):
    put_photo(stage)
    url = stage.store.signed_get(stage.key(), download_name=None, content_type="image/jpeg")

    answers = [stage.ask(method, url, OTHER_PHOTO, {}) for method in ("PUT", "POST", "DELETE")]

    assert [answer.is_ok for answer in answers] == [False] * 3
    assert content_of(stage) == PHOTO


def test_a_url_for_another_host_is_refused(stage):
    """The Host that the browser sends is signed: what is signed for the public endpoint holds nowhere else."""
    request = sign_put(stage)

    answer = stage.send(request, PHOTO, Host="photos.example.com")

    assert answer.status == 403
    assert stage.store.find(stage.key()) is None


# After verification


def verified(stage, gallery, developer, content, **columns) -> Photo:
    """The worker's work on what the stage has stored."""
    upload = make_upload(
        gallery, State.UPLOADED, id=stage.upload_id, store="s3", size=len(content),
        crc32=crc32_of(content), **columns,
    )  # fmt: skip
    verify(claim_next(), developer)
    photo = Photo.objects.get()
    assert (Upload.objects.get().state, photo.key) == (State.VERIFIED, upload.key)
    return photo


def send_again(stage, request, content):
    """The same bytes, other bytes of that length, fewer and more."""
    others = [content, content[::-1], content[:-1], content + b"x", b""]
    return [stage.send(request, other) for other in others]


@pytest.mark.django_db
def test_the_used_url_of_a_put_changes_nothing_of_a_verified_photo(stage, gallery, developer):
    content = jpeg(1)
    request = sign_put(stage, content)
    assert stage.send(request, content).is_ok
    photo = verified(stage, gallery, developer, content)
    before = stage.store.head(photo.key)

    answers = send_again(stage, request, content)

    assert [answer.is_ok for answer in answers] == [False] * 5
    assert stage.store.head(photo.key) == before
    assert content_of(stage, photo.key) == content


@pytest.mark.django_db
def test_the_used_urls_of_parts_change_nothing_of_a_verified_photo(stage, gallery, developer):
    photo_bytes = jpeg(1)
    content = photo_bytes + bytes(
        MIN_PART_BYTES + 1000 - len(photo_bytes)
    )  # what follows a photo's end is no matter
    parts = [content[:MIN_PART_BYTES], content[MIN_PART_BYTES:]]
    session = send_parts(stage)
    requests = [sign_part(stage, session, number, part) for number, part in enumerate(parts, 1)]
    assert all(stage.send(*each).is_ok for each in zip(requests, parts, strict=True))
    photo = verified(
        stage, gallery, developer, content,
        lane="multipart", session=session, part_bytes=MIN_PART_BYTES,
        part_crcs={str(number): crc32_of(part) for number, part in enumerate(parts, 1)},
    )  # fmt: skip
    before = stage.store.head(photo.key)

    for request, part in zip(requests, parts, strict=True):
        send_again(stage, request, part)

    assert stage.store.head(photo.key) == before
    assert content_of(stage, photo.key) == content


def test_a_url_of_the_dead_attempt_does_not_reach_the_next(stage):
    late = sign_put(stage, OTHER_PHOTO)
    session = stage.lanes.create_multipart(stage.key(2), content_type="image/jpeg")
    stage.send(
        stage.lanes.sign_part(stage.key(2), session, number=1, size_bytes=len(PHOTO), crc32=crc32_of(PHOTO)),
        PHOTO,
    )
    stored = stage.lanes.complete_multipart(
        stage.key(2), session, stage.lanes.list_parts(stage.key(2), session)
    )

    assert stage.send(late, OTHER_PHOTO).is_ok
    assert stage.store.head(stage.key(2)) == stored
    assert content_of(stage, stage.key(2)) == PHOTO
