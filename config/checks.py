"""Start-up refuses what would fail later: decoders too old, a store that lacks what is asked of it."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from galleries.decode.floors import check_decoders
from galleries.objects.base import store_named
from uploads.lanes.base import lanes_of


@register(Tags.security)
def check_photo_store(**_: Any) -> list[CheckMessage]:
    """No network: only that the settings describe a store, and lanes into it."""
    try:
        store_named(settings.PHOTO_STORE)
        lanes = lanes_of(settings.PHOTO_STORE)
    except (ImproperlyConfigured, ImportError) as err:
        return [Error(f"PHOTO_STORE {settings.PHOTO_STORE!r} can't be used: {err}", id="safelight.E001")]
    missing = [lane for lane in ("put", "multipart") if not lanes.can(lane)]
    return (
        [Error(f"PHOTO_STORE {settings.PHOTO_STORE!r} lacks {missing}.", id="safelight.E002")]
        if missing
        else []
    )


@register(Tags.security, deploy=True)
def check_photo_decoders(**_: Any) -> list[CheckMessage]:
    """By `check --deploy` alone: it starts a process that loads every decoder."""
    return [Error(wrong, id="safelight.E003") for wrong in check_decoders()]
