"""A real store on its bad days: what the server makes of stalls, resets, lost answers and lies."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from galleries.errors import ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.models import Photo
from galleries.objects.base import bound_key
from tests.builders import jpeg, make_upload
from tests.fault_gate.faults import Answer, Break, Flip, Held, Lie, LoseAnswer, Rule, Silence
from tests.faults.conftest import crc_of, photo_of
from uploads import presign, sweep
from uploads.errors import PartsMissing, SessionGone
from uploads.limits import MIN_PART_BYTES
from uploads.models import Discard, Upload
from uploads.states import State
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.services

PHOTO = jpeg(1)
TYPE = "image/jpeg"
# The promise of docs/storage.md.
KNOWN_WITHIN_S = 10.0


def error_xml(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>as the rule says</Message></Error>".encode()


def open_session(stage) -> str:
    return stage.lanes.create_multipart(stage.key(), content_type=TYPE)


def send_part(stage, session, number, content):
    request = stage.lanes.sign_part(
        stage.key(), session, number=number, size_bytes=len(content), crc32=crc_of(content)
    )
    answer = stage.send(request, content)
    assert answer.is_ok, answer


def session_with(stage, *contents) -> str:
    session = open_session(stage)
    for number, content in enumerate(contents, 1):
        send_part(stage, session, number, content)
    return session


def put(stage, content=PHOTO, key=None) -> None:
    stage.store.put_bytes(key or stage.key(), content, content_type=TYPE)


def content_of(stage) -> bytes:
    return b"".join(stage.store.read(stage.key()))


# A store that does not answer


def asked_of(stage, session):
    """Every question to a store, by name."""
    key, lanes, store = stage.key(), stage.lanes, stage.store
    return {
        "head": lambda: store.head(key),
        "read": lambda: list(store.read(key)),
        "list": lambda: list(store.list("originals/")),
        "delete": lambda: store.delete([key]),
        "create": lambda: lanes.create_multipart(key, content_type=TYPE),
        "parts": lambda: lanes.list_parts(key, session),
        "abort": lambda: lanes.abort_multipart(key, session),
        "sessions": lambda: list(lanes.list_sessions("originals/")),
    }


def seconds_until_unavailable(ask) -> float:
    began_at = time.monotonic()
    with pytest.raises(StorageUnavailable):
        ask()
    return time.monotonic() - began_at


@pytest.mark.alone
@pytest.mark.slow
def test_a_store_that_stalls_is_known_within_ten_seconds_whatever_it_is_asked(stage, gate):
    put(stage, photo_of(2_000_000))
    asks = asked_of(stage, session_with(stage, PHOTO))
    # Those of the last three stop in the middle of an answer, the others before it.
    for query in ("list-type", "uploadId", "uploads"):
        gate.add(Rule(Break("answer", 50, "stall"), method="GET", query=query))
    gate.add(Rule(Break("answer", 1_500_000, "stall"), method="GET", path="/originals/"))
    gate.add(Rule(Silence()))

    with ThreadPoolExecutor(len(asks)) as askers:
        took = dict(zip(asks, askers.map(seconds_until_unavailable, asks.values()), strict=True))

    assert {name: seconds for name, seconds in took.items() if seconds > KNOWN_WITHIN_S} == {}


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.django_db
def test_a_hundred_looks_at_a_stalled_store_take_no_longer_than_one(stage, gate, api, gallery):
    puts = [make_upload(gallery, State.SIGNED, store="s3") for _ in range(80)]
    parts = [make_upload(gallery, State.SIGNED, store="s3", lane="multipart", session="s") for _ in range(10)]
    new = [make_upload(gallery, State.REGISTERED, store="s3", lane="multipart") for _ in range(10)]
    gate.add(Rule(Silence()))
    began_at = time.monotonic()

    rows = api.sign(*[{"id": str(each.pk), "after_failure": each not in new} for each in puts + parts + new])

    assert time.monotonic() - began_at < KNOWN_WITHIN_S
    assert {row["error"]["code"] for row in rows} == {"storage_unavailable"}


def test_after_it_has_stalled_a_store_is_asked_again(stage, gate):
    put(stage)
    gate.add(Rule(Silence(), calls={1}))

    assert stage.store.head(stage.key()).size_bytes == len(PHOTO)


# Answers that pass


@pytest.mark.parametrize("status", [500, 503, 429])
def test_one_bad_answer_is_not_the_last(stage, gate, status):
    put(stage)
    session = session_with(stage, PHOTO)
    for rule in [
        Rule(Answer(status), method="HEAD", calls={1}),
        Rule(Answer(status, error_xml("SlowDown")), method="GET", calls={1}),
        Rule(Answer(status, error_xml("SlowDown")), method="POST", calls={1}),
    ]:
        gate.add(rule)

    assert stage.store.head(stage.key()).size_bytes == len(PHOTO)
    assert len(stage.lanes.list_parts(stage.key(), session)) == 1
    assert open_session(stage)


@pytest.mark.parametrize(
    "fault",
    [
        Answer(403, error_xml("AccessDenied")),
        Answer(400, error_xml("RequestTimeTooSkewed")),
        Answer(503, error_xml("SlowDown")),
        Answer(200, b"<html>Welcome to our hotel</html>", {"Content-Type": "text/html"}),
        Answer(200, b"", {"Content-Type": "text/html"}),
        Answer(302, b"", {"Location": "https://login.example.com/"}),
        Answer(301, error_xml("PermanentRedirect")),
        Break("answer", 0),
        Break("answer", 20, "end"),
    ],
    ids=["403", "skewed", "slow-down", "portal", "empty", "302", "301", "reset", "half"],
)
def test_trouble_is_neither_a_missing_object_nor_a_crash(stage, gate, fault):
    put(stage)
    session = session_with(stage, PHOTO)
    gate.add(Rule(fault))

    asks = asked_of(stage, session)
    if isinstance(fault, Break) or fault.status == 200:
        del asks["delete"]  # any 2xx is a deletion, and its answer has no body to break off
    if isinstance(fault, Break):
        del asks["head"]

    for name, ask in asks.items():
        try:
            found = ask()
        except StorageUnavailable:
            continue
        pytest.fail(f"{name} took it for {found!r}")


def test_an_object_that_is_another_than_was_looked_at_is_not_read(stage, gate):
    """Also where a store does not know the condition, and sends the object that it has."""
    put(stage)
    gate.add(Rule(Lie(Answer(200, PHOTO, {"ETag": '"another"'})), method="GET"))

    with pytest.raises(ObjectChanged):
        list(stage.store.read(stage.key(), if_match=stage.store.head(stage.key()).etag))


# Lists of several pages


def test_a_page_that_fails_once_is_asked_for_again(stage, gate):
    stage.lanes.page_items = 2
    session = session_with(stage, *[bytes([n]) * n for n in range(1, 6)])
    gate.forget()
    pages = Rule(Answer(503), method="GET", query="uploadId", calls={2})
    breaks_off = Rule(Break("answer", 100, "end"), method="GET", query="uploadId", calls={4})
    gate.add(pages)
    gate.add(breaks_off)

    parts = stage.lanes.list_parts(stage.key(), session)

    assert [(part.number, part.size_bytes) for part in parts] == [(n, n) for n in range(1, 6)]
    assert gate.counts.where(method="GET").requests == 5


def test_half_a_list_is_no_list(stage, gate):
    stage.lanes.page_items = 2
    session = session_with(stage, *[bytes([n]) * n for n in range(1, 6)])
    gate.add(Rule(Answer(503), method="GET", query="part-number-marker=[1-9]"))

    with pytest.raises(StorageUnavailable):
        stage.lanes.list_parts(stage.key(), session)


def test_a_list_that_breaks_off_in_its_first_lines_is_asked_for_again(stage, gate):
    session = session_with(stage, PHOTO)
    gate.add(Rule(Break("answer", 60, "end"), method="GET", calls={1}))

    assert len(stage.lanes.list_parts(stage.key(), session)) == 1


def test_every_session_and_object_is_listed_though_pages_fail(stage, gate):
    stage.store.page_items = stage.lanes.page_items = 2
    keys = sorted(stage.other_key() for _ in range(5))
    for key in keys:
        put(stage, key=key)
    for key in keys:
        stage.lanes.create_multipart(key, content_type=TYPE)
    gate.add(Rule(Answer(500), method="GET", calls={2, 5, 8}))

    assert [stored.key for stored in stage.store.list("originals/")] == keys
    assert sorted(opened.key for opened in stage.lanes.list_sessions("originals/")) == keys


# Completing


def complete(stage, session, parts):
    return stage.lanes.complete_multipart(stage.key(), session, parts)


def test_a_completion_whose_answer_is_lost_is_recognised_also_the_hundredth_time(stage, gate):
    session = session_with(stage, PHOTO)
    parts = stage.lanes.list_parts(stage.key(), session)
    gate.add(Rule(LoseAnswer(), method="POST", calls={1}))
    # S3 may have forgotten the session by then, or not: this one has.
    gate.add(Rule(Answer(404, error_xml("NoSuchUpload")), method="POST"))

    found = [complete(stage, session, parts) for _ in range(100)]

    assert {each.etag for each in found} == {stage.store.head(stage.key()).etag}
    assert content_of(stage) == PHOTO


def test_a_completion_repeated_a_hundred_times_leaves_the_object_as_it_was(stage, gate):
    session = session_with(stage, PHOTO)
    parts = stage.lanes.list_parts(stage.key(), session)
    gate.add(Rule(LoseAnswer(), method="POST", calls={1, 3}))
    first = complete(stage, session, parts)

    found = {complete(stage, session, parts) for _ in range(20)}

    assert found == {first}
    assert content_of(stage) == PHOTO


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_a_completion_that_says_200_and_holds_an_error_is_tried_again(stage, gate, code):
    session = session_with(stage, PHOTO)
    parts = stage.lanes.list_parts(stage.key(), session)
    gate.add(Rule(Answer(200, error_xml(code)), method="POST", calls={1}))

    assert complete(stage, session, parts).size_bytes == len(PHOTO)


def test_a_completion_that_never_succeeds_is_trouble_and_leaves_the_parts(stage, gate):
    session = session_with(stage, PHOTO)
    parts = stage.lanes.list_parts(stage.key(), session)
    rule = gate.add(Rule(Answer(200, error_xml("InternalError")), method="POST"))

    with pytest.raises(StorageUnavailable):
        complete(stage, session, parts)

    gate.remove(rule)
    assert stage.lanes.list_parts(stage.key(), session) == parts
    assert complete(stage, session, parts).size_bytes == len(PHOTO)


def test_a_completion_done_and_denied_is_recognised(stage, gate):
    session = session_with(stage, PHOTO)
    parts = stage.lanes.list_parts(stage.key(), session)
    gate.add(Rule(Lie(Answer(500, error_xml("InternalError"))), method="POST", calls={1}))

    assert complete(stage, session, parts).size_bytes == len(PHOTO)


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize("code", ["InvalidPart", "InvalidPartOrder", "EntityTooSmall"])
def test_parts_that_the_store_does_not_take_are_missing(stage, gate, status, code):
    session = session_with(stage, PHOTO)
    parts = stage.lanes.list_parts(stage.key(), session)
    gate.add(Rule(Answer(status, error_xml(code)), method="POST"))

    with pytest.raises(PartsMissing):
        complete(stage, session, parts)


# Sessions


def test_an_abort_is_repeated_until_no_part_is_left(stage, gate):
    """A part that was on its way when the session was aborted keeps it alive: here the first abort is lost."""
    session = session_with(stage, PHOTO)
    gate.forget()
    gate.add(Rule(Answer(204), method="DELETE", calls={1, 2}))

    stage.lanes.abort_multipart(stage.key(), session)

    assert gate.counts.where(method="DELETE").requests == 3
    with pytest.raises(SessionGone):
        stage.lanes.list_parts(stage.key(), session)


def test_an_abort_whose_answer_is_lost_has_ended_the_session(stage, gate):
    session = session_with(stage, PHOTO)
    gate.add(Rule(LoseAnswer(), method="DELETE", calls={1}))

    stage.lanes.abort_multipart(stage.key(), session)

    assert list(stage.lanes.list_sessions("originals/")) == []


def test_aborting_a_session_that_was_completed_leaves_its_object(stage):
    session = session_with(stage, PHOTO)
    complete(stage, session, stage.lanes.list_parts(stage.key(), session))

    stage.lanes.abort_multipart(stage.key(), session)

    assert content_of(stage) == PHOTO


def test_a_session_that_will_not_end_stays_trouble(stage, gate):
    session = session_with(stage, PHOTO)
    gate.add(Rule(Answer(204), method="DELETE"))

    with pytest.raises(StorageUnavailable):
        stage.lanes.abort_multipart(stage.key(), session)


def test_a_part_that_arrives_after_the_abort_makes_no_object(stage, gate):
    session = open_session(stage)
    late = gate.add(Rule(Held(), method="PUT"))
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(send_part, stage, session, 1, PHOTO)
        gate.wait_until(lambda counts: counts.where(rule=late).requests)
        stage.lanes.abort_multipart(stage.key(), session)
        gate.remove(late)

        assert "404" in str(sending.exception(timeout=30))

    assert list(stage.lanes.list_sessions("originals/")) == []
    assert stage.store.find(stage.key()) is None


@pytest.mark.django_db
def test_one_session_of_a_batch_that_fails_leaves_the_others(stage, gate, api, gallery):
    uploads = [make_upload(gallery, store="s3", lane="multipart") for _ in range(20)]
    gate.add(Rule(Answer(403, error_xml("AccessDenied")), method="POST", path=uploads[7].key))

    rows = api.sign(*[{"id": str(upload.pk)} for upload in uploads])

    failed = {index: row["error"]["code"] for index, row in enumerate(rows) if row["error"]}
    assert failed == {7: "storage_unavailable"}
    assert len(set(Upload.objects.exclude(session="").values_list("session", flat=True))) == 19


# Writing and copying


@pytest.mark.parametrize("after_bytes", [0, 1, 1_500_000, 2_999_999, 3_000_000])
def test_a_rendition_reset_at_any_byte_is_written_again_whole(stage, gate, after_bytes):
    content = photo_of(3_000_000)
    gate.add(Rule(Break("request", after_bytes), method="PUT", calls={1}))

    stored = stage.store.put_bytes(stage.key(), content, content_type=TYPE)

    assert stored.size_bytes == len(content)
    assert content_of(stage) == content


def test_a_rendition_is_written_whole_from_an_open_file_too(stage, gate, tmp_path):
    content = photo_of(3_000_000)
    (tmp_path / "rendition").write_bytes(content)
    gate.add(Rule(Break("request", 1_000_000), method="PUT", calls={1}))

    with (tmp_path / "rendition").open("rb") as source:
        stage.store.put_bytes(stage.key(), source, content_type=TYPE)

    assert content_of(stage) == content


def test_a_copy_whose_answer_is_lost_is_there(stage, gate):
    put(stage)
    source = stage.store.head(stage.key())
    gate.add(Rule(LoseAnswer(), method="PUT", calls={1}))

    copied = stage.store.copy(stage.key(), bound_key(stage.upload_id, 1), if_match=source.etag)

    assert copied.size_bytes == len(PHOTO)


def test_a_copy_that_says_200_and_holds_an_error_is_no_copy(stage, gate):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: an error may come in a 200."""
    put(stage)
    source = stage.store.head(stage.key())
    gate.add(Rule(Answer(200, error_xml("InternalError")), method="PUT"))

    with pytest.raises((StorageUnavailable, ObjectMissing)):
        stage.store.copy(stage.key(), bound_key(stage.upload_id, 1), if_match=source.etag)


# Reading


@pytest.mark.parametrize("after_bytes", [0, 1, 1_000_000, 1_999_999])
@pytest.mark.parametrize("ending", ["reset", "end"])
def test_an_object_that_breaks_off_is_never_read_as_a_short_one(stage, gate, after_bytes, ending):
    put(stage, photo_of(2_000_000))
    gate.add(Rule(Break("answer", after_bytes, ending), method="GET"))

    with pytest.raises(StorageUnavailable):
        content_of(stage)


@pytest.mark.parametrize("ending", ["reset", "end"])
async def test_an_object_that_breaks_off_is_never_streamed_as_a_short_one(stage, gate, ending):
    put(stage, photo_of(2_000_000))
    gate.add(Rule(Break("answer", 1_000_000, ending), method="GET"))

    with pytest.raises(StorageUnavailable):
        async for _ in stage.store.stream(stage.key(), offset=10):
            pass


# What the worker makes of it


def make_due(upload) -> None:
    Upload.objects.filter(pk=upload.pk).update(try_after=timezone.now() - timedelta(seconds=1))


def work(developer) -> Upload:
    """What a worker does, once; a row that was put back is due again."""
    upload = claim_next()
    assert upload is not None
    verify(upload, developer)
    make_due(upload)
    return Upload.objects.get(pk=upload.pk)


def uploaded(gallery, stage, content, **columns) -> Upload:
    row = make_upload(
        gallery, State.UPLOADED, store="s3", size=len(content), crc32=crc_of(content), **columns
    )
    if row.lane == "put":
        put(stage, content, row.key)
    return row


def uploaded_in_parts(gallery, stage, content) -> Upload:
    first = content[:MIN_PART_BYTES]
    session = session_with(stage, first, content[MIN_PART_BYTES:])
    crcs = {"1": crc_of(first), "2": crc_of(content[MIN_PART_BYTES:])}
    return uploaded(
        gallery, stage, content, id=stage.upload_id, lane="multipart", session=session,
        part_bytes=MIN_PART_BYTES, part_crcs=crcs,
    )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fault",
    [
        Break("answer", 100_000, "end"),
        Break("answer", 100_000),
        Answer(503),
        Answer(500, error_xml("InternalError")),
        Answer(403, error_xml("RequestTimeTooSkewed")),
    ],
    ids=["truncated", "reset", "503", "500", "skewed"],
)
def test_a_photo_that_could_not_be_read_whole_is_read_again_and_never_shown_half(
    stage, gate, gallery, developer, fault
):
    content = photo_of(300_000)
    uploaded(gallery, stage, content)
    rule = gate.add(Rule(fault, method="GET"))

    first = work(developer)
    photos_then = Photo.objects.count()
    gate.remove(rule)
    second = work(developer)

    assert (first.state, first.attempt, photos_then) == (State.UPLOADED, 1, 0)
    assert (second.state, second.attempt) == (State.VERIFIED, 1)
    assert Photo.objects.get().crc32 == crc_of(content)


@pytest.mark.django_db
def test_a_photo_read_with_one_bit_wrong_is_not_shown(stage, gate, gallery, developer):
    uploaded(gallery, stage, photo_of(300_000))
    gate.add(Rule(Flip("answer", 200_000), method="GET"))

    ended = work(developer)

    assert (ended.state, ended.error_code) == (State.FAILED, "checksum_mismatch")
    assert Photo.objects.count() == 0


@pytest.mark.django_db
def test_a_rendition_that_could_not_be_written_keeps_the_photo_from_being_shown(
    stage, gate, gallery, developer
):
    uploaded(gallery, stage, PHOTO)
    rule = gate.add(Rule(Answer(503), method="PUT", path="/renditions/"))

    first = work(developer)
    photos_then = Photo.objects.count()
    gate.remove(rule)
    second = work(developer)

    assert (first.state, photos_then, second.state) == (State.UPLOADED, 0, State.VERIFIED)


@pytest.mark.django_db
def test_a_store_that_was_away_for_an_hour_costs_no_photo_and_nobodys_click(stage, gate, gallery, developer):
    uploaded(gallery, stage, PHOTO)
    away = gate.add(Rule(Answer(403, error_xml("AccessDenied"))))

    states = {work(developer).state for _ in range(60)}  # with a minute between them
    gate.remove(away)

    assert states == {State.UPLOADED}
    assert work(developer).state == State.VERIFIED


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fault",
    [LoseAnswer(), Lie(Answer(200, error_xml("InternalError"))), Lie(Answer(404, error_xml("NoSuchUpload")))],
    ids=["lost", "error-in-200", "gone"],
)
def test_a_completion_whose_outcome_nobody_heard_is_a_photo_in_the_end(
    stage, gate, gallery, developer, fault
):
    content = photo_of(MIN_PART_BYTES + 10_000)
    uploaded_in_parts(gallery, stage, content)
    gate.add(Rule(fault, method="POST"))

    ended = work(developer)
    if ended.state == State.UPLOADED:
        ended = work(developer)

    assert (ended.state, ended.attempt, ended.error_code) == (State.VERIFIED, 1, "")
    assert Photo.objects.get().sha256
    assert content_of(stage) == content
    assert list(stage.lanes.list_sessions("originals/")) == []


@pytest.mark.django_db
def test_what_was_joined_and_is_no_photo_leaves_nothing_and_stops_no_sweep(stage, gallery, developer):
    content = bytes(MIN_PART_BYTES + 10_000)
    row = uploaded_in_parts(gallery, stage, content)
    put(stage, key=stage.key(9))
    Discard.objects.create(store="s3", key=stage.key(9), not_before=timezone.now())

    ended = work(developer)
    Discard.objects.update(not_before=timezone.now())
    sweep.only("discards")

    assert (ended.state, ended.error_code) == (State.FAILED, "not_an_image")
    assert Discard.objects.count() == 0
    assert (stage.store.find(row.key), stage.store.find(stage.key(9))) == (None, None)


@pytest.mark.django_db
def test_what_can_not_be_thrown_away_keeps_nothing_else_from_going(stage, gate):
    gate.add(Rule(Answer(404, error_xml("NotFound")), method="DELETE", path=stage.key()))
    other_key = stage.other_key()
    put(stage, key=other_key)
    Discard.objects.create(store="s3", key=stage.key(), session="s", not_before=timezone.now())
    Discard.objects.create(store="s3", key=other_key, not_before=timezone.now())

    sweep.only("discards")

    assert stage.store.find(other_key) is None
    assert [each.key for each in Discard.objects.all()] == [stage.key()]


@pytest.mark.django_db
def test_a_session_that_is_gone_with_other_bytes_of_the_same_size_is_not_believed(stage, gallery, developer):
    content = photo_of(MIN_PART_BYTES + 10_000)
    row = uploaded_in_parts(gallery, stage, content)
    stage.lanes.abort_multipart(row.key, row.session)
    put(stage, photo_of(len(content), seed=2), row.key)

    ended = work(developer)

    assert (ended.state, ended.error_code) == (State.FAILED, "checksum_mismatch")
    assert Photo.objects.count() == 0


@pytest.mark.django_db
def test_a_session_that_the_store_has_forgotten_is_made_anew_on_the_same_attempt(stage, api, gallery):
    content = photo_of(9_000_000)
    [row] = api.batch(
        gallery, {"client_id": "a", "name": "a.jpg", "size": len(content), "type": TYPE, "last_modified": 1}
    )
    before = Upload.objects.get()
    stage.lanes.abort_multipart(before.key, before.session)

    [signed] = api.sign({"id": row["id"], "after_failure": True})

    after = Upload.objects.get()
    assert after.session not in {"", before.session}
    assert (after.key, after.attempt, after.state) == (before.key, 1, State.SIGNED)
    assert [part["number"] for part in signed["transfer"]["parts"]] == [1, 2]
    assert presign.look(after).parts == {}
