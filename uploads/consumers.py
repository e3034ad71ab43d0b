"""The sockets: a snapshot first, then what changes, at most four messages of a kind a second. No database write."""

import asyncio
import json
import logging
import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from accounts.models import digest_of, find_user_of_token
from galleries.access import Action, Actor, actor_of, get_gallery
from galleries.callers import bearer_token
from galleries.errors import GalleryError, SignInRequired
from galleries.overall import overall_of
from galleries.photo_wire import gallery_out
from galleries.ports import Totals
from galleries.queries import view_of
from uploads import progress
from uploads.board import board
from uploads.feed import Feed, told_to
from uploads.limits import (
    MAX_BATCH_ITEMS,
    MAX_SOCKETS_OF_ONE,
    SOCKET_MESSAGES_AT_ONCE,
    SOCKET_MESSAGES_PER_S,
)
from uploads.listing import Listing
from uploads.standing import Credential, Grounds, Standing, grounds_of

log = logging.getLogger(__name__)

# RFC 6455 leaves 4000-4999 to applications; these mirror the HTTP answers.
CLOSE_SIGN_IN = 4401
CLOSE_NOT_FOUND = 4404
CLOSE_TOO_MANY = 4429
CLOSE_BAD_MESSAGE = 1003
CLOSE_TOO_BIG = 1009
MAX_MESSAGE_CHARS = 16 * 1024


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels is untyped
    """What both sockets share: who it is, whether that still holds, and one message after the other.

    A reader that does not read holds up its own `speak` alone: meanwhile the last totals take the place of those
    before, and changes add up until the list is the shorter way.
    """

    standing: Standing
    grounds: Grounds
    actor: Actor
    speaker: asyncio.Task[None] | None = None
    is_ended = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Channels' own loop makes two tasks for each message, and joins a group's channel for each socket."""
        self.scope, self.base_send = scope, send
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            await self.let_go()

    async def dispatch(self, message: dict[str, Any]) -> None:
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        self.totals: dict[uuid.UUID, Totals] = {}
        self.has_news = asyncio.Event()
        self.allowance = Allowance(SOCKET_MESSAGES_PER_S, SOCKET_MESSAGES_AT_ONCE)
        try:
            self.actor, self.standing, self.grounds = await database_sync_to_async(self.identify)()
        except GalleryError as refusal:
            await self.end(close_code_of(refusal))
            return
        if board().count_of(self.actor.user.pk) >= MAX_SOCKETS_OF_ONE:
            await self.accept()
            await self.end(CLOSE_TOO_MANY)
            return
        await board().enter(self)
        try:
            snapshot = await self.begin()
        except GalleryError as refusal:
            await self.end(close_code_of(refusal))
            return
        if self.is_ended:  # meanwhile, and is being told
            return
        await self.accept()
        await self.say(snapshot)
        self.speaker = asyncio.create_task(self.speak())

    @abstractmethod
    async def begin(self) -> str:
        """Joins before it reads the snapshot: what changes between is told, and told again at worst.

        Raises: NotFound, GalleryDeleted.
        """

    @abstractmethod
    def gallery_id_asked(self) -> uuid.UUID | None:
        """None: all of theirs."""

    @abstractmethod
    def news(self) -> Sequence[dict[str, Any] | str]:
        """What to say now, each once; in words already, or not yet."""

    def identify(self) -> tuple[Actor, Standing, Grounds]:
        """Asked again while the socket is open. Raises: SignInRequired, NotFound, GalleryDeleted."""
        actor, credential = self.find_actor()
        gallery_id = self.gallery_id_asked()
        standing = Standing(credential, actor.user.pk, gallery_id)
        # Read before what they are the grounds of: a change between is noticed.
        grounds = grounds_of([standing])[standing]
        if gallery_id is not None:
            get_gallery(actor, gallery_id, Action.VIEW)
        return actor, standing, grounds

    def find_actor(self) -> tuple[Actor, Credential]:
        token = bearer_token(header_of(self.scope, b"authorization"))
        if token is not None:
            return actor_of(find_user_of_token(token)), Credential(token_digest=digest_of(token))
        session_key = session_key_of(self.scope)
        return actor_of(user_of_session(session_key)), Credential(session_key=session_key)

    async def prove(self) -> None:
        """After sign-out, revocation or deletion the socket is closed with the code of its reason.

        Whatever else is raised, the grounds stay those of before, and it is asked again.
        """
        try:
            actor, standing, grounds = await board().in_thread(self.identify, of="checks")
            if standing.user_id != self.standing.user_id:
                raise SignInRequired
            self.actor, self.standing, self.grounds = actor, standing, grounds
        except GalleryError as refusal:
            await self.let_go()
            # A reader that does not read would hold up the others' proof.
            self.closing = asyncio.create_task(self.close(close_code_of(refusal)))

    async def let_go(self) -> None:
        """Safe to repeat. Whatever ends the socket, nobody speaks to it any more, nor listens."""
        self.is_ended = True
        if self.speaker is not None:
            self.speaker.cancel()
        if hasattr(self, "standing"):
            await board().leave(self)

    async def end(self, code: int) -> None:
        await self.let_go()
        await self.close(code)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.is_ended:
            return
        if text_data is None or bytes_data is not None:
            await self.end(CLOSE_BAD_MESSAGE)
        elif len(text_data) > MAX_MESSAGE_CHARS:
            await self.end(CLOSE_TOO_BIG)
        elif not self.allowance.spend():
            await self.end(CLOSE_TOO_MANY)
        else:
            self.take(text_data)

    def take(self, text: str) -> None:
        """What the client says."""

    def tell(self, gallery_id: uuid.UUID, totals: Totals | None) -> None:
        if totals is not None:
            self.totals[gallery_id] = totals
        self.has_news.set()

    def hear(self, event: Mapping[str, Any]) -> None:
        """Only the gallery's own page wants more than totals."""

    def see(self, version: int) -> None:
        """Only the gallery's own page has one."""

    def is_following(self, gallery_ids: set[uuid.UUID]) -> bool:  # noqa: ARG002  what the board asks
        """Only who listens to all of them cares."""
        return True

    async def follow_all(self, gallery_ids: set[uuid.UUID]) -> None:
        """Only who listens to all of them."""

    def take_listing(self, listing: Listing) -> None:
        """Only who listens to all of them."""

    async def speak(self) -> None:
        with suppress(OSError):  # what uvicorn says of a client that has gone
            while True:
                await self.has_news.wait()
                self.has_news.clear()
                for message in self.news():
                    await self.say(message if isinstance(message, str) else json.dumps(message))

    async def say(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})


class GalleryConsumer(LiveConsumer):
    """Reports and events of one gallery."""

    is_owner = False  # until the snapshot knows; what is heard before is in it

    def gallery_id_asked(self) -> uuid.UUID:
        return uuid.UUID(str(self.scope["url_route"]["kwargs"]["gallery_id"]))

    async def begin(self) -> str:
        self.gallery_id = self.gallery_id_asked()
        self.feed = Feed(0)
        await board().follow(self.gallery_id, self)
        snapshot: dict[str, Any] = await database_sync_to_async(self.snapshot)()
        self.feed.begin(snapshot["version"])
        board().begin_seeing(self.gallery_id, snapshot["version"])
        return json.dumps(snapshot)

    def snapshot(self) -> dict[str, Any]:
        view = view_of(get_gallery(self.actor, self.gallery_id, Action.VIEW))
        self.is_owner = self.actor.owns(view.gallery)
        return {
            "type": "snapshot",
            "version": view.gallery.version,
            "gallery": gallery_out(view),
            "totals": view.totals.as_wire(),
        }

    def hear(self, event: Mapping[str, Any]) -> None:
        self.feed.hear(told_to(event, is_owner=self.is_owner))

    def see(self, version: int) -> None:
        if self.speaker is not None:
            self.feed.see(version)
            if self.feed.has_news:
                self.has_news.set()
                board().move(self.gallery_id)

    def news(self) -> list[dict[str, Any]]:
        told = self.feed.messages() if self.feed.has_news else []
        if self.feed.has_news:  # a version in the middle is missing, and is waited for
            board().move(self.gallery_id)
        totals, self.totals = self.totals, {}
        return told + [
            {"type": "progress", "gallery_id": str(gallery_id), "totals": each.as_wire()}
            for gallery_id, each in totals.items()
        ]

    def take(self, text: str) -> None:
        if (reports := parse_report(text)) is not None:
            board().report(self.gallery_id, progress.stored_in(self.actor, reports))


class ProgressConsumer(LiveConsumer):
    """Only listens: the progress of all my galleries, and what they come to together."""

    def gallery_id_asked(self) -> None:
        return None

    async def begin(self) -> str:
        self.known: dict[uuid.UUID, Totals] = {}
        self.followed: set[uuid.UUID] = set()
        self.snapshots: list[str] = []
        await board().list_for(self.standing.user_id, [self])
        told, self.snapshots = self.snapshots, []
        return told[-1]

    def is_following(self, gallery_ids: set[uuid.UUID]) -> bool:
        return self.speaker is None or self.followed == gallery_ids

    async def follow_all(self, gallery_ids: set[uuid.UUID]) -> None:
        for gallery_id in gallery_ids - self.followed:
            await board().follow(gallery_id, self)
        for gallery_id in self.followed - gallery_ids:
            await board().unfollow(gallery_id, self)
        self.followed = gallery_ids

    def take_listing(self, listing: Listing) -> None:
        """There is one more, or one less: all is said again from the beginning."""
        self.known = dict(listing.totals)
        self.snapshots = [listing.text]
        self.has_news.set()

    def news(self) -> Sequence[dict[str, Any] | str]:
        told, self.snapshots = self.snapshots, []
        totals, self.totals = self.totals, {}
        totals = {gallery_id: each for gallery_id, each in totals.items() if gallery_id in self.followed}
        self.known |= totals
        overall = overall_of(self.known.values()).as_wire() if totals else {}
        return [
            *told,
            *(
                {
                    "type": "progress",
                    "gallery_id": str(gallery_id),
                    "totals": each.as_wire(),
                    "overall": overall,
                }
                for gallery_id, each in totals.items()
            ),
        ]


class Allowance:
    """So many messages a second for as long as one likes, and so many more at once after a rest."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self.per_s, self.at_once = per_s, at_once
        self.left, self.at = float(at_once), monotonic()

    def spend(self) -> bool:
        now = monotonic()
        self.left = min(self.at_once, self.left + (now - self.at) * self.per_s)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def header_of(scope: dict[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def user_of_session(session_key: str) -> object:
    """Read afresh each time: the session may have ended, or its password changed, since the socket was opened."""
    if not session_key:
        return None
    request = HttpRequest()
    request.session = SessionStore(session_key)
    return get_user(request)


def session_key_of(scope: dict[str, Any]) -> str:
    return scope["session"].session_key or ""


def close_code_of(refusal: GalleryError) -> int:
    return CLOSE_SIGN_IN if refusal.code == SignInRequired.code else CLOSE_NOT_FOUND


def parse_report(text: str) -> list[tuple[str, int, int]] | None:
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
