"""As much of HTTP/1.1 as it takes to pass messages on unchanged: heads, and bodies with their framing.

https://www.rfc-editor.org/rfc/rfc9112#section-6
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.fault_gate.faults import Answer

READ_BYTES: Final = 64 * 1024
BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Head:
    """`raw` is what came, to the last byte: what is signed must arrive as it was sent."""

    raw: bytes
    first_line: str
    headers: dict[str, str]

    @property
    def status(self) -> int:
        return int(self.first_line.split()[1])

    @property
    def method(self) -> str:
        return self.first_line.split()[0]

    @property
    def target(self) -> tuple[str, str]:
        """Path and query."""
        path, _, query = self.first_line.split()[1].partition("?")
        return path, query

    @property
    def ends_connection(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"

    @property
    def awaits_continue(self) -> bool:
        return self.headers.get("expect", "").lower() == "100-continue"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a body, or of what frames it."""

    raw: bytes
    is_content: bool


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """None at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first_line, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Head(raw, first_line, {name.strip().lower(): value.strip() for name, _, value in pairs})


def request_body(reader: asyncio.StreamReader, head: Head) -> AsyncIterator[Piece]:
    if "chunked" in head.headers.get("transfer-encoding", ""):
        return chunked(reader)
    return counted(reader, int(head.headers.get("content-length", "0")))


def answer_body(reader: asyncio.StreamReader, head: Head, *, method: str) -> AsyncIterator[Piece]:
    if method == "HEAD" or head.status in BODILESS:
        return counted(reader, 0)
    if "chunked" in head.headers.get("transfer-encoding", ""):
        return chunked(reader)
    if "content-length" in head.headers:
        return counted(reader, int(head.headers["content-length"]))
    return until_end(reader)


async def counted(reader: asyncio.StreamReader, length: int) -> AsyncIterator[Piece]:
    """Raises: ConnectionError when the sender hangs up before the end."""
    left = length
    while left:
        raw = await reader.read(min(left, READ_BYTES))
        if not raw:
            raise ConnectionAbortedError
        left -= len(raw)
        yield Piece(raw, is_content=True)


async def chunked(reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    """Raises: ConnectionError when the sender hangs up before the end."""
    while True:
        line = await line_of(reader)
        yield Piece(line, is_content=False)
        length = int(line.partition(b";")[0], 16)
        if not length:
            break
        async for piece in counted(reader, length):
            yield piece
        yield Piece(await line_of(reader), is_content=False)
    while line != b"\r\n":  # trailers, if any
        line = await line_of(reader)
        yield Piece(line, is_content=False)


async def line_of(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionAbortedError
    return line


async def until_end(reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    while raw := await reader.read(READ_BYTES):
        yield Piece(raw, is_content=True)


def written(answer: Answer, *, method: str) -> bytes:
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    if answer.allowed_origin:
        headers["Access-Control-Allow-Origin"] = answer.allowed_origin
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    body = b"" if method == "HEAD" else answer.body
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
