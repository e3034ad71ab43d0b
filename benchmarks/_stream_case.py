"""One way of bringing standard input into a bucket, in a process of its own: its CPU and memory are nobody else's."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

KEY: Final = "originals/00/stream/1"
READ_BYTES: Final = 1024 * 1024


async def by_our_stream() -> None:
    import httpx

    from client.stream import MultipartStream
    from galleries.objects.base import store_named
    from uploads.lanes.base import open_lanes
    from uploads.lanes.stream import LaneParts

    lanes = open_lanes(store_named("s3"))
    async with httpx.AsyncClient(timeout=60) as http:
        parts = LaneParts(lanes, KEY, http, content_type="application/octet-stream")
        stream = MultipartStream(parts)
        while content := await asyncio.to_thread(sys.stdin.buffer.read, READ_BYTES):
            await stream.write(content)
        await stream.close()


def by_boto3() -> None:
    """As its documentation has it: s3transfer, ten threads, parts of 8 MiB."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT_URL"],
        region_name=os.environ["S3_REGION"],
        aws_access_key_id=os.environ["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["S3_SECRET_ACCESS_KEY"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    client.upload_fileobj(sys.stdin.buffer, os.environ["S3_BUCKET"], KEY)


def configure() -> None:
    """The store alone: of the product nothing else is loaded."""
    from django.conf import settings

    options = {
        "bucket_name": os.environ["S3_BUCKET"],
        "endpoint_url": os.environ["S3_ENDPOINT_URL"],
        "region_name": os.environ["S3_REGION"],
        "access_key": os.environ["S3_ACCESS_KEY_ID"],
        "secret_key": os.environ["S3_SECRET_ACCESS_KEY"],
        "addressing_style": "path",
    }
    settings.configure(
        STORAGES={"s3": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}},
        PHOTO_STORE_PUBLIC_ENDPOINTS={"s3": os.environ["S3_ENDPOINT_URL"]},
    )


def main() -> None:
    if sys.argv[1] == "ours":
        configure()
        asyncio.run(by_our_stream())
    else:
        by_boto3()


if __name__ == "__main__":
    main()
