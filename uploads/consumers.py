"""The sockets: a snapshot first, then what changes, at most four messages of a kind a second. No database write."""

import asyncio
import json
import logging
import uuid
from abc import abstractmethod
from time import monotonic
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from accounts.models import find_user_of_token
from galleries.access import Action, Actor, actor_of, get_gallery
from galleries.callers import bearer_token
from galleries.errors import GalleryError, SignInRequired
from galleries.photo_wire import gallery_out
from galleries.queries import GalleryView, list_galleries, view_of
from uploads import announce, progress
from uploads.feed import Feed
from uploads.limits import MAX_BATCH_ITEMS, PROGRESS_EVERY_S

log = logging.getLogger(__name__)

# RFC 6455 leaves 4000-4999 to applications; these mirror the HTTP answers.
CLOSE_SIGN_IN = 4401
CLOSE_NOT_FOUND = 4404
CLOSE_BAD_MESSAGE = 1003
CLOSE_TOO_BIG = 1009
MAX_MESSAGE_CHARS = 16 * 1024
IDS_REMEMBERED = 10_000
# How long a socket may outlive the right to it: while it is spoken to, and while nothing happens.
CHECKED_WHEN_SPEAKING_S = 5
CHECKED_EVERY_S = 30


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels is untyped
    """What both sockets share: who it is, whether that still holds, and speaking at most every quarter of a second."""

    actor: Actor
    flusher: asyncio.Task[None] | None = None
    watcher: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.moved: set[uuid.UUID] = set()
        self.checked_at = monotonic()
        try:
            self.actor = await self.find_actor()
            await self.enter()
        except GalleryError as refusal:
            await self.close(close_code_of(refusal))
        else:
            self.watcher = asyncio.create_task(self.watch())

    @abstractmethod
    async def enter(self) -> None:
        """Joins the groups, accepts, and says how things stand."""

    @abstractmethod
    async def check_access(self) -> None:
        """Raises: NotFound, GalleryDeleted when the listener may listen no longer."""

    def news(self) -> list[dict[str, Any]]:
        """What to say beside progress."""
        return []

    def has_news(self) -> bool:
        return False

    async def find_actor(self) -> Actor:
        """Asked again while the socket is open. Raises: SignInRequired."""
        token = bearer_token(header_of(self.scope, b"authorization"))
        if token is not None:
            return actor_of(await database_sync_to_async(find_user_of_token)(token))
        return actor_of(await database_sync_to_async(user_of_session)(self.scope["session"].session_key))

    async def watch(self) -> None:
        """A quiet socket is asked who it is, too."""
        may = True
        while may:
            await asyncio.sleep(CHECKED_EVERY_S)
            may = await self.still_may()

    async def still_may(self) -> bool:
        """After sign-out, revocation or deletion the socket is closed with the code of its reason."""
        self.checked_at = monotonic()
        try:
            self.actor = await self.find_actor()
            await self.check_access()
        except GalleryError as refusal:
            await self.close(close_code_of(refusal))
            return False
        return True

    async def disconnect(self, code: int) -> None:
        del code
        for task in (self.flusher, self.watcher):
            if task is not None:
                task.cancel()

    async def say(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message))

    def flush_soon(self) -> None:
        if self.flusher is None or self.flusher.done():
            self.flusher = asyncio.create_task(self.flush_later())

    async def flush_later(self) -> None:
        await asyncio.sleep(PROGRESS_EVERY_S)
        while self.has_news() or self.moved:
            if monotonic() - self.checked_at > CHECKED_WHEN_SPEAKING_S and not await self.still_may():
                return
            for message in self.news():
                await self.say(message)
            moved, self.moved = self.moved, set()
            for gallery_id, totals in (await database_sync_to_async(progress.totals_of)(moved)).items():
                await self.say(self.progress_message(gallery_id, totals.as_wire()))
            await asyncio.sleep(PROGRESS_EVERY_S)

    def progress_message(self, gallery_id: uuid.UUID, totals: dict[str, object]) -> dict[str, Any]:
        return {"type": "progress", "gallery_id": str(gallery_id), "totals": totals}

    async def gallery_moved(self, event: dict[str, Any]) -> None:
        self.moved.add(uuid.UUID(event["gallery"]))
        self.flush_soon()


class GalleryConsumer(LiveConsumer):
    """Reports and events of one gallery."""

    async def enter(self) -> None:
        self.gallery_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["gallery_id"]))
        self.sizes: dict[uuid.UUID, int] = {}
        self.feed = Feed(0)
        await self.check_access()
        # Joined before the snapshot is read: what changes between is told, and told again at worst.
        await self.channel_layer.group_add(announce.group_of(self.gallery_id), self.channel_name)
        await self.accept()
        snapshot = await database_sync_to_async(self.snapshot)()
        self.feed.begin(snapshot["version"])
        await self.say(snapshot)

    async def check_access(self) -> None:
        await database_sync_to_async(get_gallery)(self.actor, self.gallery_id, Action.VIEW)

    def news(self) -> list[dict[str, Any]]:
        return self.feed.messages()

    def has_news(self) -> bool:
        return self.feed.has_news

    async def gallery_event(self, event: dict[str, Any]) -> None:
        self.feed.hear(event)
        await self.gallery_moved(event)

    def snapshot(self) -> dict[str, Any]:
        view = view_of(get_gallery(self.actor, self.gallery_id, Action.VIEW))
        return {
            "type": "snapshot",
            "version": view.gallery.version,
            "gallery": gallery_out(view),
            "totals": view.totals.as_wire(),
        }

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        if hasattr(self, "gallery_id"):
            await self.channel_layer.group_discard(announce.group_of(self.gallery_id), self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data is None or bytes_data is not None:
            await self.close(CLOSE_BAD_MESSAGE)
        elif len(text_data) > MAX_MESSAGE_CHARS:
            await self.close(CLOSE_TOO_BIG)
        elif (reports := parse_report(text_data)) is not None:
            await self.take(reports)

    async def take(self, reports: list[progress.Report]) -> None:
        """A ledger that is away costs nobody the socket."""
        if len(self.sizes) > IDS_REMEMBERED:
            self.sizes.clear()
        try:
            fresh = await database_sync_to_async(progress.take_report)(
                self.actor, self.gallery_id, reports, self.sizes
            )
            if fresh:
                await announce.progress_moved_async(self.gallery_id)
        except Exception as err:  # noqa: BLE001  whatever the Redis client raises
            log.warning("progress.dropped error=%s", type(err).__name__)


class ProgressConsumer(LiveConsumer):
    """Only listens: the progress of all my galleries."""

    async def enter(self) -> None:
        self.gallery_ids = [view.gallery.pk for view in await self.views()]
        for gallery_id in self.gallery_ids:
            await self.channel_layer.group_add(announce.group_of(gallery_id), self.channel_name)
        await self.accept()
        galleries = [gallery_out(view) for view in await self.views()]
        await self.say({"type": "snapshot", "version": None, "galleries": galleries})

    async def check_access(self) -> None:
        """The list is the actor's own, whoever that is."""

    async def views(self) -> list[GalleryView]:
        views: list[GalleryView] = await database_sync_to_async(list_galleries)(self.actor.user.pk)
        return views

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        for gallery_id in getattr(self, "gallery_ids", ()):
            await self.channel_layer.group_discard(announce.group_of(gallery_id), self.channel_name)

    async def gallery_event(self, event: dict[str, Any]) -> None:
        await self.gallery_moved(event)


def header_of(scope: dict[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def user_of_session(session_key: str | None) -> object:
    """Read afresh each time: the session may have ended, or its password changed, since the socket was opened."""
    if session_key is None:
        return None
    request = HttpRequest()
    request.session = SessionStore(session_key)
    return get_user(request)


def close_code_of(refusal: GalleryError) -> int:
    return CLOSE_SIGN_IN if refusal.code == SignInRequired.code else CLOSE_NOT_FOUND


def parse_report(text: str) -> list[progress.Report] | None:
    """None for whatever is not a report: a bad message is dropped."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("type") != "progress":
        return None
    rows = message.get("uploads")
    if not isinstance(rows, list) or len(rows) > MAX_BATCH_ITEMS:
        return None
    return [(row[0], row[1], row[2]) for row in rows if is_report(row)]


def is_report(row: object) -> bool:
    return (
        isinstance(row, list)
        and len(row) == len(("id", "bytes", "parts"))
        and isinstance(row[0], str)
        and all(type(number) is int for number in row[1:])
    )
