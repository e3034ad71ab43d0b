"""The stream itself: cuts what is written into parts and keeps a few of them on their way."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from .errors import GaveUp, Refused, SourceChanged, StreamEnded, StreamError, Transient
from .events import Cancelled, Event, Failed, PartSent, Paused, Pausing, Ready, Resumed, Uploaded
from .machine import Input, State, Tell, step
from .port import Stored
from .retry import Retry
from .session import SentPart, Session
from .sizes import MAX_PART_COUNT, MIB, Growing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from .port import ListedPart, PartStore
    from .sizes import PartSizes

T = TypeVar("T")
Body = bytes | memoryview
# Parts of 8 MiB: four on their way, one that fills, and room to spare.
MEMORY_BYTES: Final = 64 * MIB


@dataclass(frozen=True, slots=True)
class Settings:
    """`memory_bytes` bounds the parts that are held; where two are longer than that, it is two."""

    sizes: PartSizes = field(default_factory=Growing)
    concurrency: int = 4
    memory_bytes: int = MEMORY_BYTES
    retry: Retry = field(default_factory=Retry)

    def parts_at_once(self, part_bytes: int) -> int:
        """Beside the one that fills."""
        return max(1, min(self.concurrency, self.memory_bytes // part_bytes - 1))


def ignore(event: Event) -> None:
    del event


class MultipartStream:
    """`write`, `close`. Nothing is open in the store before the first part is full, or the source ends.

    All parts but the last are exactly as long as `settings.sizes` says. A transient error is tried again; the session
    is aborted by `cancel` or when the store refuses for good, never otherwise.
    """

    def __init__(
        self,
        store: PartStore,
        *,
        tell: Callable[[Event], None] = ignore,
        settings: Settings | None = None,
    ) -> None:
        self._store, self._tell = store, tell
        self._settings = settings or Settings()
        self._state = State()
        self._upload_id: str | None = None
        self._listed: dict[int, ListedPart] = {}
        self._crcs: dict[int, str] = {}
        self._sent: dict[int, SentPart] = {}
        self._buffer = bytearray()
        self._next_number = 1
        self._received_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._error: StreamError | None = None
        self._cleaning: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[Stored] | None = None
        self._stored = Stored(0)

    @classmethod
    async def continued(
        cls,
        store: PartStore,
        session: Session,
        *,
        tell: Callable[[Event], None] = ignore,
        settings: Settings | None = None,
    ) -> Self:
        """Goes on with what an earlier process began; feed the source from its first byte, or `skip`.

        The store's list says what is there, the session what was in it: one with an id and nothing else will do.

        Raises: Refused when the store has forgotten the session. GaveUp.
        """
        stream = cls(store, tell=tell, settings=replace(settings or Settings(), sizes=session.sizes))
        if session.upload_id is not None:
            await stream._take_up(session.upload_id, session)
        return stream

    @property
    def session(self) -> Session:
        """What another process needs now."""
        found = {
            part.number: SentPart(part.number, part.size_bytes, part.etag, self._crcs.get(part.number, ""))
            for part in self._listed.values()
        }
        parts = {**found, **self._sent}
        return Session(
            self._upload_id, tuple(parts[number] for number in sorted(parts)), self._settings.sizes
        )

    @property
    def stored_ahead_bytes(self) -> int:
        """How much of what comes next is in the store, in whole parts."""
        number, ahead_bytes = self._next_number, 0
        while self._is_stored_whole(number):
            ahead_bytes += self._settings.sizes.of(number)
            number += 1
        return ahead_bytes

    def skip(self, byte_count: int) -> None:
        """Instead of feeding those bytes: they are in the store, and are believed to be the same.

        Raises: ValueError unless they are whole parts that are stored, and the next ones.
        """
        number, left_bytes = self._next_number, byte_count
        while left_bytes > 0 and self._is_stored_whole(number):
            left_bytes -= self._settings.sizes.of(number)
            number += 1
        if left_bytes or self._buffer:
            raise ValueError(f"{byte_count} bytes are no stored parts")
        self._next_number = number
        self._received_bytes += byte_count

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Returns when the bytes are taken: while paused, or with too many parts on their way, it waits.

        Raises: StreamError when it has come to its end.
        """
        if self._closing is not None:
            raise StreamEnded("written to after its end")
        async with self._writing:
            view = memoryview(data)
            while view:
                await self._until(lambda: self._state.may_send)
                view = await self._take_some(view, is_lasting=isinstance(data, bytes))

    def pause(self) -> bool:
        """True unless it is paused or over. No part goes out from now on; `Paused` comes when none is on its way."""
        return self._take(Input.PAUSE)

    def resume(self) -> bool:
        """True if it was paused. Between `Pausing` and `Paused` it goes on at once, and `Paused` never comes."""
        return self._take(Input.RESUME)

    async def quiet(self) -> None:
        """Returns when nothing is on its way: paused, over, or between two parts."""
        while self._state.in_flight and not self._state.is_over:
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> Stored:
        """Sends the rest and makes the object; while paused it waits. Again: the same answer.

        Raises: StreamError.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._finish())
        return await asyncio.shield(self._closing)

    async def cancel(self) -> bool:
        """Aborts the session with all its parts. False when it is over, or about to be an object."""
        self._error = self._error or StreamEnded("cancelled")
        if not self._take(Input.CANCEL):
            return False
        await self._stop_sending()
        await self._abort()
        return True

    async def _take_some(self, view: memoryview, *, is_lasting: bool) -> memoryview:
        """Up to the end of the part that fills. A part that comes whole in bytes is not copied."""
        part_bytes = self._settings.sizes.of(self._next_number)
        room_bytes = part_bytes - len(self._buffer)
        taken, rest = view[:room_bytes], view[room_bytes:]
        self._received_bytes += len(taken)
        if is_lasting and not self._buffer and len(taken) == part_bytes:
            await self._cut(taken)
            return rest
        self._buffer += taken
        if len(self._buffer) == part_bytes:
            body, self._buffer = memoryview(self._buffer), bytearray()
            await self._cut(body)
        return rest

    async def _cut(self, body: Body) -> None:
        number = self._next_number
        if number > MAX_PART_COUNT:
            await self._fail(Refused(f"more than {MAX_PART_COUNT:,} parts", code="too_many_parts"))
        self._next_number += 1
        await self._until(lambda: self._state.may_send)
        upload_id = await self._opened()
        at_once = self._settings.parts_at_once(len(body))
        await self._until(lambda: self._state.may_send and len(self._tasks) < at_once)
        self._take(Input.BEGIN)
        task = asyncio.create_task(self._send(upload_id, number, body))
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._tell_of_change()

    async def _opened(self) -> str:
        """The session's id. Being opened counts as being on the way: `Paused` never leaves one unnamed behind."""
        if self._upload_id is not None:
            return self._upload_id
        self._take(Input.BEGIN)
        try:
            self._upload_id = upload_id = await self._patiently(self._store.open)
        except StreamError as error:
            await self._fail(error)
            raise
        if self._state.is_over:  # cancelled meanwhile, when there was nothing to abort
            await self._abort()
        else:
            self._tell(Ready(upload_id))
            self._take(Input.END)
        return upload_id

    async def _take_up(self, upload_id: str, session: Session) -> None:
        listed = await self._patiently(lambda: self._store.list_parts(upload_id))
        self._upload_id = upload_id
        self._listed = {part.number: part for part in listed}
        known = {(part.number, part.size_bytes, part.etag): part.crc32 for part in session.parts}
        for part in listed:
            # Another ETag is another part: sent once more, of which the session does not know.
            if crc32 := known.get((part.number, part.size_bytes, part.etag)):
                self._crcs[part.number] = crc32
        self._tell(Ready(upload_id))

    async def _send(self, upload_id: str, number: int, body: Body) -> None:
        try:
            crc32 = await asyncio.to_thread(crc_of, body)
            found = await self._find(number, body, crc32)
            part = found or SentPart(
                number, len(body), await self._put(upload_id, number, body, crc32), crc32
            )
        except StreamError as error:
            self._begin_failing(error)
            return
        self._sent[number] = part
        received_bytes, sent_bytes = self._received_bytes, self.session.sent_bytes
        self._tell(PartSent(part, found is not None, received_bytes, sent_bytes))
        self._take(Input.END)

    async def _find(self, number: int, body: Body, crc32: str) -> SentPart | None:
        """The stored part, where it is known to be the same. What can't be known is sent again, over it.

        Raises: SourceChanged.
        """
        listed = self._listed.get(number)
        if listed is None or listed.size_bytes != len(body):
            return None
        part = SentPart(number, listed.size_bytes, listed.etag, crc32)
        if known := self._crcs.get(number):
            if known != crc32:
                raise SourceChanged(f"part {number} is not what was sent before")
            return part
        if self._store.checks_whole:
            return part
        return part if listed.md5 and listed.md5 == await asyncio.to_thread(md5_of, body) else None

    async def _put(self, upload_id: str, number: int, body: Body, crc32: str) -> str:
        failures = 0
        while True:
            try:
                return await self._store.put_part(upload_id, number, body, crc32)
            except Transient as error:
                failures += 1
                delay_s = self._delay_s(failures, error)
            # While it waits for its next try it is not on its way: a pause does not wait for it.
            self._take(Input.END)
            await self._settings.retry.sleep(delay_s)
            await self._until(lambda: self._state.may_send)
            self._take(Input.BEGIN)

    async def _finish(self) -> Stored:
        self._take(Input.CLOSE)
        async with self._writing:
            await self._until(lambda: self._state.may_send)
            if self._buffer:
                body, self._buffer = memoryview(self._buffer), bytearray()
                await self._cut(body)
            await self._until(lambda: self._state.may_send and not self._tasks)
        if any(number >= self._next_number for number in self._listed):
            await self._fail(SourceChanged("the source is shorter than what was sent of it before"))
        self._take(Input.ALL_STORED)
        try:
            self._stored = await self._completed()
        except StreamError as error:
            await self._fail(error)
        self._take(Input.COMPLETED)
        return self._stored

    async def _completed(self) -> Stored:
        upload_id = self._upload_id
        parts = [part for part in self.session.parts if part.number < self._next_number]
        if upload_id is not None and parts:
            return await self._patiently(lambda: self._store.complete(upload_id, parts))
        await self._abort()  # a session of an earlier process, which had no part either
        return await self._patiently(self._store.put_empty)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                return await ask()
            except Transient as error:
                failures += 1
                delay_s = self._delay_s(failures, error)
            await self._settings.retry.sleep(delay_s)

    def _delay_s(self, failures: int, error: Transient) -> float:
        """Raises: GaveUp after the last try."""
        if failures >= self._settings.retry.tries:
            raise GaveUp(str(error)) from error
        return max(self._settings.retry.delay_s(failures), error.after_s)

    async def _fail(self, error: StreamError) -> None:
        """Raises: always."""
        self._begin_failing(error)
        await self._until(lambda: False)

    def _begin_failing(self, error: StreamError) -> None:
        if self._state.is_over:
            return
        self._error = error
        self._take(Input.FAIL)
        self._cleaning = asyncio.create_task(self._clean_up(error))

    async def _clean_up(self, error: StreamError) -> None:
        await self._stop_sending()
        if isinstance(error, Refused):
            await self._abort()

    async def _stop_sending(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _abort(self) -> None:
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is not None:
            with suppress(StreamError):  # the store's own rule ends what can't be ended now
                await self._patiently(lambda: self._store.abort(upload_id))

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Raises: the error that has ended the stream, once what it left is cleaned up."""
        while not self._state.is_over:
            if is_so():
                return
            self._changed.clear()
            await self._changed.wait()
        if self._cleaning is not None:
            await asyncio.shield(self._cleaning)
        raise self._error or StreamEnded("over")

    def _is_stored_whole(self, number: int) -> bool:
        part = self._listed.get(number)
        return part is not None and part.size_bytes == self._settings.sizes.of(number)

    def _take(self, given: Input) -> bool:
        taken = step(self._state, given)
        self._state = taken.state
        for tell in taken.tells:
            self._say(tell)
        self._tell_of_change()
        return taken.answer

    def _say(self, tell: Tell) -> None:
        session = self.session
        match tell:
            case Tell.PAUSING:
                self._tell(Pausing(self._state.in_flight))
            case Tell.PAUSED:
                self._tell(Paused(session))
            case Tell.RESUMED:
                self._tell(Resumed(session))
                if session.upload_id is not None:
                    self._tell(Ready(session.upload_id))
            case Tell.UPLOADED:
                self._tell(Uploaded(self._stored))
            case Tell.ERROR:
                self._tell(Failed(self._error or StreamEnded("over"), session))
            case Tell.CANCELLED:
                self._tell(Cancelled())

    def _tell_of_change(self) -> None:
        self._changed.set()


def crc_of(body: Body) -> str:
    return f"{zlib.crc32(body):08x}"


def md5_of(body: Body) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
