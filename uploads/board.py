"""What the sockets of one process are told. Totals are worked out once a gallery and moment, for all who listen.

A process joins a gallery's group once, however many of its sockets listen there. Reports of all sockets go to the
ledger together, a gallery's at most four times a second; where nobody listens nothing is sent or worked out.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

import redis
from channels.db import DatabaseSyncToAsync

from galleries.ports import Totals
from uploads import announce, ledger, progress
from uploads.ledger import Report, Sums
from uploads.limits import PROGRESS_EVERY_S
from uploads.standing import Grounds, Standing, galleries_of, grounds_of

if TYPE_CHECKING:
    from uploads.progress import Rows

log = logging.getLogger(__name__)

# What comes within it is worked off together.
TICK_S: Final = 0.03
# Workers take up and put back rows without a new version: their two states may be so much behind.
ROWS_FRESH_S: Final = 2.0
# How long a socket may outlive the right to it, if no message comes.
CHECKED_EVERY_S = 3.0
CHECKED_AT_ONCE: Final = 500
# Of a gallery, for a ledger that has lost what it knew: more files than a gallery takes are nobody's.
MAX_REMEMBERED: Final = 5_000
# A row has moved and the ledger was not told yet: so often it is waited for.
PATIENCE: Final = 3

Stored = dict[tuple[uuid.UUID, str], int]


class Listener(Protocol):
    standing: Standing
    grounds: Grounds

    def tell(self, gallery_id: uuid.UUID, totals: Totals | None) -> None:
        """None where the totals cannot be known now. At once; what takes time is the listener's own task."""

    def hear(self, event: Mapping[str, Any]) -> None:
        """What announce.tell said."""

    async def prove(self) -> None:
        """The grounds are others: still in, or closed."""

    async def galleries_are(self, gallery_ids: set[uuid.UUID]) -> None:
        """Of who listens to all of theirs."""


class Board:
    """Of one event loop. Lives while anybody listens."""

    def __init__(self) -> None:
        self.ear = announce.Ear()
        self.followers: dict[uuid.UUID, set[Listener]] = {}
        self.guests: dict[uuid.UUID, set[Listener]] = {}
        self.listeners: set[Listener] = set()
        self.moved: set[uuid.UUID] = set()
        self.said: dict[uuid.UUID, Stored] = {}
        self.remembered: dict[uuid.UUID, Stored] = {}
        self.rows: dict[uuid.UUID, tuple[Rows, float]] = {}
        self.apart: Counter[uuid.UUID] = Counter()
        self.told_at: dict[uuid.UUID, float] = {}
        self.is_due = asyncio.Event()
        self.lock = asyncio.Lock()
        self.tasks: list[asyncio.Task[None]] = []
        # A thread of its own: what waits for others' queries would be late for everybody.
        self.thread: ThreadPoolExecutor | None = None

    # --- who listens

    async def enter(self, listener: Listener) -> None:
        async with self.lock:
            self.listeners.add(listener)
            if not self.tasks:
                self.ear = announce.Ear()
                await self.ear.open()
                self.thread = ThreadPoolExecutor(1, thread_name_prefix="board")
                jobs = (self.hear(), self.speak(), self.check())
                self.tasks = [asyncio.create_task(job) for job in jobs]
            if listener.standing.gallery_id is None:
                user_id = listener.standing.user_id
                self.guests.setdefault(user_id, set()).add(listener)
                await self.ear.join(announce.group_of_user(user_id))

    async def follow(self, gallery_id: uuid.UUID, listener: Listener) -> None:
        async with self.lock:
            self.followers.setdefault(gallery_id, set()).add(listener)
            await self.ear.join(ledger.group_of(gallery_id))

    async def unfollow(self, gallery_id: uuid.UUID, listener: Listener) -> None:
        async with self.lock:
            if left := self.followers.get(gallery_id, set()) - {listener}:
                self.followers[gallery_id] = left
                return
            for kept in (self.followers, self.rows, self.remembered, self.said, self.told_at, self.apart):
                kept.pop(gallery_id, None)
            self.moved.discard(gallery_id)
            await self.ear.leave(ledger.group_of(gallery_id))

    async def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        for gallery_id in [each for each, listening in self.followers.items() if listener in listening]:
            await self.unfollow(gallery_id, listener)
        async with self.lock:
            user_id = listener.standing.user_id
            if listener in self.guests.get(user_id, ()):
                self.guests[user_id].discard(listener)
                if not self.guests[user_id]:
                    del self.guests[user_id]
                    await self.ear.leave(announce.group_of_user(user_id))
            if not self.listeners:
                await self.stop()

    async def stop(self) -> None:
        """`check` ends by itself where it was what closed the last socket."""
        tasks, self.tasks = self.tasks, []
        if self.thread is not None:
            self.thread.shutdown(wait=False)
        others = [task for task in tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def count_of(self, user_id: uuid.UUID) -> int:
        return sum(listener.standing.user_id == user_id for listener in self.listeners)

    # --- what they are told

    def report(self, gallery_id: uuid.UUID, stored: Stored) -> None:
        if gallery_id not in self.followers or not stored:
            return
        said = self.said.setdefault(gallery_id, {})
        remembered = self.remembered.setdefault(gallery_id, {})
        if len(remembered) + len(stored) > MAX_REMEMBERED:
            remembered.clear()
        for key, stored_bytes in stored.items():
            said[key] = max(stored_bytes, said.get(key, 0))
            remembered[key] = max(stored_bytes, remembered.get(key, 0))
        self.is_due.set()

    def move(self, gallery_id: uuid.UUID) -> None:
        if gallery_id in self.followers:
            self.moved.add(gallery_id)
            self.is_due.set()

    async def hear(self) -> None:
        while True:
            event = await self.ear.next()
            try:
                await self.take(event)
            except Exception:  # a database that is away; `check` looks again
                log.exception("board.failed")

    async def take(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "galleries.changed":
            await self.compare_galleries(list(self.guests.get(uuid.UUID(event["user"]), ())))
            return
        gallery_id = uuid.UUID(event["gallery"])
        if event["type"] == "gallery.event":
            for listener in self.followers.get(gallery_id, ()):
                listener.hear(event)
        self.move(gallery_id)

    async def speak(self) -> None:
        while True:
            await self.is_due.wait()
            await asyncio.sleep(TICK_S)
            self.is_due.clear()
            try:
                await self.speak_once()
            except Exception:  # whatever it is, the next moment is another
                log.exception("board.failed")
            if self.moved or self.said:
                self.is_due.set()

    async def speak_once(self) -> None:
        now = monotonic()
        due = [
            gallery_id
            for gallery_id in self.moved | self.said.keys()
            if now - self.told_at.get(gallery_id, 0.0) >= PROGRESS_EVERY_S
        ]
        if not due:
            return
        reports = [Report(each, self.said.pop(each, {}), told_here=1) for each in due]
        self.moved.difference_update(due)
        self.told_at.update(dict.fromkeys(due, now))
        try:
            totals = await self.in_thread(self.totals_after, reports)
        except redis.RedisError as err:
            log.warning("ledger.unreachable error=%s", type(err).__name__)
            totals = {}
            for each in reports:
                self.report(each.gallery_id, dict(each.stored))
        for gallery_id in due:
            for listener in self.followers.get(gallery_id, ()):
                listener.tell(gallery_id, totals.get(gallery_id))

    async def in_thread(self, act: Any, *args: Any) -> Any:
        return await DatabaseSyncToAsync(act, thread_sensitive=False, executor=self.thread)(*args)

    def totals_after(self, reports: Sequence[Report]) -> dict[uuid.UUID, Totals]:
        """Brings the reports to the ledger. One round trip, and a query for all galleries whose rows have moved.

        Raises: RedisError.
        """
        sums = self.taken(reports)
        self.read_moved_rows(sums)
        if late := progress.apart({each: self.rows[each][0] for each in sums}, sums):
            sums |= ledger.sums_of(late)
        return {
            gallery_id: progress.totals_from(self.rows[gallery_id][0], seen)
            for gallery_id, seen in sums.items()
            if self.belong_together(gallery_id, seen)
        }

    def taken(self, reports: Sequence[Report]) -> dict[uuid.UUID, Sums]:
        """A ledger that knows nothing is told again what the sockets of this process have ever said."""
        answers = ledger.report(reports, announce.moved_message)
        sums = {}
        for each, seen in zip(reports, answers, strict=True):
            if seen.version is None:
                stored = {**self.remembered.get(each.gallery_id, {}), **each.stored}
                [seen] = progress.take_reports([Report(each.gallery_id, stored, told_here=1)])  # noqa: PLW2901
            elif seen.missing:
                [seen] = progress.take_reports([each])  # noqa: PLW2901
            sums[each.gallery_id] = seen
        return sums

    def read_moved_rows(self, sums: Mapping[uuid.UUID, Sums]) -> None:
        now = monotonic()
        moved = [each for each, seen in sums.items() if self.is_stale(each, seen, now)]
        if moved:
            self.rows |= {each: (rows, now) for each, rows in progress.rows_in(moved).items()}

    def is_stale(self, gallery_id: uuid.UUID, seen: Sums, now: float) -> bool:
        rows, read_at = self.rows.get(gallery_id, (progress.NO_ROWS, 0.0))
        return rows.version != seen.version or (rows.is_processing and now - read_at > ROWS_FRESH_S)

    def belong_together(self, gallery_id: uuid.UUID, seen: Sums) -> bool:
        """Where row and ledger do not agree yet, the last totals stand, and the next moment looks again."""
        rows, _ = self.rows[gallery_id]
        if not rows.is_receiving or rows.version == seen.version:
            self.apart.pop(gallery_id, None)
            return True
        self.apart[gallery_id] += 1
        if self.apart[gallery_id] > PATIENCE:
            progress.mended([gallery_id])
        self.moved.add(gallery_id)
        return False

    # --- whether they still may

    async def check(self) -> None:
        while asyncio.current_task() in self.tasks:
            await asyncio.sleep(CHECKED_EVERY_S)
            try:
                await self.check_once()
            except Exception:  # a database that is away ends nobody's socket
                log.exception("board.check_failed")

    async def check_once(self) -> None:
        listeners = list(self.listeners)
        for first in range(0, len(listeners), CHECKED_AT_ONCE):
            some = self.left_of(listeners[first : first + CHECKED_AT_ONCE])
            if not some:
                continue
            grounds = await self.in_thread(grounds_of, [each.standing for each in some])
            for listener in some:
                if grounds[listener.standing] != listener.grounds:
                    listener.grounds = grounds[listener.standing]
                    await listener.prove()
        guests = [each for each in self.left_of(listeners) if each.standing.gallery_id is None]
        await self.compare_galleries(guests)

    def left_of(self, listeners: Sequence[Listener]) -> list[Listener]:
        """With the last of them the board's thread has ended."""
        return [each for each in listeners if each in self.listeners]

    async def compare_galleries(self, listeners: Sequence[Listener]) -> None:
        if listeners:
            owned = await self.in_thread(galleries_of, [each.standing.user_id for each in listeners])
            for listener in listeners:
                await listener.galleries_are(owned[listener.standing.user_id])


BOARDS: WeakKeyDictionary[asyncio.AbstractEventLoop, Board] = WeakKeyDictionary()


def board() -> Board:
    loop = asyncio.get_running_loop()
    if loop not in BOARDS:
        BOARDS[loop] = Board()
    return BOARDS[loop]
