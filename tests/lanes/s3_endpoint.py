"""A store `s3` at an address of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from galleries.objects.base import forget_stores

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper


def use_endpoint(settings: SettingsWrapper, endpoint: str, **options: Any) -> None:
    """Until `forget_stores`; the settings come back with the fixture."""
    settings.STORAGES = settings.STORAGES | {
        "s3": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "photos",
                "endpoint_url": endpoint,
                "region_name": "us-east-1",
                "access_key": "key",
                "secret_key": "secret",
                "addressing_style": "path",
                **options,
            },
        }
    }
    settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {"s3": endpoint}
    forget_stores()
