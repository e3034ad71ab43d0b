from django.urls import path

from galleries import delivery

urlpatterns = [
    path("photos/<uuid:photo_id>/original", delivery.original, name="original"),
    path("photos/<uuid:photo_id>/<slug:name>/<slug:digest>", delivery.rendition, name="rendition"),
]
