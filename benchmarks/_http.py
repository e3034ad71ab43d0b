"""A keep-alive HTTP/1.1 client that costs next to nothing: it shares the machine with what it measures."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Ask:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def raw(self, host: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    took_s: float


class UnexpectedAnswerError(RuntimeError):
    """A benchmark measures what works: anything else ends it."""


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, ask: Ask) -> Answer:
        """Raises: UnexpectedAnswerError when it is no 2xx, or has no length."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        raw = ask.raw(f"{self._host}:{self._port}")
        began = time.perf_counter()
        self._writer.write(raw)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        length = head.partition("\r\ncontent-length:")[2].partition("\r\n")[0].strip()
        body = await self._reader.readexactly(int(length or 0))
        took_s = time.perf_counter() - began
        is_whole = bool(length) or status == HTTPStatus.NO_CONTENT
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or not is_whole:
            raise UnexpectedAnswerError(f"{ask.method} {ask.path}: {status} {body[:500]!r}")
        return Answer(status, body, took_s)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


async def ask_all(host: str, port: int, asks: Iterable[Ask], *, at_once: int) -> list[Answer]:
    """All of them over so many connections; each takes the next one as soon as it is free."""
    waiting = iter(list(asks))
    answers: list[Answer] = []

    async def work() -> None:
        connection = Connection(host, port)
        try:
            for ask in waiting:
                answer = await connection.ask(ask)
                answers.append(answer)
        finally:
            connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return answers
