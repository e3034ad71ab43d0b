"""What the product sends to Google's store, and what it makes of bad answers, told by a server that follows a script.

No emulator looks at most of this; what is asserted is the request as the documentation wants it.
"""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from galleries.errors import ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.objects.base import forget_stores, store_named
from uploads.errors import SessionGone
from uploads.lanes.base import Received, Wanted, lanes_of
from uploads.store_calls import ask_all

KEY = "originals/ab/0192e4d0-1111-7222-8333-4444555566ab/1"
BOUND = f"{KEY}/bound"
SITE = "https://photos.example.com"
FOUND = {
    "name": KEY,
    "size": "5",
    "generation": "7",
    "timeCreated": "2026-11-21T12:00:00Z",
    "contentType": "image/png",
}
NOTHING_LISTED = {"items": []}


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Script:
    """The answers of a store, by method; the last one is repeated. What was asked is kept."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.answers: dict[str, list] = {}
        self.asked: list[Asked] = []
        self.takes_s = 0.0

    def says(self, method, *answers) -> None:
        self.answers[method] = list(answers)

    def next_answer(self, method):
        left = self.answers[method]
        return left.pop(0) if len(left) > 1 else left[0]


def answer(status, body=b"", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, content, {name.replace("_", "-"): value for name, value in headers.items()}


class Teller(BaseHTTPRequestHandler):
    script: ClassVar[Script]
    protocol_version = "HTTP/1.1"

    def tell(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.script.asked.append(Asked(self.command, unquote(parts.path), query, headers, body))
        threading.Event().wait(self.script.takes_s)
        status, content, told = self.script.next_answer(self.command)
        self.close_connection = True
        self.send_response(status)
        for name, value in (
            {"Content-Length": str(len(content)), "Content-Type": "application/json"} | told
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = tell  # noqa: N815

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def key_file(google_account, tmp_path):
    return shutil.copy(google_account, tmp_path / "key.json")


@pytest.fixture
def use_endpoint(settings, key_file) -> Iterator:
    def use(endpoint, *, public=None, **options):
        settings.STORAGES = settings.STORAGES | {
            "gcs": {
                "BACKEND": "storages.backends.gcloud.GoogleCloudStorage",
                "OPTIONS": {"bucket_name": "photos", "custom_endpoint": endpoint, **options},
            }
        }
        settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {"gcs": public or endpoint}
        settings.PHOTO_STORE_KEY_FILES = {"gcs": str(key_file)}
        forget_stores()

    yield use
    forget_stores()


@pytest.fixture
def script(use_endpoint) -> Iterator[Script]:
    class Told(Teller):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    Told.script = Script(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    use_endpoint(Told.script.endpoint)
    yield Told.script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections, reads nothing, says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener.getsockname()[1]


def wanted(key=KEY):
    return Wanted(key, 786_432, "image/jpeg", SITE)


def session_at(script):
    return f"{script.endpoint}/upload/storage/v1/b/photos/o?uploadType=resumable&upload_id=very-secret"


async def streamed():
    return [chunk async for chunk in store_named("gcs").stream(KEY)]


# What is sent


def test_a_read_names_the_generation_and_takes_the_bytes_as_they_lie(script):
    script.says("GET", answer(200, b"bytes", x_goog_generation="7"))

    assert b"".join(store_named("gcs").read(KEY, if_match="7")) == b"bytes"

    [asked] = script.asked
    assert asked.path == f"/download/storage/v1/b/photos/o/{KEY}"
    assert asked.query == {"alt": "media", "ifGenerationMatch": "7"}
    assert asked.headers["accept-encoding"] == "gzip"


def test_a_copy_is_on_the_condition_of_its_source_and_keeps_its_type(script):
    script.says("GET", answer(200, FOUND))
    script.says(
        "POST",
        answer(200, {"done": False, "rewriteToken": "more", "totalBytesRewritten": "1", "objectSize": "5"}),
        answer(
            200,
            {
                "done": True,
                "totalBytesRewritten": "5",
                "objectSize": "5",
                "resource": FOUND | {"name": BOUND},
            },
        ),
    )

    copied = store_named("gcs").copy(KEY, BOUND, if_match="7")

    first, second = [asked for asked in script.asked if asked.method == "POST"]
    assert copied.key == BOUND
    assert first.path == f"/storage/v1/b/photos/o/{KEY}/rewriteTo/b/photos/o/{BOUND}"
    assert first.query["ifSourceGenerationMatch"] == second.query["ifSourceGenerationMatch"] == "7"
    assert second.query["rewriteToken"] == "more"
    assert json.loads(first.body)["contentType"] == "image/png"


def test_a_session_is_begun_for_one_site_one_size_and_where_nothing_is(script):
    script.says("POST", answer(200, Location=session_at(script)))

    assert lanes_of("gcs").begin_resumable(wanted()) == session_at(script)

    [asked] = script.asked
    assert asked.query["uploadType"] == "resumable"
    assert asked.query["ifGenerationMatch"] == "0"
    assert asked.headers["origin"] == SITE
    assert asked.headers["x-upload-content-length"] == "786432"
    assert asked.headers["x-upload-content-type"] == "image/jpeg"
    assert json.loads(asked.body) == {
        "name": KEY,
        "cacheControl": "private, max-age=31536000, immutable",
    }


def test_a_hundred_sessions_wait_for_the_store_once(script):
    script.says("POST", answer(200, Location=session_at(script)))
    lanes = lanes_of("gcs")
    lanes.begin_resumable(wanted())  # what is done once a process is done
    script.takes_s = 0.5
    began_at = time.monotonic()

    begun = begin_all([wanted(f"originals/ab/{number}") for number in range(100)])

    assert begun == [session_at(script)] * 100
    assert time.monotonic() - began_at < 100 * 0.5 / 10


def test_a_list_asks_for_one_page_after_the_other(script):
    script.says(
        "GET",
        answer(200, {"items": [FOUND], "nextPageToken": "more"}),
        answer(200, {"items": [FOUND | {"name": BOUND}]}),
    )
    store = store_named("gcs")
    store.page_items = 1

    assert [stored.key for stored in store.list("originals/")] == [KEY, BOUND]

    first, second = script.asked
    assert (first.query["prefix"], first.query["maxResults"]) == ("originals/", "1")
    assert (first.query.get("pageToken"), second.query["pageToken"]) == (None, "more")


PARAMETERS = {
    "storage_class": "NEARLINE",
    "cache_control": "private, max-age=60",
    "kms_key_name": "projects/p/locations/eu/keyRings/r/cryptoKeys/k",
}


def test_object_parameters_go_with_a_session_a_rendition_and_a_copy(script, use_endpoint):
    use_endpoint(script.endpoint, object_parameters=PARAMETERS)
    script.says("GET", answer(200, FOUND))
    script.says(
        "POST",
        answer(200, Location=session_at(script)),
        answer(200, FOUND),
        answer(200, {"done": True, "totalBytesRewritten": "5", "objectSize": "5", "resource": FOUND}),
    )

    lanes_of("gcs").begin_resumable(wanted())
    store_named("gcs").put_bytes(KEY, b"bytes", content_type="image/webp")
    store_named("gcs").copy(KEY, BOUND, if_match="7")

    begun, put, copied = [asked for asked in script.asked if asked.method == "POST"]
    for asked, key_name in ((begun, "kmsKeyName"), (put, "kmsKeyName"), (copied, "destinationKmsKeyName")):
        assert asked.query[key_name] == PARAMETERS["kms_key_name"]
        assert b'"storageClass": "NEARLINE"' in asked.body
        assert b'"cacheControl": "private, max-age=60"' in asked.body


def test_object_parameters_are_signed_into_a_put(script, use_endpoint):
    use_endpoint(script.endpoint, object_parameters=PARAMETERS)

    request = lanes_of("gcs").sign_put(KEY, size_bytes=5, content_type="image/png", crc32="cbf43926")

    signed = parse_qs(urlsplit(request.url).query)["X-Goog-SignedHeaders"][0].split(";")
    assert request.headers == {
        "content-type": "image/png",
        "x-goog-content-length-range": "5,5",
        "x-goog-if-generation-match": "0",
        "x-goog-storage-class": "NEARLINE",
        "cache-control": "private, max-age=60",
        "x-goog-encryption-kms-key-name": PARAMETERS["kms_key_name"],
    }
    assert signed == sorted([*request.headers, "host"])


def test_a_probe_sends_no_byte_and_no_token(script):
    script.says("PUT", answer(308))

    lanes_of("gcs").probe_resumable(session_at(script), size_bytes=786_432)

    [asked] = script.asked
    assert (asked.headers["content-range"], asked.body) == ("bytes */786432", b"")
    assert asked.headers["content-length"] == "0"
    assert "authorization" not in asked.headers


def test_no_token_travels_in_clear_and_a_sealed_line_has_one(script, use_endpoint):
    script.says("GET", answer(200, FOUND))
    store_named("gcs").head(KEY)
    assert "authorization" not in script.asked[0].headers

    use_endpoint("https://storage.googleapis.com")

    credentials = store_named("gcs").bucket.http.credentials
    assert credentials.service_account_email == "photos@safelight-tests.iam.gserviceaccount.com"
    assert credentials.scopes == ["https://www.googleapis.com/auth/devstorage.full_control"]


def test_browsers_are_given_their_own_endpoint_and_the_server_keeps_its_own(script, use_endpoint):
    use_endpoint(script.endpoint, public="https://public.example")
    script.says("POST", answer(200, Location=session_at(script)))
    script.says("PUT", answer(200))
    script.says("DELETE", answer(499))
    lanes = lanes_of("gcs")

    session_uri = lanes.begin_resumable(wanted())
    lanes.probe_resumable(session_uri, size_bytes=1)
    lanes.cancel_resumable(session_uri)

    assert session_uri == session_at(script).replace(script.endpoint, "https://public.example")
    assert [asked.query.get("upload_id") for asked in script.asked] == [None, "very-secret", "very-secret"]
    url = lanes.sign_put(KEY, size_bytes=1, content_type="image/png", crc32=None).url
    assert url.startswith(f"https://public.example/photos/{KEY}?")


# What answers mean


@pytest.mark.parametrize(
    ("told", "received"),
    [
        (answer(200, FOUND), Received(786_432, is_whole=True)),
        (answer(201), Received(786_432, is_whole=True)),
        (answer(308), Received(0, is_whole=False)),
        (answer(308, Range="bytes=0-0"), Received(1, is_whole=False)),
        (answer(308, Range="bytes=0-262143"), Received(262_144, is_whole=False)),
    ],
)
def test_a_probe_reads_what_the_store_has(script, told, received):
    script.says("PUT", told)

    assert lanes_of("gcs").probe_resumable(session_at(script), size_bytes=786_432) == received


@pytest.mark.parametrize("status", [404, 410, 412, 499])
def test_a_session_the_store_does_not_know_is_gone(script, status):
    script.says("PUT", answer(status))

    with pytest.raises(SessionGone):
        lanes_of("gcs").probe_resumable(session_at(script), size_bytes=1)


@pytest.mark.parametrize(
    "told", [answer(400), answer(403), answer(429), answer(308, Range="bytes=5-9"), answer(308, Range="some")]
)
def test_any_other_answer_to_a_probe_tells_nothing(script, told):
    script.says("PUT", told)

    with pytest.raises(StorageUnavailable):
        lanes_of("gcs").probe_resumable(session_at(script), size_bytes=1)


@pytest.mark.parametrize("status", [200, 204, 404, 410, 412, 499])
def test_a_session_is_cancelled_however_the_store_says_so(script, status):
    script.says("DELETE", answer(status))

    lanes_of("gcs").cancel_resumable(session_at(script))


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_session_that_may_not_be_cancelled_is_not_taken_for_gone(script, status):
    script.says("DELETE", answer(status))

    with pytest.raises(StorageUnavailable):
        lanes_of("gcs").cancel_resumable(session_at(script))


def test_one_session_that_fails_ends_no_other(script):
    script.says("POST", answer(200, Location=session_at(script)), answer(403), answer(412))

    begun = begin_all([wanted(f"originals/ab/{n}") for n in range(3)])

    assert sorted(type(each).__name__ for each in begun) == [
        "StorageUnavailable",
        "StorageUnavailable",
        "str",
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 409])
def test_to_be_refused_says_nothing_about_the_object(script, status):
    script.says("GET", answer(status))

    with pytest.raises(StorageUnavailable):
        store_named("gcs").head(KEY)


def test_what_is_missing_in_a_bucket_that_is_there_is_missing(script):
    script.says("GET", answer(404), answer(200, NOTHING_LISTED), answer(404))

    for _ in range(2):
        with pytest.raises(ObjectMissing):
            store_named("gcs").head(KEY)

    assert len(script.asked) == 3  # the bucket is asked for once


def test_a_missing_bucket_is_no_missing_file(script):
    script.says("GET", answer(404))

    with pytest.raises(StorageUnavailable):
        store_named("gcs").head(KEY)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(script, status):
    script.says("GET", answer(status), answer(200, FOUND))

    assert store_named("gcs").head(KEY).etag == "7"


def test_another_generation_than_was_looked_at_is_another_object(script):
    script.says("GET", answer(412), answer(200, b"bytes", x_goog_generation="8"))

    for _ in range(2):
        with pytest.raises(ObjectChanged):
            list(store_named("gcs").read(KEY, if_match="7"))


@pytest.mark.parametrize("etag", ["", "d41d8cd98f00b204e9800998ecf8427e", "-7", "\u0667"])
def test_what_is_no_generation_is_another_object(script, etag):
    with pytest.raises(ObjectChanged):
        list(store_named("gcs").read(KEY, if_match=etag))
    assert script.asked == []


@pytest.mark.parametrize(
    "told",
    [
        answer(200, b"<html>Please sign in to this network</html>"),
        answer(200, b""),
        answer(200, {}),
        answer(200, {"size": "5"}),
        answer(200, []),
        answer(302, Location="/somewhere/else"),
    ],
)
def test_an_answer_that_is_no_answer_of_the_store_tells_nothing(script, told):
    script.says("GET", told)
    script.says("POST", told)

    with pytest.raises(StorageUnavailable):
        store_named("gcs").head(KEY)
    with pytest.raises(StorageUnavailable):
        store_named("gcs").put_bytes(KEY, b"bytes", content_type="image/webp")
    with pytest.raises(StorageUnavailable):
        lanes_of("gcs").begin_resumable(wanted())


def test_a_body_that_ends_early_is_no_object(script):
    script.says("GET", answer(200, b"half", Content_Length="8"))

    with pytest.raises(StorageUnavailable):
        list(store_named("gcs").read(KEY))


async def test_a_stream_that_ends_early_is_no_object(script):
    script.says("GET", answer(200, b"half", Content_Length="8"))

    with pytest.raises(StorageUnavailable):
        await streamed()


def test_a_secret_session_is_in_no_line_of_the_log(script, caplog):
    script.says("PUT", answer(403))
    script.says("DELETE", answer(403))
    caplog.set_level("DEBUG")
    lanes = lanes_of("gcs")

    for call in (lambda: lanes.probe_resumable(session_at(script), size_bytes=1),
                 lambda: lanes.cancel_resumable(session_at(script)),
                 lambda: lanes.probe_resumable("http://127.0.0.1:9/?upload_id=very-secret", size_bytes=1)):  # fmt: skip
        with pytest.raises(StorageUnavailable):
            call()

    ours = [record for record in caplog.records if record.name.startswith(("galleries", "uploads"))]
    assert len(ours) == 3
    assert "very-secret" not in "".join(record.getMessage() for record in ours)


# A store that does not answer


def calls_of_the_web(state, session_uri):
    store, lanes = store_named("gcs"), lanes_of("gcs")
    batch = [wanted(f"originals/ab/{number}") for number in range(100 if state == "stalls" else 3)]
    calls = {
        "head": lambda: store.head(KEY),
        "list": lambda: list(store.list("originals/")),
        "read": lambda: list(store.read(KEY)),
        "delete": lambda: store.delete([KEY]),
        "probe": lambda: lanes.probe_resumable(session_uri, size_bytes=1),
        "cancel": lambda: lanes.cancel_resumable(session_uri),
        "begin": lambda: raise_all(begin_all(batch)),
    }
    return {(state, name): call for name, call in calls.items()}


def begin_all(batch):
    lanes = lanes_of("gcs")
    return ask_all([partial(lanes.begin_resumable, each) for each in batch])


def raise_all(begun):
    assert all(isinstance(each, StorageUnavailable) for each in begun)
    raise begun[0]


def seconds_to_give_up(call):
    began_at = time.monotonic()
    with pytest.raises(StorageUnavailable):
        call()
    return time.monotonic() - began_at


@pytest.mark.alone
@pytest.mark.slow
def test_a_store_that_stalls_is_down_fails_or_gives_no_token_is_known_in_ten_seconds(
    script, use_endpoint, key_file, silent_port
):
    for method in ("GET", "PUT", "POST", "DELETE"):
        script.says(method, answer(503))
    calls = calls_of_the_web("fails", session_at(script))
    for state, port in (("stalls", silent_port), ("is down", 9)):
        use_endpoint(f"http://127.0.0.1:{port}")
        calls |= calls_of_the_web(state, f"http://127.0.0.1:{port}/?upload_id=1")
    account = json.loads(key_file.read_text())
    key_file.write_text(json.dumps(account | {"token_uri": f"http://127.0.0.1:{silent_port}/token"}))
    use_endpoint("https://127.0.0.1:9")
    store = store_named("gcs")
    calls["gives no token", "head"] = lambda: store.head(KEY)

    with ThreadPoolExecutor(len(calls)) as callers:
        waited_s = dict(zip(calls, callers.map(seconds_to_give_up, calls.values()), strict=True))

    assert max(waited_s.values()) <= 10, waited_s
