"""A page that never reads what it is told: the others do not notice, and the process holds little."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import time
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

if TYPE_CHECKING:
    from dev.services.site import Site

pytestmark = pytest.mark.services

WATCHERS: Final = 20
BATCHES: Final = 30
FILES: Final = 100
# A third of a second when nothing else runs; the suite shares its processors.
MAX_P99_S: Final = 2.0
# Twenty times less than what is told in the meantime would be, were it kept for who does not read.
MAX_GROWTH_BYTES: Final = 25_000_000


class Program:
    def __init__(self, site: Site) -> None:
        self.site, self.token = site, site.api_token()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own site
            f"{self.site.base_url}/api{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own site
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found

    def files(self, gallery_id: str) -> list[str]:
        declared = [
            {"client_id": uuid.uuid4().hex, "name": "a.jpg", "size": 1_000, "type": "image/jpeg"}
            for _ in range(FILES)
        ]
        answer = self.post(f"/galleries/{gallery_id}/uploads/batch", {"files": declared})
        return [row["id"] for row in answer["uploads"]]

    def socket(self, gallery_id: str, **options: Any) -> connect:
        return connect(
            f"ws://localhost:{self.site.port}/ws/galleries/{gallery_id}/",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            **options,
        )


async def listen(
    watcher: ClientConnection, sent_s: list[float], delays_s: list[float], all_is_heard: asyncio.Event
) -> None:
    heard = 0
    async for text in watcher:
        message = json.loads(text)
        if message["type"] == "progress":
            now, taken = time.monotonic(), message["totals"]["bytes"]
            delays_s += [now - each for each in sent_s[heard:taken]]
            heard = max(heard, taken)
            if len(delays_s) >= WATCHERS * BATCHES:
                all_is_heard.set()


def narrow_socket(port: int) -> socket.socket:
    """Takes next to nothing that nobody reads."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line.connect(("127.0.0.1", port))
    line.setblocking(False)
    return line


async def test_a_reader_that_never_reads_harms_nobody(site_local: Site) -> None:
    program = Program(site_local)
    gallery_id = program.post("/galleries", {"title": "Slow"})["id"]
    [upload_id, *_] = program.files(gallery_id)
    sent_s: list[float] = []
    delays_s: list[float] = []
    all_is_heard = asyncio.Event()
    # Its own library would read ahead; this one stops at the first message.
    slow = await program.socket(gallery_id, sock=narrow_socket(site_local.port), max_queue=1)
    watchers = [await program.socket(gallery_id, max_queue=None) for _ in range(WATCHERS)]
    listening = [asyncio.create_task(listen(each, sent_s, delays_s, all_is_heard)) for each in watchers]
    web = psutil.Process(site_local.pid_of("web"))
    before_bytes = web.memory_info().rss

    for number in range(BATCHES):
        await asyncio.to_thread(program.files, gallery_id)
        sent_s.append(time.monotonic())
        report = {"type": "progress", "uploads": [[upload_id, number + 1, 0]]}
        await watchers[0].send(json.dumps(report))
    await asyncio.wait_for(all_is_heard.wait(), 30)
    grown_bytes = web.memory_info().rss - before_bytes

    assert statistics.quantiles(delays_s, n=100)[98] < MAX_P99_S
    assert grown_bytes < MAX_GROWTH_BYTES
    for task in listening:
        task.cancel()
    for each in (slow, *watchers):
        each.transport.abort()
