"""What the sockets of one process are told. Totals are worked out once a gallery and moment, for all who listen.

A process joins a gallery's group once, however many of its sockets listen there. Reports of all sockets go to the
ledger together, a gallery's at most four times a second; where nobody listens nothing is sent or worked out.
"""

import asyncio
import logging
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

import redis
from channels.db import DatabaseSyncToAsync

from galleries.ports import Totals
from uploads import announce, ledger, listing, progress
from uploads.ledger import Report, Sums
from uploads.limits import PROGRESS_EVERY_S
from uploads.standing import Grounds, Standing, galleries_of, grounds_of, versions_of

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
# How long Redis may have been started again, or have lost all, before what it knew is said once more.
LEDGER_WATCHED_EVERY_S = 1.0
# Of one person, however many sockets and however many galleries come and go.
LISTED_EVERY_S: Final = 1.0
# One person takes up one of them at most.
LISTING_THREADS: Final = 4
# Galleries that could not be reported together are tried one by one for so long.
ALONE_FOR_S: Final = 2.0
# Of a gallery, for a ledger that has lost what it knew: more files than a gallery takes are nobody's.
MAX_REMEMBERED: Final = 5_000
# A row has moved and the ledger was not told yet: so often it is waited for.
PATIENCE: Final = 3
# In the place of a life of Redis.
AWAY: Final = ""

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

    def see(self, version: int) -> None:
        """Of its gallery, as the database has it."""

    def is_following(self, gallery_ids: set[uuid.UUID]) -> bool:
        """Of who listens to all of theirs."""

    async def follow_all(self, gallery_ids: set[uuid.UUID]) -> None:
        """These and no others."""

    def take_listing(self, listing: listing.Listing) -> None:
        """What has been read since it follows them."""


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
        # The rows of these may be others, though the ledger was not told; and which version there was at the last look.
        self.doubted: set[uuid.UUID] = set()
        self.seen: dict[uuid.UUID, int] = {}
        self.apart: Counter[uuid.UUID] = Counter()
        self.told_at: dict[uuid.UUID, float] = {}
        self.is_due = asyncio.Event()
        self.lock = asyncio.Lock()
        self.tasks: list[asyncio.Task[None]] = []
        # Threads of their own: what waits for others' queries would be late for everybody.
        self.threads: dict[str, ThreadPoolExecutor] = {}
        # Whose galleries are others; who looks after them; whose list is being made.
        self.unlisted: set[uuid.UUID] = set()
        self.listers: dict[uuid.UUID, asyncio.Task[None]] = {}
        self.listing: dict[uuid.UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    # --- who listens

    async def enter(self, listener: Listener) -> None:
        # At once, so that it is counted.
        self.listeners.add(listener)
        async with self.lock:
            if not self.tasks:
                self.ear = announce.Ear()
                await self.ear.open()
                self.open_threads()
                jobs = (self.hear(), self.speak(), self.check(), self.look(), self.watch_ledger())
                self.tasks = [asyncio.create_task(job) for job in jobs]
            if listener.standing.gallery_id is None:
                user_id = listener.standing.user_id
                self.guests.setdefault(user_id, set()).add(listener)
                await self.ear.join(announce.group_of_user(user_id))

    async def follow(self, gallery_id: uuid.UUID, listener: Listener) -> None:
        async with self.lock:
            if listener not in self.listeners:
                return
            self.followers.setdefault(gallery_id, set()).add(listener)
            await self.ear.join(ledger.group_of(gallery_id))

    async def unfollow(self, gallery_id: uuid.UUID, listener: Listener) -> None:
        async with self.lock:
            if left := self.followers.get(gallery_id, set()) - {listener}:
                self.followers[gallery_id] = left
                return
            by_gallery = (
                self.followers,
                self.rows,
                self.remembered,
                self.said,
                self.told_at,
                self.apart,
                self.seen,
            )
            for kept in by_gallery:
                kept.pop(gallery_id, None)
            for some in (self.moved, self.doubted):
                some.discard(gallery_id)
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
                    self.listing.pop(user_id, None)
                    await self.ear.leave(announce.group_of_user(user_id))
            if not self.listeners:
                await self.stop()

    async def stop(self) -> None:
        """`check` ends by itself where it was what closed the last socket."""
        tasks, self.tasks = [*self.tasks, *self.listers.values()], []
        self.listers.clear()
        self.close_threads()
        others = [task for task in tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def open_threads(self) -> None:
        for name, count in (("totals", 1), ("checks", 1), ("ledger", 1), ("lists", LISTING_THREADS)):
            self.threads[name] = ThreadPoolExecutor(count, thread_name_prefix=f"board-{name}")

    def close_threads(self) -> None:
        for threads in self.threads.values():
            threads.shutdown(wait=False)

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
            if key in said or len(said) < MAX_REMEMBERED:
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
            self.list_anew(uuid.UUID(event["user"]))
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
        totals = await self.totals_or_later(reports)
        for gallery_id in due:
            for listener in self.followers.get(gallery_id, ()):
                listener.tell(gallery_id, totals.get(gallery_id))

    async def totals_or_later(self, reports: Sequence[Report]) -> dict[uuid.UUID, Totals]:
        """What could not be brought to the ledger is kept for the next moment. One that fails takes none along."""
        try:
            totals: dict[uuid.UUID, Totals] = await self.in_thread(self.totals_after, reports)
        except (redis.ConnectionError, redis.TimeoutError) as err:
            log.warning("ledger.unreachable error=%s", type(err).__name__)
            self.keep_for_later(reports)
            return {}
        except Exception:  # of one of them, or of all: each alone will tell
            log.exception("board.failed")
        else:
            return totals
        if len(reports) == 1:
            self.keep_for_later(reports)
            return {}
        return await self.totals_of_each(reports)

    async def totals_of_each(self, reports: Sequence[Report]) -> dict[uuid.UUID, Totals]:
        totals: dict[uuid.UUID, Totals] = {}
        until = monotonic() + ALONE_FOR_S
        for each in reports:
            try:
                if monotonic() > until:
                    raise TimeoutError  # noqa: TRY301
                totals |= await self.in_thread(self.totals_after, [each])
            except Exception as err:  # noqa: BLE001  told above already
                log.warning("board.put_off gallery=%s error=%s", each.gallery_id, type(err).__name__)
                self.keep_for_later([each])
        return totals

    def keep_for_later(self, reports: Sequence[Report]) -> None:
        for each in reports:
            self.report(each.gallery_id, dict(each.stored))

    async def in_thread(self, act: Callable[..., Any], *args: Any, of: str = "totals") -> Any:
        return await DatabaseSyncToAsync(act, thread_sensitive=False, executor=self.threads[of])(*args)

    def totals_after(self, reports: Sequence[Report]) -> dict[uuid.UUID, Totals]:
        """Brings the reports to the ledger. One round trip, and a query for all galleries whose rows have moved.

        Raises: RedisError.
        """
        sums = self.taken(reports)
        self.read_moved_rows(sums)
        if late := progress.apart({each: self.rows[each][0] for each in sums}, sums):
            sums |= ledger.sums_of(late)
        together = {each: seen for each, seen in sums.items() if self.belong_together(each, seen)}
        if lost := [each for each in sums if self.apart[each] > PATIENCE]:
            progress.mended(lost)
        return {each: progress.totals_from(self.rows[each][0], seen) for each, seen in together.items()}

    def taken(self, reports: Sequence[Report]) -> dict[uuid.UUID, Sums]:
        """A ledger that knows nothing is told again what the sockets of this process have ever said."""
        answers = ledger.report(reports, announce.moved_message)
        sums = {each.gallery_id: seen for each, seen in zip(reports, answers, strict=True)}
        again = [
            each if seen.version is not None else self.whole(each)
            for each, seen in zip(reports, answers, strict=True)
            if seen.version is None or seen.missing
        ]
        if again:
            ids = [each.gallery_id for each in again]
            sums |= zip(ids, progress.take_reports(again), strict=True)
        return sums

    def whole(self, report: Report) -> Report:
        stored = {**self.remembered.get(report.gallery_id, {}), **report.stored}
        return Report(report.gallery_id, stored, told_here=1)

    def read_moved_rows(self, sums: Mapping[uuid.UUID, Sums]) -> None:
        now = monotonic()
        moved = [each for each, seen in sums.items() if self.is_stale(each, seen, now)]
        self.doubted.difference_update(moved)
        if moved:
            self.rows |= {each: (rows, now) for each, rows in progress.rows_in(moved).items()}

    def is_stale(self, gallery_id: uuid.UUID, seen: Sums, now: float) -> bool:
        rows, read_at = self.rows.get(gallery_id, (progress.NO_ROWS, 0.0))
        return (
            rows.version != seen.version
            or gallery_id in self.doubted
            or (rows.is_processing and now - read_at > ROWS_FRESH_S)
        )

    def belong_together(self, gallery_id: uuid.UUID, seen: Sums) -> bool:
        """Where row and ledger do not agree yet, the last totals stand, and the next moment looks again."""
        rows, _ = self.rows[gallery_id]
        if not rows.is_receiving or rows.version == seen.version:
            self.apart.pop(gallery_id, None)
            return True
        self.apart[gallery_id] += 1
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
            grounds = await self.in_thread(grounds_of, [each.standing for each in some], of="checks")
            for listener in self.left_of(some):
                if (found := grounds.get(listener.standing)) is not None:
                    await self.check_one(listener, found)

    async def check_one(self, listener: Listener, grounds: Grounds) -> None:
        listener.see(grounds.version)
        if grounds == listener.grounds or listener not in self.listeners:
            return
        try:
            await listener.prove()
        except Exception:  # a database that is away; the next round asks again
            log.exception("board.check_failed")

    def left_of(self, listeners: Sequence[Listener]) -> list[Listener]:
        """With the last of them the board's threads have ended."""
        return [each for each in listeners if each in self.listeners]

    # --- all galleries of a person, for who listens to all of theirs; nobody else waits for it

    async def look(self) -> None:
        """What was not told: Redis was away, or nobody says so."""
        while True:
            await asyncio.sleep(CHECKED_EVERY_S)
            try:
                owned = await self.in_thread(galleries_of, list(self.guests), of="lists")
                await self.look_at_versions()
            except Exception:  # a database that is away
                log.exception("board.failed")
                continue
            for user_id in list(self.guests):
                if self.is_behind(user_id, owned.get(user_id, set())):
                    self.list_anew(user_id)

    async def look_at_versions(self) -> None:
        """Rows that have moved without a word, as whoever moved them could not reach Redis."""
        versions = await self.in_thread(versions_of, list(self.followers), of="lists")
        for gallery_id, version in versions.items():
            rows, _ = self.rows.get(gallery_id, (progress.NO_ROWS, 0.0))
            if version > max(self.seen.get(gallery_id, version), rows.version):
                self.doubted.add(gallery_id)
                self.move(gallery_id)
            if gallery_id in self.followers:
                self.seen[gallery_id] = version

    def begin_seeing(self, gallery_id: uuid.UUID, version: int) -> None:
        """Somebody was told of this one. Who was told of an earlier one waits still."""
        if gallery_id in self.followers:
            self.seen.setdefault(gallery_id, version)

    async def watch_ledger(self) -> None:
        life: str | None = None
        while True:
            try:
                now = await self.in_thread(ledger.life, of="ledger")
                if life not in {None, now}:
                    log.warning("ledger.anew")
                    self.say_all_again()
                    await self.look_at_versions()
                life = now
            except redis.RedisError:  # told by whoever needs it
                life = AWAY
            except Exception:  # a database that is away
                log.exception("board.failed")
            await asyncio.sleep(LEDGER_WATCHED_EVERY_S)

    def say_all_again(self) -> None:
        """Whatever is on its way, without waiting for the next word of it, which may never come."""
        for gallery_id, stored in list(self.remembered.items()):
            self.report(gallery_id, dict(stored))
        for gallery_id, (rows, _) in list(self.rows.items()):
            if rows.is_receiving:
                self.doubted.add(gallery_id)
                self.apart[gallery_id] = PATIENCE
                self.move(gallery_id)

    def is_behind(self, user_id: uuid.UUID, gallery_ids: set[uuid.UUID]) -> bool:
        return not all(each.is_following(gallery_ids) for each in self.guests.get(user_id, ()))

    def list_anew(self, user_id: uuid.UUID) -> None:
        """At once, where that was not done just now."""
        if user_id in self.guests:
            self.unlisted.add(user_id)
            if user_id not in self.listers:
                self.listers[user_id] = asyncio.create_task(self.keep_listed(user_id))

    async def keep_listed(self, user_id: uuid.UUID) -> None:
        try:
            while user_id in self.unlisted and user_id in self.guests:
                self.unlisted.discard(user_id)
                try:
                    await self.list_for_those_behind(user_id)
                except Exception:  # a database or a Redis that is away; `look` looks again
                    log.exception("board.failed")
                await asyncio.sleep(LISTED_EVERY_S)
        finally:
            self.unlisted.discard(user_id)
            self.listers.pop(user_id, None)

    async def list_for_those_behind(self, user_id: uuid.UUID) -> None:
        owned = await self.in_thread(galleries_of, [user_id], of="lists")
        listeners = [
            each for each in self.guests.get(user_id, ()) if not each.is_following(owned.get(user_id, set()))
        ]
        if listeners:
            await self.list_for(user_id, listeners)

    async def list_for(self, user_id: uuid.UUID, listeners: Sequence[Listener]) -> None:
        """They follow before it is read: what changes between is told."""
        async with self.listing[user_id]:
            owned = await self.in_thread(galleries_of, [user_id], of="lists")
            for listener in listeners:
                await listener.follow_all(owned.get(user_id, set()))
            found = await self.in_thread(listing.list_of, user_id, of="lists")
            for gallery_id, version in found.versions.items():
                self.begin_seeing(gallery_id, version)
            for listener in listeners:
                listener.take_listing(found)


BOARDS: WeakKeyDictionary[asyncio.AbstractEventLoop, Board] = WeakKeyDictionary()


def board() -> Board:
    loop = asyncio.get_running_loop()
    if loop not in BOARDS:
        BOARDS[loop] = Board()
    return BOARDS[loop]
