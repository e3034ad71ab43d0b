"""What S3 does on its bad days, told by a server that follows a script."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from galleries.errors import ObjectMissing, StorageUnavailable
from galleries.objects import base
from galleries.objects.base import forget_stores, store_named
from tests.lanes.s3_endpoint import use_endpoint
from uploads.errors import SessionGone
from uploads.lanes.base import StoredPart, lanes_of
from uploads.store_calls import ask_all

KEY = "originals/ab/0192e4d0-1111-7222-8333-4444555566ab/1"
PARTS = [StoredPart(1, 5, "aa"), StoredPart(2, 6, "bb")]


def error_xml(code):
    return f"<Error><Code>{code}</Code><Message>as the script says</Message></Error>".encode()


class Script:
    """The answers of a store, by method; the last one is repeated. What was asked is kept."""

    def __init__(self) -> None:
        self.answers: dict[str, list] = {}
        self.asked: list[str] = []

    def says(self, method, *answers) -> None:
        self.answers[method] = list(answers)

    def next_answer(self, method):
        left = self.answers[method]
        return left.pop(0) if len(left) > 1 else left[0]


def answer(status, body=b"", **headers):
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


HANG_UP = answer(0)


class Teller(BaseHTTPRequestHandler):
    script: ClassVar[Script]
    protocol_version = "HTTP/1.1"

    def tell(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.script.asked.append(f"{self.command} {self.path}")
        status, body, headers = self.script.next_answer(self.command)
        self.close_connection = True
        if not status:
            return
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = tell  # noqa: N815

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def script(settings) -> Iterator[Script]:
    script = Script()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Teller,), {"script": script}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    use_endpoint(settings, f"http://127.0.0.1:{server.server_address[1]}")
    yield script
    server.shutdown()
    thread.join()
    server.server_close()
    forget_stores()


def head_of(size_bytes):
    return answer(
        200,
        Content_Length=str(size_bytes),
        ETag='"cc-2"',
        Last_Modified="Sat, 21 Nov 2026 12:00:00 GMT",
    )


def test_a_200_that_holds_an_error_is_an_error(script):
    script.says("POST", answer(200, error_xml("InternalError")))
    script.says("HEAD", answer(404))

    with pytest.raises(StorageUnavailable):
        lanes_of("s3").complete_multipart(KEY, "session", PARTS)


def test_a_200_that_holds_an_error_may_be_followed_by_success(script):
    done = b"<CompleteMultipartUploadResult><ETag>cc-2</ETag></CompleteMultipartUploadResult>"
    script.says("POST", answer(200, error_xml("InternalError")), answer(200, done))
    script.says("HEAD", head_of(11))

    assert lanes_of("s3").complete_multipart(KEY, "session", PARTS).etag == "cc-2"


def test_a_completion_whose_answer_was_lost_is_found_by_the_object(script):
    script.says("POST", HANG_UP, answer(404, error_xml("NoSuchUpload")))
    script.says("HEAD", head_of(11))

    stored = lanes_of("s3").complete_multipart(KEY, "session", PARTS)

    assert (stored.size_bytes, stored.etag) == (11, "cc-2")


@pytest.mark.parametrize("size_bytes", [10, 12])
def test_a_session_that_is_gone_is_not_found_by_an_object_of_another_size(script, size_bytes):
    script.says("POST", answer(404, error_xml("NoSuchUpload")))
    script.says("HEAD", head_of(size_bytes))

    with pytest.raises(SessionGone):
        lanes_of("s3").complete_multipart(KEY, "session", PARTS)


def test_a_session_is_aborted_until_no_part_is_left(script):
    part = b"<Part><PartNumber>1</PartNumber><ETag>a</ETag><Size>5</Size></Part>"
    script.says("DELETE", answer(204), answer(204))
    script.says(
        "GET",
        answer(200, b"<ListPartsResult><UploadId>session</UploadId>" + part + b"</ListPartsResult>"),
        answer(404, error_xml("NoSuchUpload")),
    )

    lanes_of("s3").abort_multipart(KEY, "session")

    assert [asked.split()[0] for asked in script.asked] == ["DELETE", "GET", "DELETE", "GET"]


def test_a_session_that_will_not_end_is_trouble(script):
    script.says("DELETE", answer(204))
    script.says("GET", answer(200, b"<ListPartsResult><UploadId>session</UploadId></ListPartsResult>"))

    with pytest.raises(StorageUnavailable):
        lanes_of("s3").abort_multipart(KEY, "session")


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_a_refusal_is_not_a_missing_object(script, status):
    script.says("HEAD", answer(status))

    with pytest.raises(StorageUnavailable):
        store_named("s3").find(KEY)


def test_a_missing_object_is_missing_when_the_bucket_is_there(script):
    script.says("HEAD", answer(404), answer(200))

    with pytest.raises(ObjectMissing):
        store_named("s3").head(KEY)


def test_a_missing_bucket_is_not_a_missing_object(script):
    script.says("HEAD", answer(404))

    with pytest.raises(StorageUnavailable):
        store_named("s3").find(KEY)


def test_the_bucket_is_asked_for_once(script):
    script.says("HEAD", answer(404), answer(200), answer(404))
    store = store_named("s3")

    assert [store.find(KEY), store.find(KEY), store.find(KEY)] == [None, None, None]
    assert len(script.asked) == 4


def test_an_object_that_breaks_off_is_not_read_as_a_short_one(script):
    script.says("GET", answer(200, b"half of it", Content_Length="20", ETag='"cc"'))

    with pytest.raises(StorageUnavailable):
        list(store_named("s3").read(KEY))


async def test_an_object_that_breaks_off_is_not_streamed_as_a_short_one(script):
    script.says("GET", answer(200, b"half of it", Content_Length="20", ETag='"cc"'))

    with pytest.raises(StorageUnavailable):
        _ = [chunk async for chunk in store_named("s3").stream(KEY)]


def test_one_failing_session_of_a_batch_leaves_the_others(script):
    opened = b"<InitiateMultipartUploadResult><UploadId>abc</UploadId></InitiateMultipartUploadResult>"
    script.says("POST", answer(403, error_xml("AccessDenied")), answer(200, opened))

    sessions = ask_all([open_session] * 3)

    assert sorted(type(session).__name__ for session in sessions) == ["StorageUnavailable", "str", "str"]


def open_session():
    return lanes_of("s3").create_multipart(KEY, content_type="image/jpeg")


def test_a_store_that_is_not_there_is_unavailable(settings):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    use_endpoint(settings, f"http://127.0.0.1:{port}")

    with pytest.raises(StorageUnavailable):
        store_named("s3").head(KEY)


@pytest.mark.alone
@pytest.mark.slow
def test_a_stalled_store_is_known_within_ten_seconds_also_for_a_whole_batch(settings):
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        use_endpoint(settings, f"http://127.0.0.1:{listener.getsockname()[1]}")
        began_at = time.monotonic()

        sessions = ask_all([open_session] * 100)

        assert time.monotonic() - began_at < 10
    assert {type(session) for session in sessions} == {StorageUnavailable}


def test_signing_asks_the_store_nothing(script):
    lanes = lanes_of("s3")

    lanes.sign_put(KEY, size_bytes=1, content_type="image/png", crc32="cbf43926")
    lanes.sign_part(KEY, "session", number=1, size_bytes=1, crc32=None)

    assert script.asked == []


def test_urls_are_for_the_endpoint_that_browsers_see(script, settings):
    settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {"s3": "https://photos.example.com"}
    script.says("HEAD", head_of(1))

    request = lanes_of("s3").sign_put(KEY, size_bytes=1, content_type="image/png", crc32=None)
    store_named("s3").head(KEY)

    assert request.url.startswith(f"https://photos.example.com/photos/{KEY}?")
    assert script.asked == [f"HEAD /photos/{KEY}"]


def test_a_host_with_a_role_needs_no_key_in_the_settings(script, settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OFTHEHOST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "lent")
    endpoint = settings.PHOTO_STORE_PUBLIC_ENDPOINTS["s3"]
    use_endpoint(settings, endpoint, access_key=None, secret_key=None)

    request = lanes_of("s3").sign_put(KEY, size_bytes=1, content_type="image/png", crc32=None)

    assert "X-Amz-Credential=OFTHEHOST%2F" in request.url
    assert "X-Amz-Security-Token=lent" in request.url


def test_every_call_is_announced_before_it_is_made(script):
    announced = []

    def hear(store, verb):
        announced.append((store, verb, len(script.asked)))

    script.says("HEAD", head_of(1))
    base.on_store_call.append(hear)
    try:
        store_named("s3").head(KEY)
    finally:
        base.on_store_call.remove(hear)

    assert announced == [("s3", "head", 0)]


# Celery forks, so this must too; Python 3.12 warns of every fork beside threads.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_client_is_not_shared_across_a_fork(script):
    script.says("HEAD", head_of(1))
    mine = store_named("s3")

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.write(writer, b"same" if store_named("s3") is mine else b"new!")
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 4) == b"new!"
    os.close(reader)
    os.close(writer)
