"""Which pages may open a socket: a cookie only counts when the full origin is ours; a bearer header needs none."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from channels.security.websocket import WebsocketDenier

from uploads.origins import own_origins

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class OriginOrBearer:
    def __init__(self, app: App) -> None:
        self.app = app
        self.own = own_origins()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get(b"authorization", "").lower().startswith("bearer "):
            # Cookies that came along must not count.
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"cookie"]}
        elif headers.get(b"origin") not in self.own:
            await WebsocketDenier()(scope, receive, send)
            return
        await self.app(scope, receive, send)
