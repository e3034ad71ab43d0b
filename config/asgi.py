"""The way of a request: the local store's door, static files, a limit to bodies, then Django; sockets by Channels."""

import logging
import os
from typing import Any

from asgiref.sync import sync_to_async

from config.handler import new_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = new_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  only after Django is set up
from channels.sessions import SessionMiddlewareStack  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import DEFAULT_DB_ALIAS, connections  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

from config.body_limit import BoundedBodies  # noqa: E402
from config.checks import refuse_unusable_stores  # noqa: E402
from config.local_door import LocalDoor  # noqa: E402
from config.log_lines import MaskedArguments  # noqa: E402
from config.origins import OriginOrBearer  # noqa: E402
from config.routing import websocket_urlpatterns  # noqa: E402

IMMUTABLE = r"^/static/dist/assets/.+-[A-Za-z0-9_-]{8,}\.\w+$"  # the hash that Vite puts into names


# Whoever starts uvicorn without `--no-access-log` would have signed addresses in its lines.
logging.getLogger("uvicorn.access").addFilter(MaskedArguments())

refuse_unusable_stores()


def with_static_files(app: Any) -> Any:
    files = ServeStaticASGI(app, immutable_file_test=IMMUTABLE)
    if settings.STATIC_ROOT.is_dir():
        files.add_files(str(settings.STATIC_ROOT), prefix=settings.STATIC_URL)
    return files


class OpenDatabase:
    """Keeps one SQLite connection open, unused, for the life of the process.

    Each request has a connection of its own (Django's ASGI handler), and the last one to be closed makes SQLite write
    back its log: without this every request would pay for that.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.kept: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.kept is None:
            self.kept = connections.create_connection(DEFAULT_DB_ALIAS)
            if self.kept.vendor == "sqlite":
                await sync_to_async(self.kept.ensure_connection)()
        await self.app(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": LocalDoor(with_static_files(BoundedBodies(OpenDatabase(django_application)))),
        # Who it is, the consumers ask themselves, again and again.
        "websocket": OriginOrBearer(SessionMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
