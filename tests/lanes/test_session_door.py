"""The resumable protocol of the local store: what each request is answered, and what it leaves on the disk."""

import errno
import json
import os
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config import door_http
from galleries.errors import StorageUnavailable
from galleries.objects.base import StoredObject
from uploads.errors import SessionGone
from uploads.lanes import local_sessions
from uploads.lanes.base import Received, Wanted
from uploads.limits import MIB, RESUMABLE_SESSION_LIFE

PHOTO = bytes(range(256)) * 4096
SIZE = len(PHOTO)
TYPE = "image/jpeg"
PAGE = "https://photos.example.org"


def begin(stage, content=PHOTO, key=None) -> str:
    wanted = Wanted(key or stage.key(), len(content), TYPE, PAGE)
    return stage.lanes.begin_resumable(wanted)


def put(stage, uri, first, last, *, content=PHOTO, total=None, body=None, **headers):
    """The bytes from `first` to `last`, both counted in, as a client of this protocol sends them."""
    sent = content[first : last + 1] if body is None else body
    total_bytes = len(content) if total is None else total
    return stage.ask(
        "PUT",
        uri,
        sent,
        {"content-range": f"bytes {first}-{last}/{total_bytes}", "content-type": TYPE, **headers},
    )


def ask_how_far(stage, uri, total=SIZE):
    return stage.ask("PUT", uri, None, {"content-range": f"bytes */{total}", "content-length": "0"})


def code_of(answer) -> str:
    return json.loads(answer.body)["error"]["code"]


def stored(stage, key=None) -> StoredObject | None:
    return stage.store.find(key or stage.key())


def read(stage, key=None) -> bytes:
    return b"".join(stage.store.read(key or stage.key()))


def connect(stage) -> socket.socket:
    parts = urlsplit(stage.site)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def head_of(uri, first, last, total=SIZE) -> bytes:
    lines = [
        f"PUT {uri} HTTP/1.1",
        "Host: localhost",
        f"Content-Range: bytes {first}-{last}/{total}",
        f"Content-Length: {last - first + 1}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def offset_of(stage, uri) -> int:
    return stage.lanes.probe_resumable(uri, size_bytes=SIZE).offset_bytes


# --- it works


def test_chunk_after_chunk_becomes_the_object(local_stage):
    uri = begin(local_stage)

    first = put(local_stage, uri, 0, 262_143)
    second = put(local_stage, uri, 262_144, 524_287)
    last = put(local_stage, uri, 524_288, SIZE - 1)

    assert [(each.status, each.headers.get("range")) for each in (first, second, last)] == [
        (308, "bytes=0-262143"),
        (308, "bytes=0-524287"),
        (200, None),
    ]
    assert last.headers["etag"] == f'"{stored(local_stage).etag}"'
    assert read(local_stage) == PHOTO


def test_a_whole_file_goes_in_one_request(local_stage):
    uri = begin(local_stage)

    assert put(local_stage, uri, 0, SIZE - 1).status == 200
    assert read(local_stage) == PHOTO


def test_a_body_without_content_range_is_the_whole_file(local_stage):
    uri = begin(local_stage)

    assert local_stage.ask("PUT", uri, PHOTO, {}).status == 200
    assert read(local_stage) == PHOTO


def test_a_probe_of_an_empty_session_carries_no_range(local_stage):
    answer = ask_how_far(local_stage, begin(local_stage))

    assert (answer.status, answer.headers.get("range")) == (308, None)


@pytest.mark.parametrize("stored_bytes", [1, 262_143, 262_144, 262_145, SIZE - 1])
def test_a_probe_says_how_far_it_is_and_changes_nothing(local_stage, stored_bytes):
    uri = begin(local_stage)
    put(local_stage, uri, 0, stored_bytes - 1)

    answers = [ask_how_far(local_stage, uri) for _ in range(2)]

    assert [(each.status, each.headers["range"]) for each in answers] == [
        (308, f"bytes=0-{stored_bytes - 1}")
    ] * 2
    assert stored(local_stage) is None


def test_a_probe_of_a_whole_file_says_so_with_its_etag(local_stage):
    uri = begin(local_stage)
    etag = put(local_stage, uri, 0, SIZE - 1).headers["etag"]

    answer = ask_how_far(local_stage, uri)

    assert (answer.status, answer.headers["etag"]) == (200, etag)


def test_the_server_sees_what_the_browser_sees(local_stage):
    uri = begin(local_stage)
    seen = [local_stage.lanes.probe_resumable(uri, size_bytes=SIZE)]
    for first, last in ((0, 99_999), (100_000, SIZE - 1)):
        put(local_stage, uri, first, last)
        seen.append(local_stage.lanes.probe_resumable(uri, size_bytes=SIZE))

    assert seen == [Received(0, False), Received(100_000, False), Received(SIZE, True)]


# --- where chunks begin and end


@pytest.mark.parametrize("back", [1, 1000, 262_144])
def test_bytes_sent_again_are_compared_and_the_rest_is_taken(local_stage, back):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 262_143)

    answer = put(local_stage, uri, 262_144 - back, 400_000)

    assert (answer.status, answer.headers["range"]) == (308, "bytes=0-400000")
    assert put(local_stage, uri, 400_001, SIZE - 1).status == 200
    assert read(local_stage) == PHOTO


@pytest.mark.parametrize(("first", "last"), [(0, 99), (0, 262_143), (1000, 2000), (262_143, 262_143)])
def test_bytes_stored_already_are_answered_with_the_true_range(local_stage, first, last):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 262_143)

    answer = put(local_stage, uri, first, last)

    assert (answer.status, answer.headers["range"]) == (308, "bytes=0-262143")


@pytest.mark.parametrize("wrong_at", [0, 131_072, 262_143])
def test_other_bytes_than_those_stored_are_refused_and_nothing_changes(local_stage, wrong_at):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 262_143)
    other = bytearray(PHOTO)
    other[wrong_at] ^= 1

    answer = put(local_stage, uri, 0, 400_000, content=bytes(other))

    assert (answer.status, code_of(answer)) == (409, "checksum_conflict")
    assert offset_of(local_stage, uri) == 262_144
    assert put(local_stage, uri, 262_144, SIZE - 1).status == 200
    assert read(local_stage) == PHOTO


@pytest.mark.parametrize(
    ("first", "status", "range_"),
    [
        (99_999, 308, "bytes=0-199999"),
        (100_000, 308, "bytes=0-199999"),
        (100_001, 409, "bytes=0-99999"),
    ],
)
def test_a_gap_is_refused_with_where_to_go_on(local_stage, first, status, range_):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 99_999)

    answer = put(local_stage, uri, first, 199_999)

    assert (answer.status, answer.headers["range"]) == (status, range_)
    if status == 409:
        assert code_of(answer) == "range_gap"


def test_a_gap_at_the_beginning_leaves_nothing(local_stage):
    uri = begin(local_stage)

    answer = put(local_stage, uri, 1, 100)

    assert (answer.status, code_of(answer), answer.headers.get("range")) == (409, "range_gap", None)
    assert offset_of(local_stage, uri) == 0


@pytest.mark.parametrize(("more_bytes", "status"), [(-1, 400), (0, 308), (1, 400)])
def test_a_chunk_of_another_total_is_refused(local_stage, more_bytes, status):
    uri = begin(local_stage)

    answer = put(local_stage, uri, 0, 99, total=SIZE + more_bytes)

    assert answer.status == status
    assert offset_of(local_stage, uri) == (100 if status == 308 else 0)


@pytest.mark.parametrize(("more_bytes", "status"), [(-1, 400), (0, 308), (1, 400)])
def test_a_probe_of_another_total_is_refused(local_stage, more_bytes, status):
    assert ask_how_far(local_stage, begin(local_stage), SIZE + more_bytes).status == status


@pytest.mark.parametrize(("more_bytes", "status"), [(-1, 400), (0, 308), (1, 400)])
def test_a_body_that_is_not_as_long_as_its_range_is_refused(local_stage, more_bytes, status):
    uri = begin(local_stage)

    answer = put(local_stage, uri, 0, 99, body=PHOTO[: 100 + more_bytes])

    assert answer.status == status


@pytest.mark.parametrize(("more_bytes", "status"), [(-1, 308), (0, 200), (1, 400)])
def test_no_chunk_reaches_beyond_the_end(local_stage, more_bytes, status):
    uri = begin(local_stage)
    last = SIZE - 1 + more_bytes

    answer = put(local_stage, uri, 0, last, content=PHOTO + b"!", total=SIZE)

    assert answer.status == status


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes",
        "bytes 5-4/{size}",
        "bytes 0-9",
        "bytes 0-9/*",
        "bytes -9/{size}",
        "bytes 0-/{size}",
        "bytes */*",
        "octets 0-9/{size}",
        "bytes \u0660-\u0669/{size}",
        "bytes 0-" + "9" * 400 + "/{size}",
    ],
)
def test_a_content_range_that_cannot_be_read_is_refused(local_stage, content_range):
    uri = begin(local_stage)
    words = content_range.format(size=SIZE).encode().decode("latin-1")

    answer = local_stage.ask("PUT", uri, PHOTO[:10], {"content-range": words})

    assert (answer.status, code_of(answer)) == (400, "bad_range")
    assert offset_of(local_stage, uri) == 0


def test_a_chunk_of_unknown_length_is_refused(local_stage):
    uri = begin(local_stage)

    head = head_of(uri, 0, 9).replace(b"Content-Length: 10", b"Transfer-Encoding: chunked")

    with connect(local_stage) as connection:
        connection.sendall(head + b"a\r\n" + PHOTO[:10] + b"\r\n0\r\n\r\n")
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 411")
    assert offset_of(local_stage, uri) == 0


# --- who may


@pytest.mark.parametrize("token", ["", "x", "../plan.json", "A" * 42, "A" * 43, "A" * 44, "%2e%2e"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_token_that_nobody_was_given_is_not_found(local_stage, method, token):
    uri = begin(local_stage)

    answer = local_stage.ask(method, uri.rpartition("/")[0] + "/" + token, b"", {})

    assert (answer.status, code_of(answer)) == (404, "session_gone")


def test_the_disk_does_not_tell_the_token(local_stage):
    token = begin(local_stage).rpartition("/")[2]

    everything = [
        path.name.encode() + (path.read_bytes() if path.is_file() else b"")
        for path in local_stage.store.root.rglob("*")
    ]

    assert everything
    assert not any(token.encode() in each for each in everything)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_session_is_only_sent_to(local_stage, method):
    uri = begin(local_stage)
    put(local_stage, uri, 0, SIZE - 1)

    assert local_stage.ask(method, uri, None, {}).status == 403


def test_sessions_are_no_objects_and_no_multiparts(local_stage):
    put(local_stage, begin(local_stage), 0, 99)

    assert list(local_stage.store.list("")) == []
    assert list(local_stage.lanes.list_sessions("originals/")) == []


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (PAGE, True),
        ("http://localhost:8000", True),
        ("https://elsewhere.example.org", False),
        ("null", False),
    ],
)
def test_only_pages_of_the_site_may_read_the_answers(local_stage, origin, is_allowed):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 99)

    before = local_stage.ask("OPTIONS", uri, None, {"origin": origin, "access-control-request-method": "PUT"})
    answers = [
        put(local_stage, uri, 100, 199, origin=origin),
        put(local_stage, uri, 500, 599, origin=origin),
    ]

    assert before.status == 204
    assert {each.headers.get("access-control-allow-origin") for each in (before, *answers)} == {
        origin if is_allowed else None
    }
    if is_allowed:
        assert before.headers["access-control-allow-headers"] == "content-type, content-range"
        assert "range" in answers[0].headers["access-control-expose-headers"]


def test_a_page_of_another_origin_of_the_site_is_told_that_a_session_is_gone(local_stage):
    """A preflight that is refused looks to a page like a dead network."""
    uri, origin = begin(local_stage), "http://127.0.0.1:8000"
    local_stage.lanes.cancel_resumable(uri)

    before = local_stage.ask("OPTIONS", uri, None, {"origin": origin, "access-control-request-method": "PUT"})
    answer = put(local_stage, uri, 0, 99, origin=origin)

    assert before.status == 204
    assert [each.headers["access-control-allow-origin"] for each in (before, answer)] == [origin] * 2
    assert (answer.status, code_of(answer)) == (404, "session_gone")


# --- ends


def test_a_finished_session_takes_no_bytes(local_stage):
    uri = begin(local_stage)
    etag = put(local_stage, uri, 0, SIZE - 1).headers["etag"]
    other = b"x" * SIZE

    same_again = [put(local_stage, uri, 0, 262_143), put(local_stage, uri, SIZE - 1, SIZE - 1)]
    others = put(local_stage, uri, 0, SIZE - 1, content=other)
    an_end = put(local_stage, uri, SIZE - 1, SIZE - 1, content=other)

    assert [(each.status, each.headers["etag"]) for each in same_again] == [(200, etag)] * 2
    assert [(each.status, code_of(each)) for each in (others, an_end)] == [(409, "checksum_conflict")] * 2
    assert read(local_stage) == PHOTO
    assert f'"{stored(local_stage).etag}"' == etag


def test_a_session_whose_object_was_deleted_is_gone(local_stage):
    uri = begin(local_stage)
    put(local_stage, uri, 0, SIZE - 1)
    local_stage.store.delete([local_stage.key()])

    answers = [ask_how_far(local_stage, uri), put(local_stage, uri, 0, SIZE - 1)]

    assert [code_of(each) for each in answers] == ["session_gone"] * 2
    assert stored(local_stage) is None


def test_a_cancelled_session_is_gone_and_its_bytes_with_it(local_stage):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 262_143)

    statuses = [
        local_stage.ask("DELETE", uri, None, {}).status,
        local_stage.ask("DELETE", uri, None, {}).status,
        put(local_stage, uri, 262_144, SIZE - 1).status,
        ask_how_far(local_stage, uri).status,
    ]

    assert statuses == [499, 404, 404, 404]
    assert list((local_stage.store.root / ".resumable").iterdir()) == []


def test_the_server_cancels_twice_and_keeps_a_finished_object(local_stage):
    uri = begin(local_stage)
    put(local_stage, uri, 0, SIZE - 1)

    local_stage.lanes.cancel_resumable(uri)
    local_stage.lanes.cancel_resumable(uri)

    assert read(local_stage) == PHOTO
    with pytest.raises(SessionGone):
        local_stage.lanes.probe_resumable(uri, size_bytes=SIZE)


@pytest.mark.parametrize(("more_s", "is_gone"), [(-1, False), (0, True), (1, True)])
def test_a_session_lives_a_week(local_stage, monkeypatch, more_s, is_gone):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 99)
    [folder] = (local_stage.store.root / ".resumable").iterdir()
    begun_at_s = json.loads((folder / "plan.json").read_text())["begun_at_s"]
    then_s = begun_at_s + RESUMABLE_SESSION_LIFE.total_seconds() + more_s
    monkeypatch.setattr("config.session_door.time.time", lambda: then_s)
    monkeypatch.setattr(local_stage.lanes, "clock", lambda: then_s)

    answer = ask_how_far(local_stage, uri)
    dropped = local_stage.lanes.drop_abandoned(older_than=timedelta(days=400))

    assert (answer.status == 404, dropped, folder.exists()) == (is_gone, int(is_gone), not is_gone)


def test_bytes_under_another_s_key_are_never_replaced(local_stage):
    uri = begin(local_stage)
    local_stage.store.put_bytes(local_stage.key(), b"x" * SIZE, content_type=TYPE)

    answer = put(local_stage, uri, 0, SIZE - 1)

    assert (answer.status, code_of(answer)) == (412, "already_stored")
    assert read(local_stage) == b"x" * SIZE
    assert local_stage.lanes.probe_resumable(uri, size_bytes=SIZE) == Received(SIZE, True)


def test_two_sessions_of_the_same_bytes_end_as_one_object(local_stage):
    first, second = begin(local_stage), begin(local_stage)

    answers = [put(local_stage, uri, 0, SIZE - 1) for uri in (first, second)]

    assert [each.status for each in answers] == [200, 200]
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


# --- interruptions


def test_a_client_that_hangs_up_keeps_what_came(local_stage):
    uri = begin(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(uri, 0, SIZE - 1) + PHOTO[:700_000])
        body = local_stage.store.root / ".resumable"
        local_stage.eventually(lambda: any(path.stat().st_size for path in body.glob("*/body")))

    local_stage.eventually(lambda: offset_of(local_stage, uri) == 700_000)
    assert put(local_stage, uri, 700_000, SIZE - 1).status == 200
    assert read(local_stage) == PHOTO


def test_a_client_that_falls_silent_keeps_what_came(local_stage, monkeypatch):
    monkeypatch.setattr(door_http, "MAX_SILENCE_S", 0.2)
    uri = begin(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(uri, 0, SIZE - 1) + PHOTO[:1000])
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 408")
    local_stage.eventually(lambda: offset_of(local_stage, uri) == 1000)


def test_a_connection_that_died_unseen_holds_nobody_up(local_stage):
    uri = begin(local_stage)
    with connect(local_stage) as dead:
        dead.sendall(head_of(uri, 0, SIZE - 1) + PHOTO[:700_000])
        local_stage.eventually(lambda: is_being_written(local_stage))

        answer = put(local_stage, uri, 0, SIZE - 1)
        dead.sendall(PHOTO[700_000:])
        late = dead.recv(65_536)

    assert answer.status == 200
    assert not late.startswith(b"HTTP/1.1 308")
    assert read(local_stage) == PHOTO


def test_the_older_of_two_writers_is_refused_and_adds_nothing(local_stage):
    uri = begin(local_stage)
    session = local_stage.lanes.sessions.find(uri, now_s=0)
    with session.writer(0) as older, session.writer(0) as newer:
        newer.write([PHOTO[:100]])
        with pytest.raises(local_sessions.SessionTaken):
            older.write([b"x" * 200])
        standing = newer.end()

    assert standing.offset_bytes == 100


def is_being_written(stage) -> bool:
    return any(path.stat().st_size for path in (stage.store.root / ".resumable").glob("*/body"))


def test_many_at_once_with_the_same_bytes_end_as_one_whole_file(local_stage):
    uri = begin(local_stage)
    refused = {"session_taken", "range_gap", "session_gone"}

    def send_all(_number) -> list[str]:
        codes = []
        for first in range(0, SIZE, 262_144):
            answer = put(local_stage, uri, first, first + 262_143)
            if answer.status == 409:
                codes.append(code_of(answer))
        return codes

    with ThreadPoolExecutor(6) as senders:
        codes = [code for codes in senders.map(send_all, range(6)) for code in codes]
    offset = offset_of(local_stage, uri)
    answer = put(local_stage, uri, min(offset, SIZE - 1), SIZE - 1)

    assert set(codes) <= refused
    assert answer.status == 200
    assert read(local_stage) == PHOTO


def test_a_cancel_stops_who_is_sending(local_stage):
    uri = begin(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(uri, 0, SIZE - 1) + PHOTO[:700_000])
        local_stage.eventually(lambda: is_being_written(local_stage))
        local_stage.lanes.cancel_resumable(uri)
        connection.sendall(PHOTO[700_000:])
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 404")
    assert stored(local_stage) is None


def test_who_waits_for_a_session_while_it_is_cancelled_finds_it_gone(local_stage, monkeypatch):
    session = local_stage.lanes.sessions.find(begin(local_stage), now_s=0)
    lock, is_asked_for = local_sessions.lock, threading.Event()

    def lock_and_tell(record_fd: int) -> None:
        is_asked_for.set()
        lock(record_fd)

    with ThreadPoolExecutor(1) as another, session.writer(0) as writer:
        with session.held():
            monkeypatch.setattr(local_sessions, "lock", lock_and_tell)
            waiting = another.submit(writer.write, [PHOTO])
            assert is_asked_for.wait(20)
            [folder] = (local_stage.store.root / ".resumable").iterdir()
            shutil.rmtree(folder)
        with pytest.raises(SessionGone):
            waiting.result()


@pytest.mark.parametrize("point", ["before the link", "after the link"])
def test_a_process_killed_while_the_body_becomes_the_object_is_made_up_for(local_stage, monkeypatch, point):
    """Killed is what raises in the middle and never comes back: nothing of the session is tidied."""
    uri = begin(local_stage)
    put(local_stage, uri, 0, SIZE - 2)

    def killed(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if point == "before the link":
            patch.setattr(local_sessions.os, "link", killed)
        else:
            patch.setattr(Path, "unlink", killed)
        session = local_stage.lanes.sessions.find(uri, now_s=0)
        with session.writer(SIZE - 1) as writer:
            writer.write([PHOTO[-1:]])
            with pytest.raises(KeyboardInterrupt):
                writer.end()
    etag_before = found.etag if (found := stored(local_stage)) else None

    answer = ask_how_far(local_stage, uri)

    assert answer.status == 200
    assert read(local_stage) == PHOTO
    assert etag_before in {None, stored(local_stage).etag}
    assert list((local_stage.store.root / ".resumable").glob("*/body")) == []


def test_what_was_not_synced_counts_for_nothing(local_stage):
    """As after a power cut: bytes that no answer has counted are written anew, whatever they have become."""
    uri = begin(local_stage)
    put(local_stage, uri, 0, 99_999)
    [body] = (local_stage.store.root / ".resumable").glob("*/body")
    with body.open("ab") as file:
        file.write(b"\0" * 5000)

    assert offset_of(local_stage, uri) == 100_000
    assert put(local_stage, uri, 100_000, SIZE - 1).status == 200
    assert read(local_stage) == PHOTO


@pytest.mark.parametrize("content", [b"", b"torn", b"9" * 20])
def test_a_record_that_was_torn_begins_at_zero(local_stage, content):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 99_999)
    [record] = (local_stage.store.root / ".resumable").glob("*/record")
    record.write_bytes(content)

    assert offset_of(local_stage, uri) == 0
    assert put(local_stage, uri, 0, SIZE - 1).status == 200


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EIO, 503)])
def test_a_disk_that_fails_half_way_keeps_what_was_answered(local_stage, monkeypatch, number, status):
    uri = begin(local_stage)
    put(local_stage, uri, 0, 99_999)
    with monkeypatch.context() as patch:

        def failing_writev(target, buffers):
            os.write(target, bytes(buffers[0])[:1000])
            raise OSError(number, os.strerror(number))

        patch.setattr("galleries.objects.local.os.writev", failing_writev)
        answer = put(local_stage, uri, 100_000, SIZE - 1)

    assert (answer.status, code_of(answer)) == (status, "storage_unavailable")
    assert offset_of(local_stage, uri) == 100_000
    assert put(local_stage, uri, 100_000, SIZE - 1).status == 200
    assert read(local_stage) == PHOTO


def test_a_long_body_is_synced_as_it_comes(local_stage, monkeypatch):
    monkeypatch.setattr(local_sessions, "SYNCED_EVERY_BYTES", 262_144)
    uri = begin(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(uri, 0, SIZE - 1) + PHOTO[: SIZE - 1])

        local_stage.eventually(lambda: offset_of(local_stage, uri) >= 262_144)


def test_bytes_are_synced_before_they_are_counted(local_stage, monkeypatch):
    """The order of two calls is all that keeps a power cut from taking what was answered."""
    uri = begin(local_stage)
    calls: list[str] = []
    fsync, pwrite = os.fsync, os.pwrite

    def noting_fsync(target):
        calls.append(Path(f"/proc/self/fd/{target}").readlink().name)
        fsync(target)

    def noting_pwrite(target, content, offset):
        calls.append(content.decode().split()[0].lstrip("0") or "0")
        return pwrite(target, content, offset)

    monkeypatch.setattr(local_sessions.os, "fsync", noting_fsync)
    monkeypatch.setattr(local_sessions.os, "pwrite", noting_pwrite)
    put(local_stage, uri, 0, 99_999)

    assert calls == ["0", "body", "100000", "record"]


def test_begun_sessions_of_a_batch_are_each_its_own(local_stage):
    keys = [local_stage.other_key() for _ in range(100)]

    uris = [local_stage.lanes.begin_resumable(Wanted(key, SIZE, TYPE, PAGE)) for key in keys]

    assert len(set(uris)) == 100
    assert {local_stage.lanes.sessions.find(uri, now_s=0).plan.key for uri in uris} == set(keys)


def test_a_file_of_many_batches_streams_to_the_disk(local_stage):
    content = os.urandom(9 * MIB + 1)
    uri = begin(local_stage, content)

    answers = [
        put(local_stage, uri, 0, 8 * MIB - 1, content=content),
        put(local_stage, uri, 8 * MIB, 9 * MIB, content=content),
    ]

    assert [each.status for each in answers] == [308, 200]
    assert read(local_stage) == content


def test_a_disk_that_takes_no_more_sessions_says_so(local_stage, monkeypatch):
    wanted = Wanted(local_stage.other_key(), SIZE, TYPE, PAGE)
    mkdir = os.mkdir

    def failing_mkdir(path, *args, **more):
        if ".resumable" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return mkdir(path, *args, **more)

    local_stage.lanes.begin_resumable(wanted)
    monkeypatch.setattr(local_sessions.os, "mkdir", failing_mkdir)

    with pytest.raises(StorageUnavailable):
        local_stage.lanes.begin_resumable(wanted)


def test_a_session_whose_name_cannot_be_synced_is_not_given_out(local_stage, monkeypatch):
    def failing_sync(_folder):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(local_sessions, "sync_folder", failing_sync)

    with pytest.raises(StorageUnavailable):
        local_stage.lanes.begin_resumable(Wanted(local_stage.key(), SIZE, TYPE, PAGE))


def test_a_session_that_somebody_keeps_is_not_waited_for_without_end(local_stage, monkeypatch):
    """Its threads are those of everybody's uploads."""
    monkeypatch.setattr(local_sessions, "LOCK_WAIT_S", 0.05)
    uri = begin(local_stage)
    session = local_stage.lanes.sessions.find(uri, now_s=0)

    with session.held(), pytest.raises(StorageUnavailable), session.held():
        pass

    assert put(local_stage, uri, 0, SIZE - 1).status == 200
