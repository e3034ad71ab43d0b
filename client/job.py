"""A whole command: register, send, confirm, each beside the others; pause and what is left after it."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .gathering import Gathered
from .notes import Notes
from .outcome import FileError, Item, Report, Status
from .road import Road, RoadClosedError
from .sending import Sender
from .site import MAX_ITEMS, SiteError, UnreachableError
from .wire import IN_HAND, TAKES_BYTES, Json, Trouble, Upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .choosing import Choice, Chosen
    from .display import Display
    from .journal import Journal
    from .site import Site

# Failures for which the site wants the same file once more.
RETRIES: Final = 2
JOURNAL_EVERY_S: Final = 0.5
ASK_FIRST_AFTER_S: Final = 0.1
ASK_AT_MOST_EVERY_S: Final = 2.0
# Registered files that wait to be sent: as many as two calls answer.
READY_FILES: Final = 2 * MAX_ITEMS


class Job:
    """`add` files, as often as there are new ones; `finish`, or `pause`."""

    def __init__(
        self, site: Site, gallery_id: str, journal: Journal, display: Display, *, at_once: int
    ) -> None:
        self.site, self.gallery_id, self.journal, self.display = site, gallery_id, journal, display
        self.report = Report(gallery_id)
        self.notes = Notes(site, self.report, journal, display)
        self.road = Road(at_once)
        self.sender = Sender(site, self.road, journal, self._tell_bytes)
        self.completing: Gathered[Json, Upload] = Gathered(site.complete)
        self._at_once = at_once
        self._known: dict[str, Upload] = {}
        self._new: deque[Item] = deque()
        self._ready: asyncio.Queue[tuple[Item, Upload]] = asyncio.Queue(READY_FILES)
        self._unsure: dict[str, Item] = {}
        self._open_count = 0
        self._is_expecting = False
        self._changed = asyncio.Event()

    async def look(self) -> None:
        """What the site knows of this sender's files: one call a thousand, whatever is chosen."""
        async for upload in self.site.uploads_of(self.gallery_id):
            self._known[upload.client_id] = upload

    def known(self, chosen: Chosen) -> Upload | None:
        return self._known.get(chosen.client_id)

    def add(self, files: Sequence[Chosen]) -> None:
        for chosen in files:
            item = Item(chosen, self.known(chosen))
            self.report.items.append(item)
            self._open_count += 1
            self.display.added(item)
            if item.upload is not None and item.upload.state == "verified":
                self._settle(item, Status.THERE)
            elif item.upload is not None and item.upload.state in IN_HAND:
                self._await_word(item, item.upload)
            else:
                self._new.append(item)
        self._changed.set()

    async def work(self) -> None:
        """Until it is cancelled. Raises: SiteError, UnreachableError."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._register())
            group.create_task(self._confirm())
            group.create_task(self._keep_journal())
            # Twice as many as bodies: while one is on its way the next is read and signed.
            for _ in range(2 * self._at_once):
                group.create_task(self._send())

    def expect_more(self) -> None:
        """Files will be added until it is paused: it never settles."""
        self._is_expecting = True

    async def settled(self) -> None:
        """Every file has come to its end."""
        while self._open_count or self._is_expecting:
            self._changed.clear()
            await self._changed.wait()

    async def pause(self) -> None:
        """What is on its way arrives; nothing else sets out."""
        self.report.is_paused = True
        self.road.close()
        for stream in self.sender.streams:
            stream.pause()
        await self.road.empty()
        for stream in tuple(self.sender.streams):
            await stream.quiet()
        self.journal.write()

    async def finish(self, choice: Choice) -> Report:
        """After all are settled: the notes, and a look whether what the site has is what was read here."""
        await self.notes.send()
        self.notes.tell_strays()
        await self._compare()
        self.report.left_out = choice.left_out
        self.journal.write()
        return self.report

    async def _register(self) -> None:
        while True:
            while not self._new:
                self._changed.clear()
                await self._changed.wait()
            taken = [self._new.popleft() for _ in range(min(len(self._new), MAX_ITEMS))]
            rows = await self.site.batch(self.gallery_id, [declared(item.chosen) for item in taken])
            waiting = [
                item for item, row in zip(taken, rows, strict=True) if not await self._registered(item, row)
            ]
            if waiting:
                # No room for more at once: what is on its way gives some back.
                self._new.extend(waiting)
                await asyncio.sleep(ASK_AT_MOST_EVERY_S)

    async def _registered(self, item: Item, row: Upload) -> bool:
        """False when it must be asked for again."""
        if not row.id:
            trouble = row.trouble or Trouble("refused", "The file was refused.", is_retryable=False)
            if trouble.is_retryable and (self._unsure or not self._ready.empty()):
                return False
            self._refuse(item, trouble)
        elif row.trouble is not None and row.state not in TAKES_BYTES | IN_HAND:
            item.upload = row
            await self._take_word(item, row)
        elif row.state == "verified":
            self._known[row.client_id] = item.upload = row
            self._settle(item, Status.THERE)
        elif row.state in IN_HAND:
            self._await_word(item, row)
        else:
            await self._ready.put((item, row))
        return True

    async def _send(self) -> None:
        while not self.road.is_closed:
            item, row = await self._ready.get()
            item.upload = row
            self.display.began(item)
            try:
                await self.sender.send(item, row)
                row = await self.completing.ask({"id": row.id})
            except FileError as error:
                if not self.road.is_closed:
                    self._refuse(item, error.trouble)
            except RoadClosedError:
                return
            else:
                await self._take_word(item, row)

    async def _confirm(self) -> None:
        """Asks for word of those that wait for it, the longest waiting first, in calls of a hundred."""
        delay_s = ASK_FIRST_AFTER_S
        while True:
            await asyncio.sleep(delay_s)
            asked = list(self._unsure.items())[:MAX_ITEMS]
            if not asked:
                delay_s = ASK_FIRST_AFTER_S
                continue
            rows = await self.site.complete([{"id": upload_id} for upload_id, _ in asked])
            has_news = False
            for (upload_id, item), row in zip(asked, rows, strict=True):
                del self._unsure[upload_id]  # the back of the queue, unless it is settled
                await self._take_word(item, row)
                has_news = has_news or row.state not in IN_HAND
            delay_s = ASK_FIRST_AFTER_S if has_news else min(delay_s * 1.5, ASK_AT_MOST_EVERY_S)

    async def _take_word(self, item: Item, row: Upload) -> None:
        if row.state == "verified":
            item.upload = self._known[row.client_id] = row
            self._settle(item, Status.SENT)
        elif row.state in IN_HAND:
            self._await_word(item, row)
        elif row.trouble is not None and row.trouble.code == "duplicate":
            item.upload, item.trouble = row, row.trouble
            self._settle(item, Status.DUPLICATE)
        else:
            await self._try_again(item, row)

    async def _try_again(self, item: Item, row: Upload) -> None:
        trouble = row.trouble or Trouble(row.state, f"The upload is {row.state}.", is_retryable=False)
        if not (row.id and trouble.is_retryable and item.retry_count < RETRIES):
            self._refuse(item, trouble)
            return
        item.retry_count += 1
        [again] = await self.site.retry([row.id])
        if again.state in IN_HAND:
            self._await_word(item, again)
        elif again.state in TAKES_BYTES:
            self.journal.forget_parts(item.chosen.client_id)
            await self._ready.put((item, again))
        else:
            self._refuse(item, again.trouble or trouble)

    def _await_word(self, item: Item, row: Upload) -> None:
        item.upload = row
        self._unsure[row.id] = item
        self.display.stored(item)

    def _refuse(self, item: Item, trouble: Trouble) -> None:
        item.trouble = trouble
        self._settle(item, Status.DUPLICATE if trouble.code == "duplicate" else Status.FAILED)

    def _settle(self, item: Item, status: Status) -> None:
        item.status = status
        self._open_count -= 1
        self.display.settled(item)
        self._changed.set()

    def _tell_bytes(self, item: Item, count: int) -> None:
        self.report.sent_bytes += count
        self.display.moved(item, count)

    async def _keep_journal(self) -> None:
        while True:
            await asyncio.sleep(JOURNAL_EVERY_S)
            await asyncio.to_thread(self.journal.write)

    async def _compare(self) -> None:
        """The site's SHA-256 of what it decoded beside that of what was read here."""
        items = {item.upload.id: item for item in self.report.items if item.upload}
        for status in ("ready", "staged"):
            async for photo in self.site.pages(
                f"/galleries/{self.gallery_id}/photos", "photos", status=status
            ):
                if item := items.get(photo["upload_id"]):
                    item.photo_sha256 = photo["sha256"]
                    if item.sha256 and item.sha256 != item.photo_sha256:
                        item.status, item.trouble = Status.FAILED, DIFFERS


DIFFERS: Final = Trouble("bytes_differ", "The site has other bytes than were read here.", is_retryable=False)


def declared(chosen: Chosen) -> Json:
    return {
        "client_id": chosen.client_id,
        "name": chosen.name,
        "size": chosen.size_bytes,
        "last_modified": chosen.last_modified_ms,
        "relative_path": chosen.path,
    }


async def run_until(job: Job, ended: asyncio.Event) -> None:
    """Works until all is settled, or `ended` is set: then it pauses.

    Raises: SiteError, UnreachableError.
    """
    working = asyncio.create_task(job.work())
    settling = asyncio.create_task(job.settled())
    pausing = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({working, settling, pausing}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await told_plainly(working)
        if not settling.done():
            await job.pause()
    finally:
        for task in (working, settling, pausing):
            task.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await working


async def told_plainly(working: asyncio.Task[None]) -> None:
    """The first of the errors that ended the work. Raises: it."""
    try:
        await working
    except ExceptionGroup as group:
        plain = group.subgroup((SiteError, UnreachableError)) or group
        raise plain.exceptions[0] from group
