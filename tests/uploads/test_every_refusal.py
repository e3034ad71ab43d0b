"""Every code that the protocol names is met: over HTTP, at the door of the local store, or by the worker."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as product
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from config import door_http
from config.local_door import LocalDoor
from galleries.decode import developer as developer_module
from galleries.decode.developer import Developer, RoomLimits
from galleries.models import Gallery, Photo
from galleries.objects import base as objects_base
from tests import pictures
from tests.builders import (
    MIB,
    crc_of,
    file_out,
    jpeg,
    make_photo,
    make_upload,
    put_original,
    put_part,
    uploaded,
)
from tests.cast import Answer, Api
from tests.uploads.clamd import SIGNATURE, Daemon, running_clamd
from uploads import sweep
from uploads.lanes.base import Wanted, lanes_of
from uploads.limits import MAX_BATCH_ITEMS, MAX_FILE_BYTES, MAX_SIDE_PX, MAX_TRIES, STORE_FORGIVEN
from uploads.models import Upload
from uploads.states import State
from uploads.verify import claim_next, verify
from uploads.wire import known_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accounts.models import User

pytestmark = pytest.mark.django_db
PHOTO = jpeg(1)
WAYS: dict[str, Callable[[Stage], Any]] = {}


@dataclass
class Stage:
    api: Api
    owner: User
    gallery: Gallery
    developer: Developer
    settings: Any
    monkeypatch: pytest.MonkeyPatch

    def batch(self, **fields: Any) -> dict[str, Any]:
        return self.api.batch(self.gallery, file_out(**fields))[0]

    def path(self, end: str = "") -> str:
        return f"/galleries/{self.gallery.pk}{end}"

    def after_work(self, upload: Upload, developer: Any = None) -> dict[str, Any]:
        """The row once workers have done what they can."""
        while (claimed := claim_next()) is not None:
            verify(claimed, developer or self.developer)
            Upload.objects.filter(state=State.UPLOADED).update(try_after=timezone.now())
        return self.row(upload)

    def row(self, upload: Upload) -> dict[str, Any]:
        body = self.api.get(f"/uploads/{upload.pk}").body
        assert body["state"] == "failed", body
        return body

    def of_bytes(self, content: bytes, developer: Any = None, **columns: Any) -> dict[str, Any]:
        return self.after_work(uploaded(self.gallery, content, **columns), developer)


@pytest.fixture
def stage(api, gallery, developer, settings, monkeypatch) -> Stage:
    return Stage(api, gallery.owner, gallery, developer, settings, monkeypatch)


def way(code: str) -> Callable[[Callable[[Stage], Any]], Callable[[Stage], Any]]:
    def keep(act: Callable[[Stage], Any]) -> Callable[[Stage], Any]:
        assert code not in WAYS
        WAYS[code] = act
        return act

    return keep


# --- a whole call


@way("bad_request")
def _(stage):
    return stage.api.post(stage.path("/uploads/batch"), {"files": "all of them"})


@way("batch_too_large")
def _(stage):
    return stage.api.post("/uploads/cancel", {"ids": ["x"] * (MAX_BATCH_ITEMS + 1)})


@way("csrf_failed")
def _(stage):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(stage.owner, backend="django.contrib.auth.backends.ModelBackend")
    return Api(client).post("/galleries", {"title": "x"})


@way("database_busy")
def _(stage):
    """Somebody holds the lock; the test's own connection waits only shortly for it."""
    other = connections["default"].copy("default")
    is_sqlite = connection.vendor == "sqlite"
    with other.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
        if not is_sqlite:
            cursor.execute("LOCK TABLE galleries_gallery IN EXCLUSIVE MODE")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 1" if is_sqlite else "SET lock_timeout = '1ms'")
    try:
        return stage.api.post("/galleries", {"title": "x"})
    finally:
        with other.cursor() as cursor:
            cursor.execute("ROLLBACK")
        other.close()
        connection.close()


@way("gallery_deleted")
def _(stage):
    path = stage.path()
    stage.api.delete(path)
    return stage.api.get(path)


@way("idempotency_conflict")
def _(stage):
    stage.api.post("/galleries", {"title": "One", "idempotency_key": "k"})
    return stage.api.post("/galleries", {"title": "Another", "idempotency_key": "k"})


@way("method_not_allowed")
def _(stage):
    return stage.api.call("PUT", stage.path())


@way("not_found")
def _(stage):
    return stage.api.get(f"/galleries/{uuid.uuid4()}")


@way("sign_in_required")
def _(stage):
    return Api(Client()).get("/galleries")


@way("too_many_publications")
def _(stage):
    stage.monkeypatch.setattr("uploads.publications.MAX_PUBLICATIONS_IN_PROGRESS", 1)
    make_upload(stage.gallery, State.SIGNED)
    stage.api.post(stage.path("/publications"), {"idempotency_key": "one"})
    return stage.api.post(stage.path("/publications"), {"idempotency_key": "another"})


@way("too_many_requests")
def _(stage):
    stage.settings.CALL_RATES = {"read": (1, 1)}
    stage.api.get("/galleries")
    return stage.api.get("/galleries")


# --- one file of a batch


@way("empty_file")
def _(stage):
    return stage.batch(size=0)


@way("file_too_large")
def _(stage):
    return stage.batch(size=MAX_FILE_BYTES + 1)


@way("unsupported_type")
def _(stage):
    return stage.batch(name="notes.txt", type="text/plain")


@way("lane_unsupported")
def _(stage):
    return stage.batch(lane="carrier pigeon")


@way("client_id_conflict")
def _(stage):
    stage.batch(client_id="one", size=10)
    return stage.batch(client_id="one", size=11)


@way("duplicate")
def _(stage):
    photo = make_photo(stage.gallery)
    return stage.batch(size=photo.size, crc32=photo.crc32)


@way("gallery_full")
def _(stage):
    stage.settings.MAX_GALLERY_PHOTOS = 1
    stage.batch()
    return stage.batch()


@way("quota_exceeded")
def _(stage):
    stage.settings.MAX_USER_BYTES = 9
    return stage.batch(size=10)


@way("too_many_open_uploads")
def _(stage):
    stage.settings.MAX_USER_OPEN_UPLOADS = 1
    stage.batch()
    return stage.batch()


# --- one upload of a bulk call


@way("bad_part_number")
def _(stage):
    upload = make_upload(stage.gallery, size=20 * MIB)
    return stage.api.sign({"id": str(upload.pk), "parts": [{"number": 0}]})[0]


@way("checksum_conflict")
def _(stage):
    upload = make_upload(stage.gallery, State.SIGNED, crc32="00000001")
    return stage.api.complete({"id": str(upload.pk), "crc32": "00000002"})[0]


@way("wrong_state")
def _(stage):
    return stage.api.complete({"id": str(make_upload(stage.gallery).pk)})[0]


@way("too_late")
def _(stage):
    return stage.api.cancel(make_photo(stage.gallery).upload_id)[0]


@way("archive_changed")
def _(stage):
    path = f"/galleries/{stage.gallery.pk}/download.zip?v=another"
    response = stage.api.client.get(path, headers={**stage.api.headers, "Range": "bytes=1-2"})
    return Answer(response.status_code, response.json(), dict(response.headers))


@way("restore_expired")
def _(stage):
    photo = make_photo(stage.gallery)
    stage.api.post("/photos/delete", {"ids": [str(photo.pk)]})
    Photo.objects.update(deleted_at=timezone.now() - timedelta(hours=25))
    return stage.api.post("/photos/restore", {"ids": [str(photo.pk)]}).photos[0]


def failure_of_publication(stage: Stage, end: Callable[[Upload], object]) -> dict[str, Any]:
    upload = make_upload(stage.gallery, State.SIGNED)
    begun = stage.api.post(stage.path("/publications"), {"idempotency_key": "k"}).body
    end(upload)
    (failure,) = stage.api.get(f"/publications/{begun['id']}").body["failures"]
    return failure


@way("cancelled")
def _(stage):
    return failure_of_publication(stage, lambda upload: stage.api.cancel(upload.pk))


@way("expired")
def _(stage):
    def forget(upload: Upload) -> None:
        long_ago = timezone.now() - timedelta(days=7)
        Upload.objects.update(active_at=long_ago, url_expires_at=long_ago)
        sweep.sweep()

    return failure_of_publication(stage, forget)


# --- what the worker finds


@way("object_missing")
def _(stage):
    return stage.after_work(make_upload(stage.gallery, State.UPLOADED))


@way("size_mismatch")
def _(stage):
    return stage.of_bytes(PHOTO, size=len(PHOTO) + 1)


@way("checksum_mismatch")
def _(stage):
    return stage.of_bytes(PHOTO, crc32="00000000")


@way("parts_missing")
def _(stage):
    large = make_upload(stage.gallery, size=9 * MIB)
    stage.api.sign({"id": str(large.pk)})
    put_part(Upload.objects.get(pk=large.pk), 1, bytes(8 * MIB))
    stage.api.complete({"id": str(large.pk)})
    return stage.after_work(large)


@way("not_an_image")
def _(stage):
    return stage.of_bytes(b"plain words, no photo")


@way("damaged_photo")
def _(stage):
    return stage.of_bytes(PHOTO[: len(PHOTO) // 2])


@way("unsupported_format")
def _(stage):
    """What a camera of Olympus writes first, and nothing of what follows."""
    return stage.of_bytes(b"IIRS" + bytes(4_000))


@way("too_many_pixels")
def _(stage):
    return stage.of_bytes(pictures.png_that_claims(20_000, 20_000))


@way("too_few_pixels")
def _(stage):
    Gallery.objects.filter(pk=stage.gallery.pk).update(min_pixels=64 * 48 + 1)
    return stage.of_bytes(PHOTO)


@way("type_not_taken")
def _(stage):
    Gallery.objects.filter(pk=stage.gallery.pk).update(only_types=["image/png"])
    return stage.batch(name="IMG_1.JPG")


@way("too_long_side")
def _(stage):
    return stage.of_bytes(pictures.png_that_claims(MAX_SIDE_PX + 1, 1))


@way("decode_limit")
def _(stage):
    with Developer(RoomLimits(address_space_bytes=300 * MIB)) as small_room:
        return stage.of_bytes(pictures.interlaced_png(6_000, 5_000), small_room)


@way("infected")
def _(stage):
    with running_clamd(Daemon()) as url:
        stage.settings.SCANNER_URL = url
        return stage.of_bytes(PHOTO + SIGNATURE)


@way("scanner_unavailable")
def _(stage):
    stage.settings.SCANNER_URL = "clamd://127.0.0.1:1"
    return stage.of_bytes(PHOTO, active_at=timezone.now() - STORE_FORGIVEN)


@way("decoder_died")
def _(stage):
    stage.monkeypatch.setattr(developer_module, "_BOOT", "raise SystemExit('no decoders here')\n")
    with Developer() as broken_room:
        return stage.of_bytes(PHOTO, broken_room)


@way("gave_up")
def _(stage):
    """A file that took its worker along each time."""
    return stage.of_bytes(PHOTO, tries=MAX_TRIES)


@way("object_changed")
def _(stage):
    """Somebody writes between the look at an object and the copy that binds it, each time."""
    content = bytes(9 * MIB)
    upload = uploaded(stage.gallery, content, lane="multipart")

    def write_again(_store: str, verb: str) -> None:
        if verb == "copy":
            path = product.STORAGES["local"]["OPTIONS"]["location"] / upload.key
            path.write_bytes(content)

    objects_base.on_store_call.append(write_again)
    try:
        return stage.after_work(upload)
    finally:
        objects_base.on_store_call.remove(write_again)


@way("storage_unavailable")
def _(stage):
    """The disk answers with an input/output error, each time, for more than a day."""
    upload, real = uploaded(stage.gallery, PHOTO, active_at=timezone.now() - STORE_FORGIVEN), os.open

    def open_or_fail(path, flags, *more, **named):
        if str(path).endswith(upload.key):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, flags, *more, **named)

    stage.monkeypatch.setattr(os, "open", open_or_fail)
    return stage.after_work(upload)


# --- at the door of the local store


def ask_door(
    method: str, url: str, headers: dict[str, str], body: bytes, *, is_silent: bool = False
) -> Answer:
    parts = urlsplit(url)
    sent: list[dict[str, Any]] = []
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": body, "more_body": is_silent}]
    )

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(LocalDoor(nobody)(scope, receive, send))
    start, *rest = sent
    text = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], json.loads(text) if text else None, {})


async def nobody(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("no path of the door")


def ask_signed(
    stage: Stage,
    *,
    body: bytes = PHOTO,
    without: str = "",
    more_query: str = "",
    is_silent: bool = False,
    **headers: str,
) -> Answer:
    transfer = stage.batch(client_id="sent", size=len(PHOTO), crc32=crc_of(PHOTO))["transfer"]
    request = transfer["request"]
    all_headers = {**request["headers"], "content-length": str(len(body)), **headers}
    all_headers.pop(without, None)
    return ask_door(request["method"], request["url"] + more_query, all_headers, body, is_silent=is_silent)


@way("already_stored")
def _(stage):
    upload = make_upload(stage.gallery, State.SIGNED, client_id="sent", size=len(PHOTO), crc32=crc_of(PHOTO))
    put_original(upload, PHOTO)
    return ask_signed(stage)


@way("length_required")
def _(stage):
    return ask_signed(stage, without="content-length", **{"transfer-encoding": "chunked"})


@way("url_refused")
def _(stage):
    return ask_signed(stage, more_query="0")


@way("url_expired")
def _(stage):
    late_s = time.time() + 3600
    request = stage.batch(size=len(PHOTO))["transfer"]["request"]
    stage.monkeypatch.setattr(time, "time", lambda: late_s)
    return ask_door("PUT", request["url"], {**request["headers"], "content-length": str(len(PHOTO))}, PHOTO)


@way("body_too_slow")
def _(stage):
    stage.monkeypatch.setattr(door_http, "MAX_SILENCE_S", 0.05)
    return ask_signed(stage, is_silent=True)


def begin_session(content: bytes = PHOTO) -> str:
    wanted = Wanted(f"originals/00/{uuid.uuid4()}/1", len(content), "image/jpeg", "http://localhost")
    return lanes_of("local").begin_resumable(wanted)


def put_chunk(uri: str, content_range: str, body: bytes) -> Answer:
    return ask_door("PUT", uri, {"content-range": content_range, "content-length": str(len(body))}, body)


@way("bad_range")
def _(stage):
    return put_chunk(begin_session(), "bytes some/of it", PHOTO)


@way("range_gap")
def _(stage):
    return put_chunk(begin_session(), f"bytes 10-19/{len(PHOTO)}", PHOTO[10:20])


@way("session_gone")
def _(stage):
    uri = begin_session()
    ask_door("DELETE", uri, {}, b"")
    return put_chunk(uri, f"bytes 0-{len(PHOTO) - 1}/{len(PHOTO)}", PHOTO)


@way("session_taken")
def _(stage):
    """A newer request writes while an older one still sends."""
    uri = begin_session()
    session = lanes_of("local").sessions.find(uri, now_s=time.time())
    find = type(lanes_of("local").sessions).find

    class Overtaken:
        """The very session, of which another request begins to write as soon as this one has."""

        def __init__(self, own: Any) -> None:
            self.own = own

        def __getattr__(self, name: str) -> Any:
            return getattr(self.own, name)

        def writer(self, first_byte: int) -> Any:
            writer = self.own.writer(first_byte)
            session.writer(first_byte).__enter__()
            return writer

    stage.monkeypatch.setattr(
        type(lanes_of("local").sessions), "find", lambda *a, **k: Overtaken(find(*a, **k))
    )
    return put_chunk(uri, f"bytes 0-{len(PHOTO) - 1}/{len(PHOTO)}", PHOTO)


# --- the promise


def in_a_transaction_of_its_own(code: str) -> Any:
    is_needed = code == "database_busy"  # who waits for a lock must not hold it
    return pytest.param(code, marks=pytest.mark.django_db(transaction=True)) if is_needed else code


@pytest.mark.parametrize("code", [in_a_transaction_of_its_own(code) for code in sorted(known_errors())])
def test_every_code_is_met_with_its_own_words(stage, code):
    assert code in WAYS, "say here how somebody comes to meet it"

    told = WAYS[code](stage)

    known = known_errors()[code]
    if isinstance(told, Answer):
        assert told.status == known.status, told.body
    error = told.body["error"] if isinstance(told, Answer) else told["error"]
    assert (error["code"], error["message"], error["retryable"]) == (code, known.message, known.retryable)


def test_no_way_is_left_of_a_code_that_is_no_more():
    assert set(WAYS) <= set(known_errors())
