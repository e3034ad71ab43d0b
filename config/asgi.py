"""The way of a request: the local store's door, static files, then Django; sockets by Channels."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  only after Django is set up
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

from config.local_door import LocalDoor  # noqa: E402
from config.origins import OriginOrBearer  # noqa: E402
from config.routing import websocket_urlpatterns  # noqa: E402

IMMUTABLE = r"^/static/dist/assets/.+-[A-Za-z0-9_-]{8,}\.\w+$"  # the hash that Vite puts into names


def with_static_files(app: Any) -> Any:
    files = ServeStaticASGI(app, immutable_file_test=IMMUTABLE)
    if settings.STATIC_ROOT.is_dir():
        files.add_files(str(settings.STATIC_ROOT), prefix=settings.STATIC_URL)
    return files


application = ProtocolTypeRouter(
    {
        "http": LocalDoor(with_static_files(django_application)),
        "websocket": OriginOrBearer(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
