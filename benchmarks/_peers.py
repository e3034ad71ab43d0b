"""Uppy and Companion, at pinned versions: npm installs them below .build/ when first needed."""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from dev import front_end
from dev.node_packages import PLACES, installed
from dev.places import ROOT
from dev.processes import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dev.services.swift import SwiftServer

COMPANION: Final = {
    "dependencies": {"@uppy/companion": "6.2.2"},
    # Companion names versions of AWS packages that were never published; these were.
    "overrides": {
        "@aws-sdk/client-s3": "3.1169.0",
        "@aws-sdk/client-sts": "3.1169.0",
        "@aws-sdk/lib-storage": "3.1169.0",
        "@aws-sdk/s3-presigned-post": "3.1162.0",
        "@aws-sdk/s3-request-presigner": "3.1162.0",
    },
}
UPPY: Final = {
    "type": "module",
    "dependencies": {
        "@uppy/core": "6.3.1",
        "@uppy/aws-s3": "6.3.1",
        "@uppy/dashboard": "6.0.3",
        "@uppy/golden-retriever": "6.0.0",
        "esbuild": "0.28.2",
    },
}


@contextmanager
def running_companion(path: Path, store: SwiftServer, bucket: str) -> Iterator[int]:
    """The port of a Companion that signs for the same bucket as the product."""
    place = installed("companion", COMPANION, doing="install Companion to measure beside")
    port = free_port()
    environment = {
        **os.environ,
        "NODE_ENV": "production",
        "COMPANION_SECRET": "x" * 32,
        "COMPANION_PREAUTH_SECRET": "y" * 32,
        "COMPANION_DOMAIN": f"localhost:{port}",
        "COMPANION_PORT": str(port),
        "COMPANION_PROTOCOL": "http",
        "COMPANION_DATADIR": str(path),
        "COMPANION_CLIENT_ORIGINS": "http://localhost",
        "COMPANION_UPLOAD_URLS": "^http://127\\.0\\.0\\.1",
        "COMPANION_AWS_KEY": store.access_key,
        "COMPANION_AWS_SECRET": store.secret_key,
        "COMPANION_AWS_BUCKET": bucket,
        "COMPANION_AWS_REGION": store.region,
        "COMPANION_AWS_ENDPOINT": store.endpoint,
        "COMPANION_AWS_FORCE_PATH_STYLE": "true",
    }
    server = Server(
        [front_end.ensure_node().node, place / "node_modules" / "@uppy" / "companion" / "bin" / "companion"],
        log=path / "companion.log",
        env=environment,
        cwd=place,
    )
    try:
        server.wait_until(lambda: answers(f"http://127.0.0.1:{port}{companion_path(0)}"), within_s=60)
        yield port
    finally:
        server.stop()


def companion_path(number: int) -> str:
    return f"/s3/params?filename=IMG_{number:04d}.jpg&type=image/jpeg"


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of ours
            return bool(answer.read())
    except (urllib.error.URLError, OSError):
        return False


def built_page(name: str) -> Path:
    """One script of benchmarks/page with the packages that it imports; beside it its style, where it has one."""
    place = installed("uppy", UPPY, doing="install Uppy to measure beside")
    script = PLACES / f"{name}.js"
    subprocess.run(
        [
            place / "node_modules" / ".bin" / "esbuild",
            ROOT / "benchmarks" / "page" / f"{name}.js",
            *("--bundle", "--format=iife", "--log-level=error"),
            f"--outfile={script}",
        ],
        check=True,
        env={**front_end.ensure_node().environment(), "NODE_PATH": str(place / "node_modules")},
    )
    return script


def signed_for_uppy(store: SwiftServer, bucket: str, keys: Sequence[str], *, endpoint: str) -> dict[str, str]:
    """A URL for each key, at the store as the page reaches it."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=store.region,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    return {
        key: client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
        for key in keys
    }
