"""How much of a body Django gets to see, and how long it may take to come.

Django spools a body to its end, on the disk of this machine, before it asks who sends it and whether it is too long.
"""

import asyncio
import re
from typing import Final

from django.conf import settings

from config.door_http import App, Body, ClientGone, Message, Receive, Scope, Send, headers_of, refuse
from uploads.errors import BodyTooSlow

SIDECARS: Final = re.compile(r"/api/uploads/[0-9a-f-]{36}/sidecars")
# One JSON body names at most 100 files.
MAX_BODY_BYTES: Final = 1024 * 1024


def limit_of(path: str) -> int:
    """In bytes."""
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if takes_sidecars(path) else MAX_BODY_BYTES


def takes_sidecars(path: str) -> bool:
    return SIDECARS.fullmatch(path) is not None


class BoundedBodies:
    """Photos go past it: what is left are forms and JSON, of at most MAX_BODY_BYTES, and an editor's notes.

    What is longer Django refuses itself, by the length that it is told; its bytes are left unread.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit_bytes = limit_of(scope["path"])
        body = Body(receive)
        try:
            content = await content_of(body, scope, limit_bytes)
        except ClientGone:
            return
        except BodyTooSlow as refusal:
            await refuse(refusal, scope, body, send)
            return
        if content is None:
            too_much = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
            await self.app(saying_length(scope, too_much), Given(b"", never), send)
        else:
            await self.app(scope, Given(content, receive), send)


async def content_of(body: Body, scope: Scope, limit_bytes: int) -> bytes | None:
    """None for more than the limit.

    Raises: ClientGone. BodyTooSlow.
    """
    if int(headers_of(scope).get("content-length", "0")) > limit_bytes:
        return None
    content = bytearray()
    async for chunk in body.chunks():
        content += chunk
        if len(content) > limit_bytes:
            return None
    return bytes(content)


def saying_length(scope: Scope, length_bytes: int) -> Scope:
    """A body that comes in chunks says none."""
    others = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {**scope, "headers": [*others, (b"content-length", str(length_bytes).encode())]}


class Given:
    """A body that has been read already; after it, whatever `then` hears: that the client hung up."""

    def __init__(self, content: bytes, then: Receive) -> None:
        self.content: bytes | None = content
        self.then = then

    async def __call__(self) -> Message:
        if self.content is None:
            return await self.then()
        content, self.content = self.content, None
        return {"type": "http.request", "body": content, "more_body": False}


async def never() -> Message:
    """Nobody listens to who goes on sending: the answer is there at once."""
    heard: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await heard
