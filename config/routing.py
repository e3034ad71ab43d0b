from django.urls import path

from uploads.consumers import GalleryConsumer, ProgressConsumer

websocket_urlpatterns = [
    path("ws/galleries/<uuid:gallery_id>/", GalleryConsumer.as_asgi()),
    path("ws/progress/", ProgressConsumer.as_asgi()),
]
