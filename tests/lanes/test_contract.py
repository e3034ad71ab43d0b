"""What every store promises, asked of each of them over its own socket."""

import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest

from galleries.errors import ObjectChanged, ObjectMissing
from galleries.objects.base import bound_key
from uploads.errors import LaneUnsupported, PartsMissing, SessionGone
from uploads.lanes.base import Received, Wanted
from uploads.limits import MIN_PART_BYTES

PHOTO = bytes(range(256)) * 40
OTHER_PHOTO = PHOTO[::-1]
TYPE = "image/jpeg"
# What each chunk of a resumable session but the last must be a multiple of.
STEP = 256 * 1024
LARGE_PHOTO = bytes(range(251)) * 4_000
SITE = "http://localhost:8000"


def crc32_of(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def sign_put(stage, content=PHOTO, **changed):
    terms = {"size_bytes": len(content), "content_type": TYPE, "crc32": crc32_of(content)} | changed
    return stage.lanes.sign_put(stage.key(), **terms)


def sign_part(stage, session, number, content, **changed):
    terms = {"size_bytes": len(content), "crc32": crc32_of(content)} | changed
    return stage.lanes.sign_part(stage.key(), session, number=number, **terms)


def put_photo(stage, content=PHOTO):
    answer = stage.send(sign_put(stage, content), content)
    assert answer.is_ok, answer
    return stage.store.head(stage.key())


def send_parts(stage, *contents):
    session = stage.lanes.create_multipart(stage.key(), content_type=TYPE)
    for number, content in enumerate(contents, 1):
        answer = stage.send(sign_part(stage, session, number, content), content)
        assert answer.is_ok, answer
    return session


def complete(stage, session):
    return stage.lanes.complete_multipart(stage.key(), session, stage.lanes.list_parts(stage.key(), session))


def content_of(stage, key=None):
    return b"".join(stage.store.read(key or stage.key()))


async def streamed(stage, **wanted):
    return b"".join([chunk async for chunk in stage.store.stream(stage.key(), **wanted)])


# One signed PUT


def test_a_signed_put_becomes_an_object_of_the_same_bytes(stage):
    answer = stage.send(sign_put(stage), PHOTO)

    assert answer.status == 200
    assert answer.headers["etag"].startswith('"')
    assert stage.store.head(stage.key()).size_bytes == len(PHOTO)
    assert content_of(stage) == PHOTO


def test_a_put_whose_checksum_nobody_gave_is_taken(stage):
    answer = stage.send(sign_put(stage, crc32=None), PHOTO)

    assert answer.is_ok
    assert content_of(stage) == PHOTO


@pytest.mark.parametrize("more_bytes", [-1, 1])
def test_a_body_of_another_length_than_signed_is_refused(strict_stage, more_bytes):
    body = (PHOTO + b"x")[: len(PHOTO) + more_bytes]

    answer = strict_stage.send(sign_put(strict_stage), body)

    assert not answer.is_ok
    assert strict_stage.store.find(strict_stage.key()) is None


def test_another_type_than_signed_is_refused(strict_stage):
    answer = strict_stage.send(sign_put(strict_stage), PHOTO, content_type="text/html")

    assert not answer.is_ok
    assert strict_stage.store.find(strict_stage.key()) is None


def test_other_bytes_than_signed_are_refused(strict_parts_stage):
    answer = strict_parts_stage.send(sign_put(strict_parts_stage), OTHER_PHOTO)

    assert answer.status == 400
    assert strict_parts_stage.store.find(strict_parts_stage.key()) is None


def test_no_signed_header_may_be_left_out(strict_stage):
    request = sign_put(strict_stage)

    answers = [strict_stage.send(request, PHOTO, **{name: None}) for name in request.headers]

    assert answers
    assert not any(answer.is_ok for answer in answers)
    assert strict_stage.store.find(strict_stage.key()) is None


def test_the_checksum_of_other_bytes_cannot_replace_the_signed_one(strict_parts_stage):
    forged = sign_put(strict_parts_stage, OTHER_PHOTO).headers["x-amz-checksum-crc32"]

    answer = strict_parts_stage.send(sign_put(strict_parts_stage), OTHER_PHOTO, x_amz_checksum_crc32=forged)

    assert not answer.is_ok
    assert strict_parts_stage.store.find(strict_parts_stage.key()) is None


def test_a_url_does_not_open_another_key(strict_stage):
    request = sign_put(strict_stage)
    elsewhere = strict_stage.other_key()

    answer = strict_stage.send(
        replace(request, url=request.url.replace(strict_stage.key(), elsewhere)), PHOTO
    )

    assert answer.status == 403
    assert strict_stage.store.find(elsewhere) is None


def test_a_url_with_a_changed_signature_is_refused(strict_stage):
    request = sign_put(strict_stage)
    last = request.url[-1]
    forged = request.url[:-1] + ("0" if last != "0" else "1")

    answer = strict_stage.send(replace(request, url=forged), PHOTO)

    assert answer.status == 403
    assert strict_stage.store.find(strict_stage.key()) is None


@pytest.mark.parametrize(("age_s", "is_refused"), [(895, False), (901, True)])
def test_a_url_lives_for_fifteen_minutes(strict_stage, age_s, is_refused):
    now_s = strict_stage.lanes.clock()
    strict_stage.lanes.clock = lambda: now_s - age_s

    answer = strict_stage.send(sign_put(strict_stage), PHOTO)

    assert answer.is_ok is not is_refused
    assert (strict_stage.store.find(strict_stage.key()) is None) is is_refused


def test_a_used_url_cannot_write_again_neither_the_same_bytes_nor_others(stage):
    request = sign_put(stage)
    stage.send(request, PHOTO)
    before = stage.store.head(stage.key())

    again = [stage.send(request, PHOTO), stage.send(request, OTHER_PHOTO)]

    assert not any(answer.is_ok for answer in again)
    assert stage.store.head(stage.key()) == before
    assert content_of(stage) == PHOTO


def test_a_url_signed_later_cannot_write_over_what_is_there(stage):
    before = put_photo(stage)

    answer = stage.send(sign_put(stage, OTHER_PHOTO), OTHER_PHOTO)

    assert answer.status == 412
    assert stage.store.head(stage.key()) == before


# Parts


def test_parts_sent_at_once_become_the_file(parts_stage):
    contents = [b"a" * MIN_PART_BYTES, b"b" * MIN_PART_BYTES, b"the end"]
    session = parts_stage.lanes.create_multipart(parts_stage.key(), content_type=TYPE)
    requests = [
        sign_part(parts_stage, session, number, content) for number, content in enumerate(contents, 1)
    ]

    with ThreadPoolExecutor(3) as senders:
        answers = list(senders.map(parts_stage.send, requests, contents))
    stored = complete(parts_stage, session)

    assert all(answer.is_ok and answer.headers["etag"] for answer in answers)
    assert stored.size_bytes == sum(map(len, contents))
    assert content_of(parts_stage) == b"".join(contents)


def test_a_part_sent_again_takes_the_place_of_the_first(parts_stage):
    session = send_parts(parts_stage, PHOTO)

    parts_stage.send(sign_part(parts_stage, session, 1, OTHER_PHOTO[:-1]), OTHER_PHOTO[:-1])

    assert [part.size_bytes for part in parts_stage.lanes.list_parts(parts_stage.key(), session)] == [
        len(PHOTO) - 1
    ]
    complete(parts_stage, session)
    assert content_of(parts_stage) == OTHER_PHOTO[:-1]


def test_the_list_of_parts_has_all_pages(parts_stage):
    parts_stage.lanes.page_items = 2
    session = send_parts(parts_stage, *[bytes([number]) * number for number in range(1, 6)])

    parts = parts_stage.lanes.list_parts(parts_stage.key(), session)

    assert [(part.number, part.size_bytes) for part in parts] == [(n, n) for n in range(1, 6)]


def test_a_session_without_parts_lists_none(parts_stage):
    session = send_parts(parts_stage)

    assert parts_stage.lanes.list_parts(parts_stage.key(), session) == []


@pytest.mark.parametrize("body", [PHOTO + b"x", PHOTO[:-1], OTHER_PHOTO], ids=["longer", "shorter", "other"])
def test_a_part_of_other_bytes_than_signed_is_refused(strict_parts_stage, body):
    session = send_parts(strict_parts_stage)

    answer = strict_parts_stage.send(sign_part(strict_parts_stage, session, 1, PHOTO), body)

    assert not answer.is_ok
    assert strict_parts_stage.lanes.list_parts(strict_parts_stage.key(), session) == []


def test_the_url_of_a_part_does_not_open_another_number(strict_parts_stage):
    session = send_parts(strict_parts_stage)
    request = sign_part(strict_parts_stage, session, 1, PHOTO)
    forged = request.url.replace("partNumber=1", "partNumber=2").replace("part=1", "part=2")

    answer = strict_parts_stage.send(replace(request, url=forged), PHOTO)

    assert forged != request.url
    assert answer.status == 403
    assert strict_parts_stage.lanes.list_parts(strict_parts_stage.key(), session) == []


def test_completing_twice_answers_the_same_object(parts_stage):
    session = send_parts(parts_stage, PHOTO)
    parts = parts_stage.lanes.list_parts(parts_stage.key(), session)

    first = parts_stage.lanes.complete_multipart(parts_stage.key(), session, parts)
    second = parts_stage.lanes.complete_multipart(parts_stage.key(), session, parts)

    assert (first.size_bytes, first.etag) == (second.size_bytes, second.etag)
    assert content_of(parts_stage) == PHOTO


def test_a_session_that_is_gone_is_complete_when_an_object_of_the_right_size_is_there(strict_parts_stage):
    session = send_parts(strict_parts_stage, PHOTO)
    parts = strict_parts_stage.lanes.list_parts(strict_parts_stage.key(), session)
    stored = strict_parts_stage.lanes.complete_multipart(strict_parts_stage.key(), session, parts)
    never_opened = session[:-2] + "00"

    found = strict_parts_stage.lanes.complete_multipart(strict_parts_stage.key(), never_opened, parts)

    assert found.etag == stored.etag


@pytest.mark.parametrize("more_bytes", [-1, 1])
def test_a_session_that_is_gone_is_not_complete_with_an_object_of_another_size(
    strict_parts_stage, more_bytes
):
    session = send_parts(strict_parts_stage, PHOTO)
    parts = strict_parts_stage.lanes.list_parts(strict_parts_stage.key(), session)
    strict_parts_stage.lanes.complete_multipart(strict_parts_stage.key(), session, parts)
    others = [replace(part, size_bytes=part.size_bytes + more_bytes) for part in parts]

    with pytest.raises(SessionGone):
        strict_parts_stage.lanes.complete_multipart(strict_parts_stage.key(), session[:-2] + "00", others)


def test_a_session_that_is_gone_without_an_object_is_gone(strict_parts_stage):
    session = send_parts(strict_parts_stage, PHOTO)
    parts = strict_parts_stage.lanes.list_parts(strict_parts_stage.key(), session)
    strict_parts_stage.lanes.abort_multipart(strict_parts_stage.key(), session)

    with pytest.raises(SessionGone):
        strict_parts_stage.lanes.complete_multipart(strict_parts_stage.key(), session, parts)


def test_parts_that_are_not_there_are_missing(parts_stage):
    session = send_parts(parts_stage, PHOTO)
    parts = parts_stage.lanes.list_parts(parts_stage.key(), session)

    with pytest.raises(PartsMissing):
        parts_stage.lanes.complete_multipart(
            parts_stage.key(), session, [*parts, replace(parts[0], number=2)]
        )
    assert parts_stage.store.find(parts_stage.key()) is None


def test_a_part_replaced_since_it_was_listed_is_missing(parts_stage):
    session = send_parts(parts_stage, PHOTO)
    parts = parts_stage.lanes.list_parts(parts_stage.key(), session)
    parts_stage.send(sign_part(parts_stage, session, 1, OTHER_PHOTO), OTHER_PHOTO)

    with pytest.raises(PartsMissing):
        parts_stage.lanes.complete_multipart(parts_stage.key(), session, parts)


def test_a_late_part_leaves_the_finished_object_as_it_was(strict_parts_stage):
    session = send_parts(strict_parts_stage)
    request = sign_part(strict_parts_stage, session, 1, PHOTO)
    strict_parts_stage.send(request, PHOTO)
    before = complete(strict_parts_stage, session)

    strict_parts_stage.send(request, PHOTO)
    answer = strict_parts_stage.send(request, OTHER_PHOTO)

    assert not answer.is_ok
    assert strict_parts_stage.store.head(strict_parts_stage.key()).etag == before.etag
    assert content_of(strict_parts_stage) == PHOTO


def test_a_copy_is_out_of_reach_of_a_late_part_whose_checksum_was_not_signed(strict_parts_stage):
    parts_stage = strict_parts_stage
    session = send_parts(parts_stage)
    request = sign_part(parts_stage, session, 1, PHOTO, crc32=None)
    parts_stage.send(request, PHOTO)
    source = complete(parts_stage, session)
    bound = bound_key(parts_stage.upload_id, 1)
    parts_stage.store.copy(parts_stage.key(), bound, if_match=source.etag)

    parts_stage.send(request, OTHER_PHOTO)
    parts_stage.store.delete([parts_stage.key()])

    assert parts_stage.store.find(parts_stage.key()) is None
    assert content_of(parts_stage, bound) == PHOTO


def test_an_aborted_session_is_gone_and_takes_no_part(parts_stage):
    session = send_parts(parts_stage, PHOTO)

    parts_stage.lanes.abort_multipart(parts_stage.key(), session)

    with pytest.raises(SessionGone):
        parts_stage.lanes.list_parts(parts_stage.key(), session)
    assert not parts_stage.send(sign_part(parts_stage, session, 2, PHOTO), PHOTO).is_ok
    assert list(parts_stage.lanes.list_sessions("originals/")) == []


def test_aborting_twice_is_aborting_once(parts_stage):
    session = send_parts(parts_stage, PHOTO)

    parts_stage.lanes.abort_multipart(parts_stage.key(), session)
    parts_stage.lanes.abort_multipart(parts_stage.key(), session)

    assert parts_stage.store.find(parts_stage.key()) is None


def test_open_sessions_are_listed_until_they_end(parts_stage):
    first, second = parts_stage.key(), parts_stage.other_key()
    sessions = [parts_stage.lanes.create_multipart(key, content_type=TYPE) for key in (first, second)]
    found = {(opened.key, opened.session) for opened in parts_stage.lanes.list_sessions("originals/")}

    parts_stage.lanes.abort_multipart(first, sessions[0])

    assert found == {(first, sessions[0]), (second, sessions[1])}
    assert [opened.key for opened in parts_stage.lanes.list_sessions("originals/")] == [second]


def test_sixty_sessions_are_opened_at_once_each_its_own(parts_stage):
    keys = [parts_stage.other_key() for _ in range(60)]

    with ThreadPoolExecutor(60) as callers:
        sessions = list(
            callers.map(lambda key: parts_stage.lanes.create_multipart(key, content_type=TYPE), keys)
        )

    assert len(set(sessions)) == 60
    assert parts_stage.lanes.list_parts(keys[59], sessions[59]) == []


# Resumable sessions


def begin(stage, content):
    return stage.lanes.begin_resumable(wanted(stage.key(), content))


def wanted(key, content=LARGE_PHOTO):
    return Wanted(key, len(content), TYPE, SITE)


def send_chunk(stage, session_uri, content, first, end):
    """The bytes from `first` up to `end`, as a browser sends them from the page that the session was begun for."""
    headers = {"content-range": f"bytes {first}-{end - 1}/{len(content)}", "origin": SITE}
    return stage.ask("PUT", session_uri, content[first:end], headers)


def received(stage, session_uri, content=LARGE_PHOTO):
    return stage.lanes.probe_resumable(session_uri, size_bytes=len(content))


def test_a_session_takes_a_file_in_chunks(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    ends = [STEP, 3 * STEP, len(LARGE_PHOTO)]

    answers = [
        send_chunk(resumable_stage, session_uri, LARGE_PHOTO, first, end)
        for first, end in pairwise([0, *ends])
    ]

    assert [answer.status for answer in answers[:-1]] == [308, 308]
    assert [answer.headers["range"] for answer in answers[:-1]] == [f"bytes=0-{end - 1}" for end in ends[:-1]]
    assert answers[-1].is_ok
    assert resumable_stage.store.head(resumable_stage.key()).size_bytes == len(LARGE_PHOTO)
    assert content_of(resumable_stage) == LARGE_PHOTO


@pytest.mark.parametrize("size_bytes", [1, STEP - 1, STEP, STEP + 1])
def test_a_session_takes_a_file_of_any_size_in_one_go(resumable_stage, size_bytes):
    content = LARGE_PHOTO[:size_bytes]

    answer = send_chunk(resumable_stage, begin(resumable_stage, content), content, 0, size_bytes)

    assert answer.is_ok
    assert content_of(resumable_stage) == content


def test_a_session_tells_what_it_has_and_goes_on_there(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    assert received(resumable_stage, session_uri) == Received(0, is_whole=False)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, 2 * STEP)

    told = received(resumable_stage, session_uri)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, told.offset_bytes, len(LARGE_PHOTO))

    assert told == Received(2 * STEP, is_whole=False)
    assert content_of(resumable_stage) == LARGE_PHOTO


def test_asking_a_session_changes_nothing(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, STEP)

    told = [received(resumable_stage, session_uri) for _ in range(3)]

    assert told == [Received(STEP, is_whole=False)] * 3
    assert resumable_stage.store.find(resumable_stage.key()) is None


def test_a_gap_is_refused_and_keeps_what_is_there(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, STEP)

    answer = send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 2 * STEP, 3 * STEP)

    assert not answer.is_ok
    assert received(resumable_stage, session_uri) == Received(STEP, is_whole=False)


def test_a_session_whose_last_answer_was_lost_is_whole_or_gone_with_its_object_there(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, len(LARGE_PHOTO))

    with suppress(SessionGone):
        assert received(resumable_stage, session_uri) == Received(len(LARGE_PHOTO), is_whole=True)
    assert resumable_stage.store.head(resumable_stage.key()).size_bytes == len(LARGE_PHOTO)


def test_a_finished_session_takes_no_bytes_neither_the_same_nor_others(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, len(LARGE_PHOTO))
    before = resumable_stage.store.head(resumable_stage.key())

    for content in (LARGE_PHOTO, LARGE_PHOTO[::-1]):
        send_chunk(resumable_stage, session_uri, content, 0, len(content))

    assert resumable_stage.store.head(resumable_stage.key()) == before
    assert content_of(resumable_stage) == LARGE_PHOTO


def test_a_cancelled_session_is_gone_and_takes_no_bytes(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, STEP)

    resumable_stage.lanes.cancel_resumable(session_uri)
    resumable_stage.lanes.cancel_resumable(session_uri)

    with pytest.raises(SessionGone):
        received(resumable_stage, session_uri)
    assert not send_chunk(resumable_stage, session_uri, LARGE_PHOTO, STEP, len(LARGE_PHOTO)).is_ok
    assert resumable_stage.store.find(resumable_stage.key()) is None


def test_cancelling_a_finished_session_keeps_its_object(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, len(LARGE_PHOTO))

    resumable_stage.lanes.cancel_resumable(session_uri)

    assert content_of(resumable_stage) == LARGE_PHOTO


def test_a_session_that_never_was_is_gone(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    resumable_stage.lanes.cancel_resumable(session_uri)
    last = session_uri[-1]

    with pytest.raises(SessionGone):
        received(resumable_stage, session_uri[:-1] + ("0" if last != "0" else "1"))


def test_sixty_resumable_sessions_are_begun_at_once_each_its_own(resumable_stage):
    keys = [resumable_stage.other_key() for _ in range(60)]

    with ThreadPoolExecutor(60) as callers:
        sessions = list(callers.map(resumable_stage.lanes.begin_resumable, [wanted(key) for key in keys]))
    send_chunk(resumable_stage, sessions[59], LARGE_PHOTO, 0, len(LARGE_PHOTO))

    assert len(set(sessions)) == 60
    assert content_of(resumable_stage, keys[59]) == LARGE_PHOTO
    assert received(resumable_stage, sessions[0]) == Received(0, is_whole=False)


def test_no_session_writes_over_what_is_there(resumable_stage):
    session_uri = begin(resumable_stage, LARGE_PHOTO)
    before = put_photo(resumable_stage)

    send_chunk(resumable_stage, session_uri, LARGE_PHOTO, 0, len(LARGE_PHOTO))

    assert resumable_stage.store.head(resumable_stage.key()) == before


@pytest.mark.parametrize("store", ["local", "moto", "gcs"])
def test_a_lane_that_is_not_there_is_refused_in_every_call(request, store):
    stage = request.getfixturevalue(f"{store}_stage")
    can = stage.lanes.capabilities
    calls = (
        []
        if can.resumable
        else [
            lambda: stage.lanes.begin_resumable(wanted(stage.key())),
            lambda: stage.lanes.probe_resumable("/session", size_bytes=1),
            lambda: stage.lanes.cancel_resumable("/session"),
        ]
    )
    calls += [] if can.multipart else [
        lambda: stage.lanes.create_multipart(stage.key(), content_type=TYPE),
        lambda: stage.lanes.sign_part(stage.key(), "session", number=1, size_bytes=1, crc32=None),
        lambda: stage.lanes.list_parts(stage.key(), "session"),
        lambda: stage.lanes.complete_multipart(stage.key(), "session", []),
        lambda: stage.lanes.abort_multipart(stage.key(), "session"),
    ]  # fmt: skip

    for call in calls:
        with pytest.raises(LaneUnsupported):
            call()


def test_every_store_lists_its_open_sessions_or_has_none(stage):
    assert list(stage.lanes.list_sessions("originals/")) == []


# Objects


def test_what_the_server_puts_it_reads_again(stage):
    stored = stage.store.put_bytes(stage.key(), PHOTO, content_type="image/webp")

    assert (stored.key, stored.size_bytes) == (stage.key(), len(PHOTO))
    assert stage.store.head(stage.key()) == stored
    assert content_of(stage) == PHOTO


def test_putting_again_replaces_and_is_seen_in_the_etag(stage):
    first = stage.store.put_bytes(stage.key(), PHOTO, content_type=TYPE)

    second = stage.store.put_bytes(stage.key(), OTHER_PHOTO, content_type=TYPE)

    assert first.etag != second.etag
    assert content_of(stage) == OTHER_PHOTO


def test_an_open_file_is_put_from_its_beginning(stage, tmp_path):
    (tmp_path / "rendition").write_bytes(PHOTO)

    with (tmp_path / "rendition").open("rb") as source:
        stage.store.put_bytes(stage.key(), source, content_type=TYPE)

    assert content_of(stage) == PHOTO


def test_what_is_not_there_is_missing(stage):
    assert stage.store.find(stage.key()) is None
    with pytest.raises(ObjectMissing):
        stage.store.head(stage.key())
    with pytest.raises(ObjectMissing):
        content_of(stage)
    with pytest.raises(ObjectMissing):
        stage.store.copy(stage.key(), stage.other_key(), if_match="any")


async def test_what_is_not_there_cannot_be_streamed(stage):
    with pytest.raises(ObjectMissing):
        await streamed(stage)


def test_reading_is_bound_to_the_etag_that_was_looked_at(stage):
    stored = put_photo(stage)

    assert b"".join(stage.store.read(stage.key(), if_match=stored.etag)) == PHOTO
    with pytest.raises(ObjectChanged):
        list(stage.store.read(stage.key(), if_match="another"))


def test_chunks_are_of_one_mebibyte_at_most(stage):
    stage.store.put_bytes(stage.key(), b"x" * (2 * 1024 * 1024 + 1), content_type=TYPE)

    sizes = [len(chunk) for chunk in stage.store.read(stage.key())]

    assert sum(sizes) == 2 * 1024 * 1024 + 1
    assert max(sizes) <= 1024 * 1024


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 1),
        (0, len(PHOTO)),
        (1, None),
        (5, 10),
        (len(PHOTO) - 1, 1),
        (len(PHOTO) - 1, None),
        (5, 0),
    ],
)
async def test_any_range_is_streamed(stage, offset, length):
    stage.store.put_bytes(stage.key(), PHOTO, content_type=TYPE)
    end = len(PHOTO) if length is None else offset + length

    assert await streamed(stage, offset=offset, length=length) == PHOTO[offset:end]


async def test_a_stream_may_be_left_early(stage):
    stage.store.put_bytes(stage.key(), b"x" * 2_000_000, content_type=TYPE)
    stream = stage.store.stream(stage.key())

    first = await anext(stream)
    await stream.aclose()

    assert 0 < len(first) < 2_000_000


def test_a_copy_has_the_bytes_and_outlives_its_source(stage):
    source = put_photo(stage)
    bound = bound_key(stage.upload_id, 1)

    copied = stage.store.copy(stage.key(), bound, if_match=source.etag)
    stage.store.delete([stage.key()])

    assert (copied.key, copied.size_bytes) == (bound, len(PHOTO))
    assert content_of(stage, bound) == PHOTO


def test_a_copy_of_parts_outlives_its_source(parts_stage):
    contents = [b"a" * MIN_PART_BYTES, b"the end"]
    source = complete(parts_stage, send_parts(parts_stage, *contents))
    bound = bound_key(parts_stage.upload_id, 1)

    parts_stage.store.copy(parts_stage.key(), bound, if_match=source.etag)
    parts_stage.store.delete([parts_stage.key()])

    assert content_of(parts_stage, bound) == b"".join(contents)


def test_a_source_that_has_changed_is_not_copied(strict_stage):
    put_photo(strict_stage)
    bound = bound_key(strict_stage.upload_id, 1)

    with pytest.raises(ObjectChanged):
        strict_stage.store.copy(strict_stage.key(), bound, if_match="0123456789abcdef0123456789abcdef")
    assert strict_stage.store.find(bound) is None


def test_deleting_removes_and_what_is_missing_is_gone_already(stage):
    put_photo(stage)

    stage.store.delete([stage.key(), stage.other_key()])
    stage.store.delete([stage.key()])

    assert stage.store.find(stage.key()) is None


def test_deleting_one_attempt_leaves_the_others(stage):
    for attempt in (1, 2):
        stage.store.put_bytes(stage.key(attempt), PHOTO, content_type=TYPE)

    stage.store.delete([stage.key(1)])

    assert content_of(stage, stage.key(2)) == PHOTO


def test_a_list_has_all_pages_in_the_order_of_keys(stage):
    stage.store.page_items = 2
    mine = [stage.key(1), bound_key(stage.upload_id, 1), stage.key(2), stage.key(10), stage.key(11)]
    for key in [*mine, stage.other_key()]:
        stage.store.put_bytes(key, PHOTO, content_type=TYPE)

    listed = list(stage.store.list(f"originals/{stage.key().split('/')[1]}/{stage.upload_id}/"))
    everything = [stored.key for stored in stage.store.list("originals/")]

    assert [stored.key for stored in listed] == sorted(mine)
    assert {stored.size_bytes for stored in listed} == {len(PHOTO)}
    assert len(everything) == 6
    assert everything == sorted(everything)
    assert list(stage.store.list("renditions/")) == []


def test_a_list_names_the_etag_that_head_names(stage):
    stored = put_photo(stage)

    [listed] = stage.store.list(stage.key())

    assert (listed.etag, listed.size_bytes) == (stored.etag, stored.size_bytes)


# URLs to read from


def test_the_local_store_leaves_reading_to_the_app(local_stage):
    assert local_stage.store.signed_get(local_stage.key(), download_name=None, content_type=TYPE) is None


def test_a_signed_get_answers_any_range_under_the_name_and_type_given(bucket_stage):
    put_photo(bucket_stage)
    url = bucket_stage.store.signed_get(
        bucket_stage.key(), download_name="Zoë 1.jpg", content_type="image/png"
    )

    answer = bucket_stage.ask("GET", url, None, {"Range": "bytes=3-9"})

    assert answer.status == 206
    assert answer.body == PHOTO[3:10]
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''Zo%C3%AB%201.jpg"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_a_signed_get_stays_the_same_for_six_hours(signing_stage):
    clock = 1_800_000_000 - 1_800_000_000 % 21_600

    def url_at(now_s):
        signing_stage.store.clock = lambda: now_s
        return signing_stage.store.signed_get(signing_stage.key(), download_name=None, content_type=TYPE)

    assert url_at(clock - 1) != url_at(clock)
    assert url_at(clock) == url_at(clock + 21_599)
    assert url_at(clock + 21_599) != url_at(clock + 21_600)


@pytest.mark.services
def test_a_signed_get_of_google_answers_the_type_and_cache_control_of_the_object(gcs_stage):
    put_photo(gcs_stage)
    url = gcs_stage.store.signed_get(gcs_stage.key(), download_name="Zoë 1.jpg", content_type="image/png")

    answer = gcs_stage.ask("GET", url, None, {"Range": "bytes=3-9"})

    assert (answer.status, answer.body) == (206, PHOTO[3:10])
    assert answer.headers["content-type"] == TYPE
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''Zo%C3%AB%201.jpg"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.services
@pytest.mark.parametrize("store", ["swift", "gcs"])
@pytest.mark.parametrize(("age_h", "is_good"), [(6, True), (12, False)])
def test_a_signed_get_lives_between_six_and_twelve_hours(request, store, age_h, is_good):
    stage = request.getfixturevalue(f"{store}_stage")
    put_photo(stage)
    now_s = stage.store.clock()
    stage.store.clock = lambda: now_s - age_h * 3600

    url = stage.store.signed_get(stage.key(), download_name=None, content_type=TYPE)

    assert stage.ask("GET", url, None, {}).is_ok is is_good
