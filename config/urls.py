from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView

from accounts.pages import your_account
from config import pages
from config.api import api

# The site's own sign-in counts guesses; the admin's would not.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("favicon.ico", RedirectView.as_view(url=static("img/lamp.svg"))),
    path("livez", pages.livez),
    path("healthz", pages.healthz),
    path("metrics", pages.metrics),
    path("api/", api.urls),
    path("accounts/mine/", your_account, name="your_account"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("", include("galleries.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("dev/states/", TemplateView.as_view(template_name="dev/states.html")))

handler404 = "config.pages.not_found"
handler500 = "config.pages.server_error"
