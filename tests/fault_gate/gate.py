"""A gate in front of a store, where tests let requests fail as networks and stores do.

    with FaultGate.start(swift.endpoint) as gate:
        lost = gate.add(Rule(LoseAnswer(), method="PUT", path="/originals/", calls={1}))
        …                                      # clients and browsers talk to gate.url
        gate.wait_until(lambda counts: counts.where(rule=lost).requests == 1)
        assert gate.counts.where(method="PUT").received_bytes <= 2 * len(photo)

Which faults there are, and when a rule's turn comes: `tests/fault_gate/faults.py`. The gate runs in a thread of
the test; rules come and go while requests are under way.

Requests and answers pass unchanged, the Host header too. A signature of AWS covers Host, so whoever signs must be
given `gate.url` as the store's endpoint: the store then checks the signature for the Host that it reads, which is
the gate's. A product whose own calls shall not pass the gate gets it as `S3_PUBLIC_ENDPOINT_URL` alone.

After 101 (a websocket) bytes pass unseen in both directions.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from tests.fault_gate.faults import (
    Answer,
    Break,
    Fault,
    Flip,
    Held,
    Late,
    Lie,
    LoseAnswer,
    Rule,
    RuleBook,
    Silence,
    Slow,
    Way,
)
from tests.fault_gate.http1 import READ_BYTES, Head, answer_body, read_head, request_body, written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from tests.fault_gate.faults import Ending
    from tests.fault_gate.http1 import Piece

SLOW_STEPS_PER_S: Final = 20
# On, and no time: to close is to reset. See socket(7), SO_LINGER.
RESETTING: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class Call:
    """One request. `received_bytes` came in its body, `sent_bytes` went back in the body of its answer.

    `status` is what the client was told, `store_status` what the store said; None where nothing was. Times are those of
    `time.monotonic`.
    """

    method: str
    path: str
    query: str
    rule: Rule | None
    received_bytes: int = 0
    sent_bytes: int = 0
    status: int | None = None
    store_status: int | None = None
    is_over: bool = False
    began_at: float = field(default_factory=time.monotonic)
    over_at: float = math.inf


@dataclass(frozen=True)
class Counts:
    """Some of the requests that came, in their order."""

    calls: tuple[Call, ...]

    def where(
        self, *, method: str | None = None, path: str = "", query: str = "", rule: Rule | None = None
    ) -> Counts:
        """Fitting as in a rule; with `rule`, those that it happened to."""
        fitting = Rule(Silence(), method=method, path=path, query=query)
        return Counts(
            tuple(
                call
                for call in self.calls
                if fitting.fits(call.method, call.path, call.query) and rule in {None, call.rule}
            )
        )

    @property
    def requests(self) -> int:
        return len(self.calls)

    @property
    def received_bytes(self) -> int:
        return sum(call.received_bytes for call in self.calls)

    @property
    def sent_bytes(self) -> int:
        return sum(call.sent_bytes for call in self.calls)


class Broken(Exception):
    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        super().__init__(ending)


@dataclass(frozen=True, slots=True)
class Line:
    """A connection, to the client or to the store."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        found = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        self.writer.transport.abort()


class FaultGate:
    """`start` one, `add` rules, `stop` it."""

    _server: asyncio.Server

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.url = ""
        self._book = RuleBook()
        self._calls: list[Call] = []
        self._changed = threading.Condition()
        self._let_go: dict[Rule, asyncio.Event] = {}
        self._lines: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-gate", daemon=True)

    @classmethod
    def start(cls, upstream: str) -> Self:
        """Returns when it listens, on a port of its own."""
        gate = cls(upstream)
        gate._thread.start()
        gate._server = asyncio.run_coroutine_threadsafe(gate._listen(), gate._loop).result(timeout=10)
        return gate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Resets what is still under way."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, rule: Rule) -> Rule:
        with self._changed:
            self._book.add(rule)
            self._let_go[rule] = asyncio.Event()
        return rule

    def remove(self, rule: Rule) -> None:
        """Also lets go whoever waits because of it."""
        with self._changed:
            self._book.remove(rule)
        self.release(rule)

    def release(self, rule: Rule) -> None:
        """What was held goes on; what was stalled is reset. So is, from now on, whatever this rule happens to."""
        self._loop.call_soon_threadsafe(self._let_go[rule].set)

    def heal(self) -> None:
        """No rule is left."""
        for rule in self._book.rules:
            self.remove(rule)

    def forget(self) -> None:
        """Counts from nothing again; rules stay, and go on counting."""
        with self._changed:
            self._calls.clear()

    @property
    def counts(self) -> Counts:
        with self._changed:
            return Counts(tuple(self._calls))

    def wait_until(self, is_so: Callable[[Counts], object], within_s: float = 30.0) -> Counts:
        """Asks again after each request, and after each end of one.

        Raises: TimeoutError.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: is_so(Counts(tuple(self._calls))), within_s):
                raise TimeoutError(f"it did not happen; the requests were {self._calls}")
            return Counts(tuple(self._calls))

    # In the loop's thread from here on.

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4 * READ_BYTES)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _close(self) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await self._server.wait_closed()
        await self._loop.shutdown_asyncgens()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        client = Line(reader, writer)
        try:
            while (head := await read_head(reader)) is not None and await self._pass(client, head):
                pass
            await client.close()
        except Broken as broken:
            if broken.ending == "end":
                await client.close()
            else:
                client.reset()
        except (OSError, asyncio.CancelledError):
            client.reset()
        finally:
            self._lines.discard(task)

    async def _pass(self, client: Line, head: Head) -> bool:
        """Whether the client may ask again on the same connection."""
        call = self._begun(head)
        try:
            return await Passage(self, client, head, call).run()
        finally:
            with self._changed:
                call.is_over, call.over_at = True, time.monotonic()
                self._changed.notify_all()

    def _begun(self, head: Head) -> Call:
        path, query = head.target
        with self._changed:
            rule = self._book.choose(head.method, path, query)
            call = Call(head.method, path, query, rule)
            self._calls.append(call)
            self._changed.notify_all()
        return call

    def tell(self) -> None:
        """Something of the calls has changed."""
        with self._changed:
            self._changed.notify_all()

    async def until_let_go(self, rule: Rule) -> None:
        await self._let_go[rule].wait()


class Passage:
    """One request, its answer, and what goes wrong on their way."""

    def __init__(self, gate: FaultGate, client: Line, head: Head, call: Call) -> None:
        self.gate, self.client, self.head, self.call = gate, client, head, call
        self.fault: Fault | None = call.rule.fault if call.rule else None

    async def run(self) -> bool:
        match self.fault:
            case Answer():
                if not self.head.awaits_continue:
                    await self.drop_request()
                return await self.answer(self.fault) and not self.head.awaits_continue
            case Silence():
                await self.drop_request()
                await self.stall()
            case Held() if self.call.rule:
                await self.gate.until_let_go(self.call.rule)
            case Late(seconds=seconds):
                await asyncio.sleep(seconds)
        return await self.forward()

    async def answer(self, answer: Answer) -> bool:
        self.call.status = answer.status
        self.call.sent_bytes += len(answer.body)
        await self.client.send(written(answer, method=self.head.method))
        return not self.head.ends_connection

    async def drop_request(self) -> None:
        async for _ in self.counting_received(request_body(self.client.reader, self.head)):
            pass

    async def stall(self) -> None:
        assert self.call.rule is not None
        await self.gate.until_let_go(self.call.rule)
        raise Broken("reset")

    async def forward(self) -> bool:
        store = Line(*await asyncio.open_connection(*self.gate.upstream))
        sending = asyncio.create_task(self.send_request(store))
        try:
            may_go_on = await self.return_answer(store, sending)
        except BaseException:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            store.reset()
            raise
        sending.cancel()
        await store.close()
        return may_go_on

    async def send_request(self, store: Line) -> None:
        await store.send(self.head.raw)
        body = self.counting_received(request_body(self.client.reader, self.head))
        try:
            async for raw in self.through(body, "request"):
                await store.send(raw)
        except ConnectionResetError:  # the store answered without reading to the end
            async for _ in body:
                pass

    async def return_answer(self, store: Line, sending: asyncio.Task[None]) -> bool:
        answer = await self.final_head(store, sending)
        self.call.store_status = answer.status
        body = answer_body(store.reader, answer, method=self.head.method)
        match self.fault:
            case LoseAnswer():
                await self.read_whole(body, sending)
                raise Broken("reset")
            case Lie(answer=told):
                await self.read_whole(body, sending)
                return await self.answer(told)
        await self.client.send(answer.raw)
        self.call.status = answer.status
        if answer.status == 101:
            await self.tunnel(store)
            return False
        async for raw in self.through(body, "answer"):
            await self.client.send(raw)
        if self.head.awaits_continue and not sending.done():
            return False  # it was refused before it sent its body, and will not send it now
        await sending
        has_end = "content-length" in answer.headers or "transfer-encoding" in answer.headers
        is_bodiless = self.head.method == "HEAD" or answer.status in {204, 304}
        return (has_end or is_bodiless) and not (answer.ends_connection or self.head.ends_connection)

    async def final_head(self, store: Line, sending: asyncio.Task[None]) -> Head:
        """Passes interim answers on. What breaks the request breaks the wait for its answer."""
        while True:
            reading = asyncio.create_task(read_head(store.reader))
            try:
                await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    await sending
                head = await reading
            finally:
                reading.cancel()
            if head is None:
                raise ConnectionAbortedError
            if head.status != 100:
                return head
            await self.client.send(head.raw)

    async def read_whole(self, body: AsyncIterator[Piece], sending: asyncio.Task[None]) -> None:
        async for _ in body:
            pass
        await sending

    async def tunnel(self, store: Line) -> None:
        ways = [asyncio.create_task(copied(*ends)) for ends in ((self.client, store), (store, self.client))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()

    async def counting_received(self, body: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
        async for piece in body:
            if piece.is_content:
                self.call.received_bytes += len(piece.raw)
            yield piece
        self.gate.tell()

    async def through(self, body: AsyncIterator[Piece], way: Way) -> AsyncIterator[bytes]:
        """What leaves the gate of what came to it."""
        fault = self.fault if getattr(self.fault, "way", None) == way else None
        passed_bytes = 0
        await self.break_at(fault, passed_bytes)
        async for piece in body:
            for raw in [piece.raw] if not piece.is_content else harmed(piece.raw, fault, passed_bytes):
                if isinstance(fault, Slow):
                    await asyncio.sleep(len(raw) / fault.bytes_per_s)
                if way == "answer" and piece.is_content:
                    self.call.sent_bytes += len(raw)
                yield raw
            if piece.is_content:
                passed_bytes += len(piece.raw)
                await self.break_at(fault, passed_bytes)
        if isinstance(fault, Break):
            await self.break_now(fault)

    async def break_at(self, fault: Fault | None, passed_bytes: int) -> None:
        if isinstance(fault, Break) and passed_bytes >= fault.after_bytes:
            await self.break_now(fault)

    async def break_now(self, fault: Break) -> None:
        if fault.ending == "stall":
            await self.stall()
        raise Broken(fault.ending)


def harmed(raw: bytes, fault: Fault | None, from_byte: int) -> Iterable[bytes]:
    match fault:
        case Flip(at_byte=at_byte) if from_byte <= at_byte < from_byte + len(raw):
            index = at_byte - from_byte
            return [raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]]
        case Break(after_bytes=after_bytes):
            return [raw[: max(0, after_bytes - from_byte)]]
        case Slow(bytes_per_s=bytes_per_s):
            step = max(1, bytes_per_s // SLOW_STEPS_PER_S)
            return [raw[start : start + step] for start in range(0, len(raw), step)]
    return [raw]


async def copied(source: Line, target: Line) -> None:
    with contextlib.suppress(OSError):
        while raw := await source.reader.read(READ_BYTES):
            await target.send(raw)
