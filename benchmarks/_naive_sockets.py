"""What is often written: every report is told to the whole group at once, by Channels' own consumer."""

from __future__ import annotations

import json
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
get_asgi_application()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402  only after Django is set up
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class NaiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels is untyped
    async def connect(self) -> None:
        self.group = f"naive.{self.scope['url_route']['kwargs']['gallery_id']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send(json.dumps({"type": "snapshot"}))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        message = {"type": "gallery.report", "uploads": json.loads(text_data or "{}")["uploads"]}
        await self.channel_layer.group_send(self.group, message)

    async def gallery_report(self, event: dict[str, object]) -> None:
        await self.send(json.dumps({"type": "progress", "uploads": event["uploads"]}))

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        await self.channel_layer.group_discard(self.group, self.channel_name)


application = ProtocolTypeRouter(
    {"websocket": URLRouter([path("ws/galleries/<uuid:gallery_id>/", NaiveConsumer.as_asgi())])}
)
