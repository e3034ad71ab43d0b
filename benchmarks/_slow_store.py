"""A store of a known latency and no CPU of its own: it opens multipart sessions, each after the same wait.

A real store on the same two cores would hide whether the product waits for its sessions together or in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dev.places import ROOT
from dev.processes import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SESSION: Final = (
    b'<?xml version="1.0"?><InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Bucket>photos</Bucket><Key>k</Key><UploadId>session</UploadId></InitiateMultipartUploadResult>"
)
EMPTY_LIST: Final = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>photos</Name><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
    b"</ListBucketResult>"
)


class SlowStore(asyncio.Protocol):
    """One connection. The waits are kept by the event loop, so a thousand at once cost nothing."""

    latency_s = 0.0
    open_now = 0
    most_at_once = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, rest = self.received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
        if not found or len(rest) < int(length or 0):
            return
        self.received = b""
        line = head.partition(b"\r\n")[0]
        if line.startswith(b"POST") and b"uploads" in line:
            self.wait_to_open()
        elif b"/-/most-at-once" in line:
            self.answer(json.dumps(SlowStore.most_at_once).encode())
            SlowStore.most_at_once = 0
        else:
            self.answer(EMPTY_LIST)

    def wait_to_open(self) -> None:
        SlowStore.open_now += 1
        SlowStore.most_at_once = max(SlowStore.most_at_once, SlowStore.open_now)
        asyncio.get_running_loop().call_later(self.latency_s, self.open_session)

    def open_session(self) -> None:
        SlowStore.open_now -= 1
        self.answer(SESSION)

    def answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.write(head.encode() + body)


@contextmanager
def running_slow_store(path: Path, *, latency_s: float) -> Iterator[str]:
    """Its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks._slow_store", str(port), str(latency_s)]
    server = Server(command, log=path / f"slow-store-{port}.log", cwd=ROOT)
    try:
        server.wait_until(lambda: is_up(port), within_s=20)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def is_up(port: int) -> bool:
    try:
        most_at_once(f"http://127.0.0.1:{port}")
    except OSError:
        return False
    return True


def most_at_once(endpoint: str) -> int:
    """How many sessions it was asked for at one time, since it was last asked this."""
    with urllib.request.urlopen(f"{endpoint}/-/most-at-once", timeout=5) as answer:  # noqa: S310 - ours
        return int(json.load(answer))


def environment(endpoint: str) -> dict[str, str]:
    return {
        "PHOTO_STORE": "s3",
        "S3_BUCKET": "photos",
        "S3_ENDPOINT_URL": endpoint,
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "secret",
    }


async def serve(port: int, latency_s: float) -> None:
    SlowStore.latency_s = latency_s
    server = await asyncio.get_running_loop().create_server(SlowStore, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("latency_s", type=float)
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.latency_s))
