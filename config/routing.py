from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from uploads.consumers import GalleryConsumer, ProgressConsumer

websocket_urlpatterns = [
    path("ws/galleries/<uuid:gallery_id>/", GalleryConsumer.as_asgi()),
    path("ws/progress/", ProgressConsumer.as_asgi()),
    re_path(r"", WebsocketDenier.as_asgi()),  # an unknown path is refused like a foreign page, not a fault
]
