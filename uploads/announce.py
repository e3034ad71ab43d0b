"""The only door to the channel layer, and the bell rope. Everything here happens after commit and may fail."""

import asyncio
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, cast

from channels.layers import get_channel_layer
from django.db import transaction

from galleries.models import Photo
from galleries.photo_wire import original_out, photo_out
from galleries.queries import get_photos
from uploads import crash_points, ledger, wire
from uploads.feed import TO_OTHERS
from uploads.models import Upload
from uploads.states import State

log = logging.getLogger(__name__)
# A message larger than this is not worth sending: the client reads the list instead.
MAX_ROWS_PER_MESSAGE = 200
MAX_UNSAID = 1_000


def group_of_user(user_id: uuid.UUID) -> str:
    return f"user.{user_id}"


def uploads_changed(gallery_id: uuid.UUID, *, version: int, uploads: Sequence[Upload]) -> None:
    tell_after_commit(
        *(gallery_id, "uploads", version),
        lambda: [wire.upload_out(upload) for upload in uploads],
        moved=[ledger_row(upload) for upload in uploads],
    )


def ledger_row(upload: Upload) -> ledger.Row:
    return ledger.Row(
        *(upload.pk, upload.version, upload.size, upload.actor), takes_bytes=upload.state == State.SIGNED
    )


def photos_changed(gallery_id: uuid.UUID, *, version: int, photo_ids: Iterable[uuid.UUID]) -> None:
    ids = list(photo_ids)
    tell_after_commit(gallery_id, "photos", version, lambda: [photo_row(photo) for photo in get_photos(ids)])


def photo_row(photo: Photo) -> dict[str, object]:
    """One message goes to all: `feed.told_to` makes of it what each of them may know."""
    row, others = photo_out(photo, is_owner=True), original_out(photo, is_owner=False)
    return row if others.items() <= row.items() else {**row, TO_OTHERS: others}


def publication_changed(gallery_id: uuid.UUID, *, version: int, body: dict[str, object]) -> None:
    tell_after_commit(gallery_id, "publication", version, lambda: [body])


def tell_after_commit(
    gallery_id: uuid.UUID,
    kind: str,
    version: int,
    rows: Callable[[], Sequence[dict[str, object]]],
    *,
    moved: Sequence[ledger.Row] = (),
) -> None:
    """The ledger is told of every version. Rows are only put together for somebody.

    A socket joins before it reads its snapshot, so that nothing falls between. One round trip to Redis.
    """

    def settle_and_tell() -> None:
        if ledger.settle(gallery_id, version, moved):
            tell(gallery_id, kind, version, rows())

    after_commit(settle_and_tell)


def progress_forgotten(gallery_id: uuid.UUID) -> None:
    """Nothing of it is on its way any more, whatever was said before."""
    after_commit(lambda: ledger.forget(gallery_id))


def galleries_changed(user_id: uuid.UUID) -> None:
    """Somebody has one more, or one less."""
    after_commit(lambda: send(group_of_user(user_id), {"type": "galleries.changed", "user": str(user_id)}))


def tell(gallery_id: uuid.UUID, kind: str, version: int, rows: Sequence[dict[str, object]]) -> None:
    """A gap (`previous` is not what the client has) makes the client read the list."""
    send(
        ledger.group_of(gallery_id),
        {
            "type": "gallery.event",
            "kind": kind,
            "gallery": str(gallery_id),
            "previous": version - 1,
            "version": version,
            "rows": rows[:MAX_ROWS_PER_MESSAGE],
            "is_cut": len(rows) > MAX_ROWS_PER_MESSAGE,
        },
    )


def send(group: str, message: dict[str, Any]) -> None:
    herald_of(os.getpid()).send(group, message)


class Herald(threading.Thread):
    """One thread and one connection for everything this process says, in order.

    Going through `async_to_sync` would make an event loop and a connection for each message, ten milliseconds of
    every verified photo. Whoever announces does not wait: what is lost, clients notice by its version.
    """

    def __init__(self) -> None:
        super().__init__(name="herald", daemon=True)
        self.loop = asyncio.new_event_loop()
        self.messages: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(maxsize=MAX_UNSAID)
        self.start()

    def send(self, group: str, message: dict[str, Any]) -> None:
        """Raises: asyncio.QueueFull when the channel layer has not answered for long."""
        if self.messages.full():
            raise asyncio.QueueFull
        self.loop.call_soon_threadsafe(self.messages.put_nowait, (group, message))

    def run(self) -> None:
        self.loop.run_until_complete(self.speak())

    async def speak(self) -> None:
        layer = get_channel_layer()
        while True:
            group, message = await self.messages.get()
            try:
                await layer.group_send(group, message)
            except Exception as err:  # noqa: BLE001  a layer that is down is a log line
                log.warning("announce.failed error=%s", type(err).__name__)


@cache
def herald_of(_pid: int) -> Herald:
    """By process: a thread does not survive a fork."""
    return Herald()


def after_commit(action: Callable[[], None]) -> None:
    transaction.on_commit(partial(quietly, action))


def quietly(action: Callable[[], object]) -> None:
    """A channel layer or a broker that is down is a log line, never a failed request."""
    try:
        action()
    except Exception as err:  # noqa: BLE001  whatever the client library raises: nobody waits for this
        log.warning("announce.failed error=%s", type(err).__name__)


def ring_after_commit() -> None:
    """Wakes the workers. They look into the database for what there is to do."""
    after_commit(ring_as_asked)


def ring_as_asked() -> None:
    crash_points.reached("bell.after_commit")
    # One that hangs is known in a second: the broker's client, which workers share, waits for six.
    ledger.client().ping()
    ring()


def ring() -> None:
    from uploads.tasks import work

    work.apply_async(expires=BELL_EXPIRES_S)


BELL_EXPIRES_S = 60


def moved_message(gallery_id: uuid.UUID) -> bytes:
    """Says that bytes arrived, in the channel layer's own form: the ledger's script sends it."""
    return cast("bytes", get_channel_layer().serialize({"type": "gallery.moved", "gallery": str(gallery_id)}))


class Ear:
    """What one process hears, of all groups that it joins, by one channel of its own."""

    def __init__(self) -> None:
        self.joined: set[str] = set()
        self.channel = ""

    async def open(self) -> None:
        self.channel = await get_channel_layer().new_channel()

    async def join(self, group: str) -> None:
        """Safe to repeat."""
        if group not in self.joined:
            await get_channel_layer().group_add(group, self.channel)
            self.joined.add(group)

    async def leave(self, group: str) -> None:
        """Safe to repeat. What a layer that is down still brings, nobody listens to."""
        if group in self.joined:
            self.joined.discard(group)
            try:
                await get_channel_layer().group_discard(group, self.channel)
            except Exception as err:  # noqa: BLE001  whatever it is, whoever leaves has left
                log.warning("announce.failed error=%s", type(err).__name__)

    async def next(self) -> dict[str, Any]:
        """The channel ends with whoever is cancelled while waiting here."""
        event: dict[str, Any] = await get_channel_layer().receive(self.channel)
        return event
