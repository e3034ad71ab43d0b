"""OpenStack Swift with its S3 interface: a real, signature-checking, persistent object store on loopback.

One proxy, one account, one container and one object server; no root and no memcached. The same directory
started again, on any port, holds the same buckets, objects and unfinished multipart uploads.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import os
import pwd
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from dev.processes import Server, free_port
from dev.refusal import Refusal

ACCESS_KEY: Final = "test:tester"
SECRET_KEY: Final = "testing"  # noqa: S105 - of a store that listens on loopback and holds test data
REGION: Final = "us-east-1"
_EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()

_SWIFT_CONF: Final = """\
[swift-hash]
swift_hash_path_prefix = safelight
swift_hash_path_suffix = safelight
[swift-constraints]
max_header_size = 32768
[storage-policy:0]
name = Policy-0
default = yes
"""

# workers = 0 serves from the process itself: one process a server, which dies with us.
_COMMON: Final = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
fallocate_reserve = 0
log_level = WARNING
"""

_STORAGE_SERVER: Final = """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
recon_cache_path = {cache}
"""

# What Swift calls `cors_*` is the whole of its CORS: it has no PutBucketCors.
_PROXY: Final = """\
cors_allow_origin = {origin}
cors_expose_headers = ETag,x-amz-request-id
[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink
  proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = {region}
cors_preflight_allow_origin = {origin}
max_upload_part_num = 10000
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""

# Run by Swift's own Python. The power, and so every object's place, stays; the ports may change.
_MAKE_RINGS: Final = """\
import sys
from swift.common.ring import RingBuilder
etc = sys.argv[1]
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 1)
    place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "sda1"}
    builder.add_dev({**place, "weight": 1})
    builder.rebalance(seed="1")
    builder.get_ring().save(f"{etc}/{name}.ring.gz")
"""


@dataclass(frozen=True, slots=True)
class SwiftServer:
    """A running store. `endpoint` is what S3 clients and browsers are given."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str
    servers: tuple[Server, ...]

    def make_bucket(self, name: str) -> str:
        """Makes a bucket (Swift wants at least three letters) and returns its name. Safe to call twice."""
        status = _ask("PUT", _port_of(self.servers[-1]), f"/{name}")
        if status not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:
            raise OSError(f"Swift answered {status} to a new bucket named {name}")
        return name

    def environment(self, bucket: str) -> dict[str, str]:
        """What the product reads to keep its photos here."""
        return {
            "PHOTO_STORE": "s3",
            "S3_BUCKET": bucket,
            "S3_ENDPOINT_URL": self.endpoint,
            "S3_REGION": self.region,
            "S3_ACCESS_KEY_ID": self.access_key,
            "S3_SECRET_ACCESS_KEY": self.secret_key,
            "S3_ADDRESSING_STYLE": "path",
        }

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def start_again(self) -> None:
        """The same store on the same port, after `stop` or `kill`."""
        for server in self.servers:
            server.start_again()
        _wait_for_all(self.servers)


def start(directory: Path, python: Path, *, port: int | None = None, cors_origin: str = "*") -> SwiftServer:
    """Starts a store whose data stay below `directory`.

    Args:
        directory: where rings, settings, logs and data go; on a file system with user extended attributes.
        python: the interpreter of the environment that has Swift.
        port: of the S3 endpoint; a free one when None.
        cors_origin: whose pages may talk to it; "*" for any.

    Raises:
        Refusal: the file system keeps no user extended attributes.
        TimeoutError: a server was not ready in time.
    """
    etc = directory / "etc"
    for folder in (etc, directory / "cache", directory / "data" / "sda1"):
        folder.mkdir(parents=True, exist_ok=True)
    refuse_without_xattrs(directory)
    proxy_port = port or free_port()
    ports = {"account": free_port(), "container": free_port(), "object": free_port(), "proxy": proxy_port}
    _write_settings(directory, ports, cors_origin)
    subprocess.run(
        [
            python,
            "-W",
            "ignore",
            "-c",
            _MAKE_RINGS,
            etc,
            *(str(ports[name]) for name in ("account", "container", "object")),
        ],
        check=True,
        capture_output=True,
    )
    servers = tuple(
        Server(
            [python, python.parent / f"swift-{name}-server", etc / f"{name}-server.conf"],
            log=directory / f"{name}.log",
        )
        for name in ports
    )
    _wait_for_all(servers)
    return SwiftServer(f"http://127.0.0.1:{proxy_port}", ACCESS_KEY, SECRET_KEY, REGION, servers)


def refuse_without_xattrs(directory: Path) -> None:
    """Raises: Refusal where Swift could not keep an object's metadata beside it."""
    if not hasattr(os, "setxattr"):
        raise Refusal("Swift runs on Linux only.")
    probe = directory / "xattr-probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.safelight", b"kept")
    except OSError as error:
        raise Refusal(
            f"{directory} is on a file system without user extended attributes, which Swift needs; "
            "set TMPDIR to a folder on ext4, xfs or btrfs."
        ) from error
    finally:
        probe.unlink()


def _write_settings(directory: Path, ports: dict[str, int], cors_origin: str) -> None:
    etc = directory / "etc"
    (etc / "swift.conf").write_text(_SWIFT_CONF)
    user = pwd.getpwuid(os.getuid()).pw_name
    for name, port in ports.items():
        common = _COMMON.format(port=port, user=user, etc=etc, devices=directory / "data")
        if name == "proxy":
            rest = _PROXY.format(origin=cors_origin, region=REGION, secret=SECRET_KEY)
        else:
            rest = _STORAGE_SERVER.format(name=name, cache=directory / "cache")
        (etc / f"{name}-server.conf").write_text(common + rest)


def _wait_for_all(servers: tuple[Server, ...]) -> None:
    """Ready means that a signed request was answered, which takes the proxy and the account server."""
    for server in servers:
        path = "/" if server is servers[-1] else "/healthcheck"
        server.wait_until(partial(_answers, _port_of(server), path), within_s=30)


def _port_of(server: Server) -> int:
    settings = Path(server.command[-1]).read_text()
    return int(settings.partition("bind_port = ")[2].split()[0])


def _answers(port: int, path: str) -> bool:
    try:
        return _ask("GET", port, path) < HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False


def _ask(method: str, port: int, path: str) -> int:
    """The status of a request without body or query, signed with AWS Signature Version 4.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    time_stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time_stamp[:8]}/{REGION}/s3/aws4_request"
    signed = {"host": f"127.0.0.1:{port}", "x-amz-content-sha256": _EMPTY_SHA256, "x-amz-date": time_stamp}
    header_lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    canonical = "\n".join((method, path, "", header_lines, ";".join(signed), _EMPTY_SHA256))
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", time_stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"Credential={ACCESS_KEY}/{scope}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(
            method, path, headers={**signed, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
        )
        return connection.getresponse().status
