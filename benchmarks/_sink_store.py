"""A store that throws away what is long: of an object it keeps beginning and length; the rest it reads as zeros.

So hours of uploading, and verification of what was uploaded, need next to no disk, as long as the files are zeros
behind their beginning. It checks neither signatures nor checksums.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from benchmarks._slow_store import EMPTY_LIST
from dev.places import ROOT
from dev.processes import Server, free_port
from tests.fault_gate.http1 import Head, read_head, request_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEPT_BYTES: Final = 256 * 1024
ZEROS: Final = bytes(256 * 1024)
READ_LIMIT_BYTES: Final = 1024 * 1024
# https://fetch.spec.whatwg.org/#http-cors-protocol
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, PUT",
    "Access-Control-Expose-Headers": "ETag",
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Sunk:
    beginning: bytes
    size_bytes: int
    content_type: str
    modified: str

    def headers(self) -> dict[str, str]:
        return {
            "Content-Length": str(self.size_bytes),
            "Content-Type": self.content_type,
            "Last-Modified": self.modified,
            "ETag": f'"{self.size_bytes:x}"',
        }


class SinkStore:
    def __init__(self) -> None:
        self.objects: dict[str, Sunk] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await read_head(reader)) is not None:
                await self.answer(reader, writer, head)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: Head) -> None:
        path, _ = head.target
        if head.awaits_continue:
            writer.write(CONTINUE)
        sunk = await self.sink(reader, head)
        is_object = path.count("/") > 1
        if head.method == "PUT" and is_object:
            self.objects[path] = sunk
            write_head(writer, 200, {"ETag": sunk.headers()["ETag"], "Content-Length": "0"})
        elif head.method in {"GET", "HEAD"} and is_object:
            await self.give(writer, head)
        elif head.method == "OPTIONS":
            wanted = head.headers.get("access-control-request-headers", "*")
            write_head(writer, 200, {"Access-Control-Allow-Headers": wanted, "Content-Length": "0"})
        elif head.method == "DELETE":
            self.objects.pop(path, None)
            write_head(writer, 204, {})
        else:
            write_head(writer, 200, {"Content-Length": str(len(EMPTY_LIST))})
            writer.write(b"" if head.method == "HEAD" else EMPTY_LIST)
        await writer.drain()

    async def sink(self, reader: asyncio.StreamReader, head: Head) -> Sunk:
        beginning, size_bytes = bytearray(), 0
        async for piece in request_body(reader, head):
            if not piece.is_content:
                continue
            if len(beginning) < KEPT_BYTES:
                beginning += piece.raw[: KEPT_BYTES - len(beginning)]
            size_bytes += len(piece.raw)
        content_type = head.headers.get("content-type", "application/octet-stream")
        return Sunk(bytes(beginning), size_bytes, content_type, formatdate(usegmt=True))

    async def give(self, writer: asyncio.StreamWriter, head: Head) -> None:
        found = self.objects.get(head.target[0])
        if found is None:
            write_head(writer, 404, {"Content-Length": "0"})
            return
        write_head(writer, 200, found.headers())
        if head.method == "HEAD":
            return
        writer.write(found.beginning)
        left_bytes = found.size_bytes - len(found.beginning)
        while left_bytes > 0:
            writer.write(ZEROS[:left_bytes])
            left_bytes -= len(ZEROS)
            await writer.drain()


def write_head(writer: asyncio.StreamWriter, status: int, headers: dict[str, str]) -> None:
    lines = [f"{name}: {value}" for name, value in {**CORS, **headers}.items()]
    writer.write("\r\n".join([f"HTTP/1.1 {status} Told", *lines, "", ""]).encode())


@contextmanager
def running_sink_store(path: Path) -> Iterator[str]:
    """Its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks._sink_store", str(port)]
    server = Server(command, log=path / "sink-store.log", cwd=ROOT)
    try:
        server.wait_until(lambda: is_up(port), within_s=20)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def is_up(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def serve(port: int) -> None:
    server = await asyncio.start_server(SinkStore().serve, "127.0.0.1", port, limit=READ_LIMIT_BYTES)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    asyncio.run(serve(parser.parse_args().port))
