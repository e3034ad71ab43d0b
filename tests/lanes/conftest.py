"""Four stores with one face: our own, moto in this process, a real OpenStack Swift, and an emulator of Google's.

The last has no parts, and what it refuses it refuses as documented (see dev/services/gcs_emulator.py).
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import uvicorn
from moto.server import ThreadedMotoServer

from config.local_door import LocalDoor
from galleries.objects.base import ObjectStore, forget_stores, original_key, store_named
from uploads.lanes.base import SignedRequest, UploadLanes, lanes_of
from uploads.lanes.local import LocalLanes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Stage:
    """A store, and a browser that sends it bytes over a socket of its own."""

    name: str
    store: ObjectStore
    lanes: UploadLanes
    site: str
    upload_id: UUID = field(default_factory=uuid4)

    def key(self, attempt: int = 1) -> str:
        return original_key(self.upload_id, attempt)

    def other_key(self) -> str:
        return original_key(uuid4(), 1)

    @staticmethod
    def eventually(is_true: Callable[[], object], within_s: float = 20.0) -> None:
        """Waits for what another thread or process is about to do."""
        pause = threading.Event()
        ends_at = time.monotonic() + within_s
        while not is_true():
            assert time.monotonic() < ends_at, "it did not happen"
            pause.wait(0.01)

    def send(self, request: SignedRequest, body: bytes, **changed: str | None) -> Answer:
        """Sends it as signed, but for the headers given here: None leaves one out."""
        headers = {**request.headers, **{name.replace("_", "-"): value for name, value in changed.items()}}
        kept = {name: value for name, value in headers.items() if value is not None}
        return self.ask(request.method, request.url, body, kept)

    def ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url if "://" in url else self.site + url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


async def nothing_else(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"the next application"})


@pytest.fixture(scope="session")
def door() -> Iterator[str]:
    """The local store's door on a port of its own; where its objects lie is up to each test."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(LocalDoor(nothing_else), lifespan="off", ws="none", log_level="warning")
    )
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def local_stage(door, settings, tmp_path) -> Iterator[Stage]:
    settings.STORAGES = settings.STORAGES | {
        "local": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "objects", "base_url": "/-/objects/"},
        }
    }
    forget_stores()
    yield Stage("local", store_named("local"), lanes_of("local"), door)
    forget_stores()


@pytest.fixture
def s3_stage(settings) -> Iterator[Callable[..., Stage]]:
    def make(name: str, endpoint: str, access_key: str, secret_key: str) -> Stage:
        settings.STORAGES = settings.STORAGES | {
            "s3": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {
                    "bucket_name": f"photos-{uuid4().hex[:12]}",
                    "endpoint_url": endpoint,
                    "region_name": "us-east-1",
                    "access_key": access_key,
                    "secret_key": secret_key,
                    "addressing_style": "path",
                },
            }
        }
        settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {"s3": endpoint}
        forget_stores()
        store = store_named("s3")
        store.bucket.client.create_bucket(Bucket=store.bucket.name)
        return Stage(name, store, lanes_of("s3"), endpoint)

    yield make
    forget_stores()


@pytest.fixture
def moto_stage(moto, s3_stage) -> Stage:
    return s3_stage("moto", moto, "key", "secret")


@pytest.fixture
def swift_stage(swift, s3_stage) -> Stage:
    return s3_stage("swift", swift.endpoint, swift.access_key, swift.secret_key)


@pytest.fixture
def gcs_stage(gcs, settings) -> Iterator[Stage]:
    bucket = gcs.make_bucket(f"photos-{uuid4().hex[:12]}")
    settings.STORAGES = settings.STORAGES | {
        "gcs": {
            "BACKEND": "storages.backends.gcloud.GoogleCloudStorage",
            "OPTIONS": {"bucket_name": bucket, "custom_endpoint": gcs.endpoint},
        }
    }
    settings.PHOTO_STORE_PUBLIC_ENDPOINTS = {"gcs": gcs.endpoint}
    settings.PHOTO_STORE_KEY_FILES = {"gcs": str(gcs.key_file)}
    forget_stores()
    yield Stage("gcs", store_named("gcs"), lanes_of("gcs"), gcs.endpoint)
    forget_stores()


LOCAL, MOTO = "local", "moto"
SWIFT = pytest.param("swift", marks=pytest.mark.services)
GCS = pytest.param("gcs", marks=pytest.mark.services)


@pytest.fixture(params=[LOCAL, MOTO, SWIFT, GCS])
def stage(request) -> Stage:
    return request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(params=[LOCAL, SWIFT, GCS])
def strict_stage(request) -> Stage:
    """Those that check signatures, lengths and conditions; moto says 200 to everything."""
    return request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(params=[LOCAL, MOTO, SWIFT])
def parts_stage(request) -> Stage:
    return request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(params=[LOCAL, SWIFT])
def strict_parts_stage(request) -> Stage:
    """Those that check the CRC32 of a PUT and of a part too."""
    return request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(params=[*([LOCAL] if LocalLanes.capabilities.resumable else []), GCS])
def resumable_stage(request) -> Stage:
    return request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(params=[MOTO, SWIFT])
def bucket_stage(request) -> Stage:
    return request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(params=[MOTO, SWIFT, GCS])
def signing_stage(request) -> Stage:
    """Those that browsers read from by signed URLs."""
    return request.getfixturevalue(f"{request.param}_stage")
