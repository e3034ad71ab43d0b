"""The door of the local store, and what it does with clients and disks that behave badly."""

import errno
import http.client
import os
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from config import door_http
from config.door_http import MAX_DRAINED_BYTES
from galleries.errors import ObjectMissing
from galleries.objects.base import forget_stores
from uploads.errors import SessionGone
from uploads.lanes.base import lanes_of

PHOTO = bytes(range(256)) * 4096
TYPE = "image/jpeg"


def sign(stage, content=PHOTO, key=None, **changed):
    terms = {
        "size_bytes": len(content),
        "content_type": TYPE,
        "crc32": f"{zlib.crc32(content):08x}",
    } | changed
    return stage.lanes.sign_put(key or stage.key(), **terms)


def incoming_files(stage):
    folder = stage.store.incoming_folder
    return list(folder.iterdir()) if folder.is_dir() else []


def connect(stage):
    parts = urlsplit(stage.site)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def head_of(request, **headers):
    lines = [f"{name}: {value}" for name, value in (request.headers | headers).items()]
    return "\r\n".join([f"PUT {request.url} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def read_answer(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_what_lies_elsewhere_is_the_next_application_s(local_stage):
    answer = local_stage.ask("GET", "/galleries/", None, {})

    assert answer.body == b"the next application"


def test_a_stored_photo_is_on_the_disk_under_its_key(local_stage):
    local_stage.send(sign(local_stage), PHOTO)

    assert (local_stage.store.root / local_stage.key()).read_bytes() == PHOTO
    local_stage.eventually(lambda: incoming_files(local_stage) == [])


@pytest.mark.parametrize(("has_session", "number"), [(False, 1), (True, 0)])
def test_a_part_is_refused_without_a_session_and_a_session_without_a_part(local_stage, has_session, number):
    """Though it was signed: a part that is taken for a whole file would be stored as the original."""
    key, content = local_stage.key(), PHOTO[:100]
    session = local_stage.lanes.create_multipart(key, content_type=TYPE) if has_session else ""
    request = local_stage.lanes.sign_part(key, session, number=number, size_bytes=len(content), crc32=None)

    answer = local_stage.send(request, content)

    assert answer.status == 403
    assert b"url_refused" in answer.body
    assert local_stage.store.find(key) is None
    assert not has_session or local_stage.lanes.list_parts(key, session) == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_the_door_only_takes(local_stage, method):
    request = sign(local_stage)
    local_stage.send(request, PHOTO)

    answer = local_stage.ask(method, request.url, None, request.headers)

    assert answer.status == 403
    assert local_stage.store.find(local_stage.key()) is not None


@pytest.mark.parametrize(
    "path",
    [
        "/-/objects/",
        "/-/objects/.incoming/abc",
        "/-/objects/../secret_key",
        "/-/objects/originals/%2e%2e/%2e%2e/secret_key",
        "/-/objects/originals/ab/0192e4d0-1111-7222-8333-4444555566ab/1%00",
        "/-/objects/originals//etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_store(local_stage, path):
    query = sign(local_stage).url.partition("?")[2]

    answer = local_stage.ask("PUT", f"{path}?{query}", PHOTO, {"content-type": TYPE})

    assert answer.status in {403, 404}
    assert not local_stage.store.root.exists() or incoming_files(local_stage) == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "signature=x",
        "signature=é",
        "expires=soon&signature=x",
        "expires=9&part=²&signature=é",
        "expires=" + "9" * 5_000,
    ],
)
def test_a_url_that_was_never_signed_is_refused(local_stage, query):
    request = sign(local_stage)

    answer = local_stage.ask(
        "PUT", f"{request.url.partition('?')[0]}?{quoted(query)}", PHOTO, request.headers
    )

    assert answer.status == 403
    assert b"url_refused" in answer.body


def quoted(query):
    return query.replace("²", "%C2%B2").replace("é", "%C3%A9")


def test_the_url_of_a_put_does_not_open_a_part_nor_the_other_way_round(local_stage):
    session = local_stage.lanes.create_multipart(local_stage.key(), content_type=TYPE)
    put = sign(local_stage)
    part = local_stage.lanes.sign_part(
        local_stage.key(), session, number=1, size_bytes=len(PHOTO), crc32=f"{zlib.crc32(PHOTO):08x}"
    )

    as_part = local_stage.ask("PUT", f"{put.url}&session={session}&part=1", PHOTO, put.headers)
    as_put = local_stage.ask("PUT", part.url.replace(f"session={session}&part=1&", ""), PHOTO, part.headers)

    assert (as_part.status, as_put.status) == (403, 403)


def test_a_part_of_a_session_that_has_ended_is_not_found(local_stage):
    session = local_stage.lanes.create_multipart(local_stage.key(), content_type=TYPE)
    request = local_stage.lanes.sign_part(
        local_stage.key(), session, number=1, size_bytes=len(PHOTO), crc32=None
    )
    local_stage.lanes.abort_multipart(local_stage.key(), session)

    answer = local_stage.send(request, PHOTO)

    assert answer.status == 404
    assert incoming_files(local_stage) == []


def test_a_body_without_a_length_is_refused(local_stage):
    request = sign(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(request, **{"Transfer-Encoding": "chunked"}) + b"5\r\nabcde\r\n0\r\n\r\n")
        status, headers, body = read_answer(connection)

    assert status == 411
    assert headers["connection"] == "close"
    assert b"length_required" in body


@pytest.mark.parametrize("more_bytes", [-1, 0])
def test_a_refused_body_of_sixteen_mebibytes_is_read_and_the_connection_goes_on(local_stage, more_bytes):
    content = b"x" * (MAX_DRAINED_BYTES + more_bytes)
    refused = sign(local_stage, size_bytes=1)
    with connect(local_stage) as connection:
        connection.sendall(head_of(refused, **{"Content-Length": str(len(content))}) + content)
        first = read_answer(connection)
        wanted = sign(local_stage)
        connection.sendall(head_of(wanted, **{"Content-Length": str(len(PHOTO))}) + PHOTO)
        second = read_answer(connection)

    assert (first[0], second[0]) == (403, 200)


def test_a_refused_body_above_sixteen_mebibytes_ends_the_connection(local_stage):
    refused = sign(local_stage, size_bytes=1)
    with connect(local_stage) as connection:
        connection.sendall(head_of(refused, **{"Content-Length": str(MAX_DRAINED_BYTES + 1)}))
        status, headers, _ = read_answer(connection)
        rest = connection.recv(1)

    assert (status, headers["connection"], rest) == (403, "close", b"")


def test_who_waits_to_be_told_to_continue_is_refused_before_sending(local_stage):
    refused = sign(local_stage, size_bytes=1)
    with connect(local_stage) as connection:
        connection.sendall(head_of(refused, **{"Content-Length": "1000", "Expect": "100-continue"}))
        status, _, _ = read_answer(connection)

    assert status == 403


def test_a_client_that_hangs_up_leaves_nothing(local_stage):
    request = sign(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(request, **{"Content-Length": str(len(PHOTO))}) + PHOTO[:-1])
        local_stage.eventually(lambda: incoming_files(local_stage))

    local_stage.eventually(lambda: incoming_files(local_stage) == [])
    assert local_stage.store.find(local_stage.key()) is None


def test_a_client_that_falls_silent_is_not_waited_for_for_ever(local_stage, monkeypatch):
    monkeypatch.setattr(door_http, "MAX_SILENCE_S", 0.2)
    request = sign(local_stage)
    with connect(local_stage) as connection:
        connection.sendall(head_of(request, **{"Content-Length": str(len(PHOTO))}) + PHOTO[:-1])
        status, headers, _ = read_answer(connection)

    assert (status, headers["connection"]) == (408, "close")
    local_stage.eventually(lambda: incoming_files(local_stage) == [])


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)])
def test_a_disk_that_fails_half_way_leaves_no_half_file(local_stage, monkeypatch, number, status):
    written_before = 1000

    def failing_writev(target, buffers):
        nonlocal written_before
        if written_before:
            count = os.write(target, bytes(buffers[0])[:written_before])
            written_before = 0
            return count
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("galleries.objects.local.os.writev", failing_writev)

    answer = local_stage.send(sign(local_stage), PHOTO)

    assert answer.status == status
    assert b"storage_unavailable" in answer.body
    assert local_stage.store.find(local_stage.key()) is None
    local_stage.eventually(lambda: incoming_files(local_stage) == [])


def test_a_disk_that_writes_little_at_a_time_stores_everything(local_stage, monkeypatch):
    monkeypatch.setattr(
        "galleries.objects.local.os.writev",
        lambda target, buffers: os.write(target, bytes(buffers[0])[:100_001]),
    )

    answer = local_stage.send(sign(local_stage), PHOTO)

    assert answer.is_ok
    assert b"".join(local_stage.store.read(local_stage.key())) == PHOTO


def test_of_many_at_once_for_one_key_one_is_stored(local_stage):
    contents = [bytes([number]) * 1_000_000 for number in range(8)]
    requests = [sign(local_stage, content) for content in contents]

    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(local_stage.send, requests, contents))

    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    won = [content for answer, content in zip(answers, contents, strict=True) if answer.is_ok]
    assert b"".join(local_stage.store.read(local_stage.key())) == won[0]


def test_an_upload_goes_on_when_the_secret_is_replaced(local_stage, settings):
    request = sign(local_stage)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    forget_stores()

    assert local_stage.send(request, PHOTO).is_ok


def test_a_url_of_a_forgotten_secret_is_refused(local_stage, settings):
    request = sign(local_stage)
    settings.SECRET_KEY = "another"
    forget_stores()

    assert local_stage.send(request, PHOTO).status == 403


def test_a_link_in_place_of_an_object_is_no_object(local_stage, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not for visitors")
    path = local_stage.store.root / local_stage.key()
    path.parent.mkdir(parents=True)
    path.symlink_to(secret)

    with pytest.raises(ObjectMissing):
        list(local_stage.store.read(local_stage.key()))


@pytest.mark.parametrize(("age_s", "dropped"), [(3599, 0), (3601, 4)])
def test_what_a_killed_process_left_is_dropped_after_its_time(local_stage, age_s, dropped):
    session = local_stage.lanes.create_multipart(local_stage.key(), content_type=TYPE)
    sessions = local_stage.store.root / ".multipart"
    for name in (".incoming/00", ".incoming/01"):
        (local_stage.store.root / name).write_bytes(PHOTO)
    for name in ("00.opening", "01.ended"):
        (sessions / name).mkdir()
    now_s = local_stage.lanes.clock()
    local_stage.lanes.clock = lambda: now_s + age_s

    assert local_stage.lanes.drop_abandoned(older_than=timedelta(hours=1)) == dropped

    assert len(incoming_files(local_stage)) == 2 - dropped / 2
    assert local_stage.lanes.list_parts(local_stage.key(), session) == []


def test_a_session_that_is_not_whole_is_no_session(local_stage):
    session = local_stage.lanes.create_multipart(local_stage.key(), content_type=TYPE)
    folder = local_stage.store.root / ".multipart" / session
    folder.rename(folder.with_suffix(".opening"))

    assert list(local_stage.lanes.list_sessions("originals/")) == []
    with pytest.raises(SessionGone):
        local_stage.lanes.list_parts(local_stage.key(), session)


def test_the_lanes_of_a_store_are_made_once(local_stage):
    assert lanes_of("local") is local_stage.lanes
