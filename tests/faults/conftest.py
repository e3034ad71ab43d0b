"""A real store behind a gate at which requests fail: the server's own calls and the browser's, as rules say."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import pytest

from galleries.objects.base import forget_stores, store_named
from tests.builders import jpeg
from tests.fault_gate.gate import FaultGate
from tests.lanes.conftest import Stage
from uploads.lanes.base import SignedRequest, lanes_of
from uploads.store_calls import threads_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.services.swift import SwiftServer

COMMENT_BYTES = 60_000


@pytest.fixture
def gate(swift: SwiftServer) -> Iterator[FaultGate]:
    with FaultGate.start(swift.endpoint) as gate:
        yield gate
    threads_of.cache_clear()  # some may wait still for what the gate held


@pytest.fixture
def stage(gate: FaultGate, swift: SwiftServer, swift_bucket: str, settings: Any) -> Stage:
    """Swift, reached through the gate alone; new uploads go there."""
    options = {
        "bucket_name": swift_bucket,
        "endpoint_url": gate.url,
        "region_name": swift.region,
        "access_key": swift.access_key,
        "secret_key": swift.secret_key,
        "addressing_style": "path",
    }
    settings.STORAGES = settings.STORAGES | {
        "s3": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }
    settings.PHOTO_STORE, settings.PHOTO_STORE_PUBLIC_ENDPOINTS = "s3", {"s3": gate.url}
    forget_stores()
    stage = Stage("swift", store_named("s3"), lanes_of("s3"), gate.url)
    stage.store.find(stage.key())  # the one call that only the first question costs: is the bucket there?
    gate.forget()
    return stage


def photo_of(size: int, seed: int = 0) -> bytes:
    """A photo of exactly that many bytes, most of them comments."""
    photo = jpeg(seed)
    while (missing := size - len(photo)) > 0:
        length = min(COMMENT_BYTES, missing)
        if 0 < missing - length < 4:  # a comment of less than four bytes there is not
            length -= 4
        comment = b"\xff\xfe" + (length - 2).to_bytes(2, "big") + b"." * (length - 4)
        photo = photo[:2] + comment + photo[2:]
    return photo


def crc_of(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def request_in(transfer: dict[str, Any]) -> SignedRequest:
    """The request of a `put` transfer, or that of one part."""
    return SignedRequest(**transfer["request"])
