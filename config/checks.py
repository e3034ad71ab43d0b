"""Start-up refuses what would fail later: decoders too old, a store that lacks what is asked of it."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from galleries.decode.floors import check_decoders
from galleries.objects.base import STORE_CLASSES
from uploads.errors import LaneUnsupported
from uploads.lanes.base import Capabilities, UploadLanes, choose_lane, lanes_of
from uploads.limits import PREFERRED_PART_BYTES

# What of the environment makes a store be described at all.
DESCRIBED_BY: Final = {"s3": "S3_BUCKET", "gcs": "GCS_BUCKET"}
SETTINGS_BY_ALIAS: Final = ("PHOTO_STORE_PUBLIC_ENDPOINTS", "PHOTO_STORE_KEY_FILES", "PHOTO_STORE_LACKS")


@register(Tags.security)
def check_photo_stores(**_: Any) -> list[CheckMessage]:
    """No network: only that the settings describe stores, and the lanes into the one that new files go to."""
    return list(wrong_names()) or list(wrong_stores())


@register(Tags.security, deploy=True)
def check_photo_decoders(**_: Any) -> list[CheckMessage]:
    """By `check --deploy` alone: it starts a process that loads every decoder."""
    return [Error(wrong, id="safelight.E003") for wrong in check_decoders()]


def refuse_unusable_stores() -> None:
    """For processes that run no checks of their own.

    Raises: ImproperlyConfigured.
    """
    if wrong := check_photo_stores():
        raise ImproperlyConfigured(" ".join(message.msg for message in wrong))


def photo_stores() -> list[str]:
    return [alias for alias, each in settings.STORAGES.items() if each["BACKEND"] in STORE_CLASSES]


def wrong_names() -> Iterator[CheckMessage]:
    known = photo_stores()
    if settings.PHOTO_STORE not in known:
        variable = DESCRIBED_BY.get(settings.PHOTO_STORE)
        how = f"set {variable}" if variable else f"the stores are {', '.join(known)}"
        yield Error(
            f"PHOTO_STORE is {settings.PHOTO_STORE!r}, which nothing describes: {how}.", id="safelight.E001"
        )
    for name in SETTINGS_BY_ALIAS:
        for alias in getattr(settings, name, {}).keys() - known:
            yield Error(f"{name} names {alias!r}, which is no photo store.", id="safelight.E004")
    capabilities = {field.name for field in fields(Capabilities)}
    for alias, lacks in getattr(settings, "PHOTO_STORE_LACKS", {}).items():
        for word in sorted(set(lacks) - capabilities):
            yield Error(
                f"PHOTO_STORE_LACKS: {alias!r} can't lack {word!r}, which is no capability.",
                id="safelight.E004",
            )


def wrong_stores() -> Iterator[CheckMessage]:
    """Also those that are not the default: rows may still name them."""
    for alias in photo_stores():
        try:
            lanes = lanes_of(alias)
        except (ImproperlyConfigured, ImportError) as error:
            yield Error(f"The photo store {alias!r} can't be used: {error}", id="safelight.E001")
        else:
            if alias == settings.PHOTO_STORE:
                yield from missing_ways(lanes)


def missing_ways(lanes: UploadLanes) -> Iterator[CheckMessage]:
    """By the one rule that chooses lanes: a file of one part and a larger one must each have a way in."""
    for which, size_bytes in (("up to", PREFERRED_PART_BYTES), ("above", PREFERRED_PART_BYTES + 1)):
        try:
            choose_lane(lanes, size_bytes=size_bytes)
        except LaneUnsupported:
            yield Error(
                f"The photo store {lanes.store.name!r} takes no file {which} {PREFERRED_PART_BYTES // 2**20} MiB: "
                "it lacks the lanes.",
                id="safelight.E002",
            )
