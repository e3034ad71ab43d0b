from django.urls import path

from galleries import delivery, views
from galleries.archive import views as archive

urlpatterns = [
    path("", views.home, name="home"),
    path("galleries/", views.gallery_list, name="gallery_list"),
    path("galleries/<uuid:gallery_id>/", views.gallery_page, name="gallery"),
    path("galleries/<uuid:gallery_id>/photos/<uuid:photo_id>/", views.photo_page, name="photo"),
    path("galleries/<uuid:gallery_id>/change/", views.gallery_change, name="gallery_change"),
    path("galleries/<uuid:gallery_id>/delete/", views.gallery_delete, name="gallery_delete"),
    path("galleries/<uuid:gallery_id>/restore/", views.gallery_restore, name="gallery_restore"),
    path("galleries/<uuid:gallery_id>/photos/restore/", views.photos_restore, name="photos_restore"),
    path("galleries/<uuid:gallery_id>/download.zip", archive.download, name="gallery_archive"),
    path("galleries/<uuid:gallery_id>/sha256sums.txt", archive.checksums, name="gallery_checksums"),
    path("photos/<uuid:photo_id>/original", delivery.original, name="original"),
    path("photos/<uuid:photo_id>/web", delivery.web_size, name="web_size"),
    path("photos/<uuid:photo_id>/<slug:name>/<slug:digest>", delivery.rendition, name="rendition"),
]
