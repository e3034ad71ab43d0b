"""Which pages are the site's own: scheme, host and port."""

from typing import Final
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


def own_origins() -> frozenset[str]:
    """A site on this machine is meant under each of the machine's own names."""
    origins = {settings.SITE_URL, *settings.CSRF_TRUSTED_ORIGINS}
    parts = urlsplit(settings.SITE_URL)
    if parts.hostname in {name.strip("[]") for name in LOOPBACK_NAMES}:
        port = f":{parts.port}" if parts.port else ""
        origins |= {urlunsplit((parts.scheme, name + port, "", "", "")) for name in LOOPBACK_NAMES}
    return frozenset(origins)


def page_origin(claimed: str | None) -> str:
    """Where the page lies that will send: what its request says, if that is ours; a program says nothing."""
    return claimed if claimed in own_origins() and claimed is not None else str(settings.SITE_URL)
