"""A stream of unknown length, from a pipe into Swift: by our stream on the lane, by boto3 and by `aws s3 cp -`.

Each is a process that reads the same bytes from its standard input. SIZE_MB (5,000) and REPETITIONS (1) make it short.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import boto3
from botocore.config import Config

from benchmarks import _places
from benchmarks._report import Line, interleaved, median_ratio, show
from benchmarks._stream_case import KEY
from dev import installers
from dev.node_packages import PLACES
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dev.services.swift import SwiftServer

SIZE_BYTES: Final = int(os.environ.get("SIZE_MB", "5000")) * 1_000_000
REPETITIONS: Final = int(os.environ.get("REPETITIONS", "1"))
AWSCLI: Final = "awscli==1.46.3"
BLOCK_BYTES: Final = 1_000_000
PEERS: Final = ("boto3", "aws s3 cp")


@dataclass(frozen=True, slots=True)
class Measured:
    took_s: float
    cpu_s: float
    most_rss_mb: float


def installed_awscli() -> Path:
    """A folder of its own: what it brings along has other versions than ours."""
    place = PLACES / AWSCLI.replace("==", "-")
    if not (place / "awscli").exists():
        words = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
        installers.run(
            [sys.executable, *words, "--target", place, AWSCLI],
            name="awscli",
            doing="install awscli to measure beside",
            source="a Python package index",
        )
    return place


def measured(store: SwiftServer, words: Sequence[str | Path], environment: Mapping[str, str]) -> Measured:
    """Into a bucket of its own, whose object must be whole afterwards, and is gone then."""
    bucket = store.make_bucket(f"stream-{uuid4().hex[:12]}")
    named = [str(word).replace("BUCKET", bucket) for word in words]
    began = time.monotonic()
    process = subprocess.Popen(
        named, stdin=subprocess.PIPE, cwd=ROOT, env={**environment, **store.environment(bucket)}
    )
    feed(process)
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{named[:4]} ended with {process.returncode}")
    check_and_delete(store, bucket)
    return Measured(took_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)


def feed(process: subprocess.Popen[bytes]) -> None:
    block = os.urandom(BLOCK_BYTES)
    pipe = process.stdin
    if pipe is None:
        raise RuntimeError("there is no pipe")
    with pipe:
        for _ in range(SIZE_BYTES // BLOCK_BYTES):
            pipe.write(block)


def check_and_delete(store: SwiftServer, bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        region_name=store.region,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    stored_bytes = client.head_object(Bucket=bucket, Key=KEY)["ContentLength"]
    if stored_bytes != SIZE_BYTES:
        raise RuntimeError(f"{stored_bytes:,} of {SIZE_BYTES:,} bytes were stored")
    client.delete_object(Bucket=bucket, Key=KEY)


def cases(store: SwiftServer) -> dict[str, partial[Measured]]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("S3_", "AWS_"))}
    for_aws = {
        **plain,
        "PYTHONPATH": str(installed_awscli()),
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": store.region,
        "AWS_CONFIG_FILE": os.devnull,
    }
    aws_words = ("s3", "cp", "--quiet", "--expected-size", str(SIZE_BYTES))
    aws = (sys.executable, "-m", "awscli", "--endpoint-url", store.endpoint, *aws_words)
    case = (sys.executable, "-m", "benchmarks._stream_case")
    return {
        "ours": partial(measured, store, (*case, "ours"), plain),
        "boto3": partial(measured, store, (*case, "boto3"), plain),
        "aws s3 cp": partial(measured, store, (*aws, "-", f"s3://BUCKET/{KEY}"), for_aws),
    }


def lines_of(found: Mapping[str, list[Measured]]) -> list[Line]:
    lines = []
    for peer in PEERS:
        for what, unit, values in (
            ("speed", "MB/s", {name: [SIZE_BYTES / 1e6 / each.took_s for each in found[name]] for name in found}),
            ("CPU", "s", {name: [each.cpu_s for each in found[name]] for name in found}),
            ("RSS at most", "MB", {name: [each.most_rss_mb for each in found[name]] for name in found}),
        ):  # fmt: skip
            ours, theirs = values["ours"], values[peer]
            mine, its = (f"{statistics.median(each):,.1f} {unit}" for each in (ours, theirs))
            lines.append(Line(f"{what}, beside {peer}", mine, its, ratio=median_ratio(ours, theirs)))
    return lines


def main() -> int:
    with _places.folder() as path, _places.running_swift(path) as store:
        found = interleaved(cases(store), repetitions=REPETITIONS)
    return show(f"{SIZE_BYTES / 1e6:,.0f} MB from a pipe, in parts of 8 MiB", lines_of(found))


if __name__ == "__main__":
    sys.exit(main())
