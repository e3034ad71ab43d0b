"""The sockets: a snapshot first, then what changes, at most four messages of a kind a second. No database write."""

import asyncio
import json
import logging
import uuid
from abc import abstractmethod
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.models import User, find_user_of_token
from galleries.access import Action, Actor, actor_of, get_gallery
from galleries.callers import bearer_token
from galleries.errors import GalleryError
from galleries.photo_wire import gallery_out
from galleries.queries import GalleryView, list_galleries, view_of
from uploads import announce, progress
from uploads.limits import MAX_BATCH_ITEMS, PROGRESS_EVERY_S

log = logging.getLogger(__name__)

# RFC 6455 leaves 4000-4999 to applications; these mirror the HTTP answers.
CLOSE_SIGN_IN = 4401
CLOSE_NOT_FOUND = 4404
CLOSE_BAD_MESSAGE = 1003
CLOSE_TOO_BIG = 1009
MAX_MESSAGE_CHARS = 16 * 1024
IDS_REMEMBERED = 10_000


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels is untyped
    """What both sockets share: who it is, and speaking at most every quarter of a second."""

    actor: Actor
    flusher: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.moved: set[uuid.UUID] = set()
        self.pending: dict[str, dict[str, Any]] = {}
        try:
            self.actor = await self.find_actor()
            await self.enter()
        except GalleryError as refusal:
            await self.close(CLOSE_SIGN_IN if refusal.code == "sign_in_required" else CLOSE_NOT_FOUND)

    @abstractmethod
    async def enter(self) -> None:
        """Joins the groups, accepts, and says how things stand."""

    async def find_actor(self) -> Actor:
        """Raises: SignInRequired."""
        token = bearer_token(header_of(self.scope, b"authorization"))
        if token is not None:
            return actor_of(await database_sync_to_async(find_user_of_token)(token))
        return actor_of(await database_sync_to_async(user_in)(self.scope))

    async def disconnect(self, code: int) -> None:
        del code
        if self.flusher is not None:
            self.flusher.cancel()

    async def say(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message))

    def flush_soon(self) -> None:
        if self.flusher is None or self.flusher.done():
            self.flusher = asyncio.create_task(self.flush_later())

    async def flush_later(self) -> None:
        await asyncio.sleep(PROGRESS_EVERY_S)
        while self.pending or self.moved:
            pending, self.pending = self.pending, {}
            moved, self.moved = self.moved, set()
            for message in pending.values():
                await self.say(message)
            for gallery_id, totals in (await database_sync_to_async(progress.totals_of)(moved)).items():
                await self.say(self.progress_message(gallery_id, totals.as_wire()))
            await asyncio.sleep(PROGRESS_EVERY_S)

    def progress_message(self, gallery_id: uuid.UUID, totals: dict[str, object]) -> dict[str, Any]:
        return {"type": "progress", "gallery_id": str(gallery_id), "totals": totals}

    async def gallery_moved(self, event: dict[str, Any]) -> None:
        self.moved.add(uuid.UUID(event["gallery"]))
        self.flush_soon()

    async def gallery_event(self, event: dict[str, Any]) -> None:
        """Several changes become one message: `previous` is the one before the first, rows are the last of each."""
        waiting = self.pending.get(event["kind"])
        if event["kind"] == "publication":
            await self.publication_event(event)
            return
        rows = {row["id"]: row for row in [*(waiting[event["kind"]] if waiting else []), *event["rows"]]}
        self.pending[event["kind"]] = {
            "type": event["kind"],
            "previous": previous_of(event, waiting),
            "version": event["version"],
            event["kind"]: list(rows.values()),
        }
        self.moved.add(uuid.UUID(event["gallery"]))
        self.flush_soon()

    async def publication_event(self, event: dict[str, Any]) -> None:
        """Rare, and each is the whole: said at once."""
        told = {name: event[name] for name in ("previous", "version")}
        await self.say({"type": "publication", **told, "publication": event["rows"][0]})


class GalleryConsumer(LiveConsumer):
    """Reports and events of one gallery."""

    async def enter(self) -> None:
        self.gallery_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["gallery_id"]))
        self.sizes: dict[uuid.UUID, int] = {}
        await database_sync_to_async(get_gallery)(self.actor, self.gallery_id, Action.VIEW)
        # Joined before the snapshot is read: what changes between is told, and told again at worst.
        await self.channel_layer.group_add(announce.group_of(self.gallery_id), self.channel_name)
        await self.accept()
        await self.say(await database_sync_to_async(self.snapshot)())

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

    async def views(self) -> list[GalleryView]:
        views: list[GalleryView] = await database_sync_to_async(list_galleries)(self.actor.user.pk)
        return views

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        for gallery_id in getattr(self, "gallery_ids", ()):
            await self.channel_layer.group_discard(announce.group_of(gallery_id), self.channel_name)

    async def gallery_event(self, event: dict[str, Any]) -> None:
        await self.gallery_moved(event)


def previous_of(event: dict[str, Any], waiting: dict[str, Any] | None) -> int:
    """The version before the first change told; where rows were left out, one that nobody has: read the list."""
    if event["is_cut"] or (waiting and waiting["previous"] == waiting["version"]):
        return int(event["version"])
    return int((waiting or event)["previous"])


def header_of(scope: dict[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def user_in(scope: dict[str, Any]) -> object:
    """The user behind Channels' lazy wrapper; one or two queries."""
    user = scope.get("user")
    return None if user is None or not user.is_authenticated else User.objects.filter(pk=user.pk).first()


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
