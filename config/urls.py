from django.contrib import admin
from django.urls import include, path

from config import pages
from config.api import api

urlpatterns = [
    path("livez", pages.livez),
    path("healthz", pages.healthz),
    path("api/", api.urls),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("", include("galleries.urls")),
]

handler404 = "config.pages.not_found"
handler500 = "config.pages.server_error"
