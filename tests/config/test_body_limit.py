"""How much of a body is taken before anybody has asked who sends it."""

import asyncio
import json
from collections.abc import Iterable

import pytest
from django.conf import settings

from accounts.models import issue_token
from config import door_http
from config.asgi import application
from config.body_limit import MAX_BODY_BYTES
from tests.builders import make_upload

CHUNK = bytes(64 * 1024)
LIMIT = MAX_BODY_BYTES
CHUNKS_BEYOND = 8 * LIMIT // len(CHUNK)


class Client:
    """Sends as long as it is read, and then waits; `taken_bytes` is what had been read when the answer began."""

    def __init__(self, chunks: Iterable[bytes], *, falls_silent: bool = False) -> None:
        self.chunks = list(chunks)
        self.falls_silent = falls_silent
        self.read_bytes = self.taken_bytes = self.status = 0
        self.answer = b""

    async def receive(self) -> dict:
        await asyncio.sleep(0)
        if not self.chunks:
            await asyncio.Event().wait()
        chunk = self.chunks.pop(0)
        self.read_bytes += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.chunks) or self.falls_silent}

    async def send(self, message: dict) -> None:
        if message["type"] == "http.response.start":
            self.status, self.taken_bytes = message["status"], self.read_bytes
        self.answer += message.get("body", b"")

    async def post(self, path: str, headers: dict[str, str]) -> None:
        said = {"host": "localhost", "content-type": "application/json"} | headers
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
        }
        await asyncio.wait_for(application(scope, self.receive, self.send), 20)


def post(path: str, chunks: Iterable[bytes], **headers: str) -> Client:
    client = Client(chunks)
    asyncio.run(client.post(path, {name.replace("_", "-"): value for name, value in headers.items()}))
    return client


def length_of(chunks: list[bytes]) -> dict[str, str]:
    return {"content_length": str(sum(map(len, chunks)))}


@pytest.mark.parametrize("path", ["/api/uploads/sign", "/accounts/login/", "/nothing"])
def test_a_body_that_says_it_is_too_long_is_not_read(transactional_db, path):
    chunks = [CHUNK] * CHUNKS_BEYOND

    client = post(path, chunks, **length_of(chunks))

    assert (client.taken_bytes, client.status >= 400) == (0, True)


@pytest.mark.parametrize("path", ["/api/uploads/sign", "/accounts/login/", "/nothing"])
def test_a_body_that_says_nothing_is_read_up_to_the_limit(transactional_db, path):
    client = post(path, [CHUNK] * CHUNKS_BEYOND, transfer_encoding="chunked")

    assert LIMIT < client.taken_bytes <= LIMIT + len(CHUNK)
    assert client.status >= 400


@pytest.mark.parametrize("says_its_length", [True, False])
@pytest.mark.parametrize(("more_bytes", "status"), [(-1, 200), (0, 200), (1, 413)])
def test_a_call_may_have_as_many_bytes_as_the_limit(
    transactional_db, owner, more_bytes, status, says_its_length
):
    body = json.dumps({"uploads": []}).encode().ljust(LIMIT + more_bytes)
    chunks = [body[: LIMIT // 2], body[LIMIT // 2 :]]
    length = length_of(chunks) if says_its_length else {"transfer_encoding": "chunked"}

    client = post("/api/uploads/sign", chunks, authorization=f"Bearer {issue_token(owner)}", **length)

    assert client.status == status
    if status != 200:
        assert json.loads(client.answer)["error"]["code"] == "batch_too_large"


# An editor's notes as JSON writes them where it is told to be ASCII: six bytes for two.
NOTES = "<x:xmpmeta >".ljust(500_000 // 2, "é")


@pytest.mark.parametrize("says_its_length", [True, False])
@pytest.mark.parametrize(
    ("blanks", "status", "code"),
    [(0, 201, None), (settings.DATA_UPLOAD_MAX_MEMORY_SIZE, 413, "file_too_large")],
    ids=["notes", "too_much"],
)
@pytest.mark.usefixtures("transactional_db")
def test_notes_may_have_more_bytes_than_other_calls(gallery, blanks, status, code, says_its_length):
    path = f"/api/uploads/{make_upload(gallery).pk}/sidecars"
    body = json.dumps({"name": "a.xmp", "text": NOTES}).encode() + b" " * blanks
    assert len(body) > LIMIT
    chunks = [body[start : start + LIMIT] for start in range(0, len(body), LIMIT)]
    length = length_of(chunks) if says_its_length else {"transfer_encoding": "chunked"}

    client = post(path, chunks, authorization=f"Bearer {issue_token(gallery.owner)}", **length)

    assert client.status == status
    assert json.loads(client.answer).get("error", {}).get("code") == code


def test_a_body_that_stops_coming_is_refused(transactional_db, monkeypatch):
    monkeypatch.setattr(door_http, "MAX_SILENCE_S", 0.05)
    client = Client([CHUNK], falls_silent=True)

    asyncio.run(client.post("/api/uploads/sign", {"content-length": str(2 * len(CHUNK))}))

    assert (client.status, json.loads(client.answer)["error"]["code"]) == (408, "body_too_slow")
