"""The product in its own processes, each of which may be killed: impatient, so that healing is seen in seconds."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from dev import python_packages
from dev.places import ROOT
from dev.processes import Server, free_port
from dev.services import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

LEASE_S: Final = 2
# Beyond the life of URLs, of dead attempts and of deleted photos: what is nobody's is gone by then.
HOURS_LATER: Final = 26
SOUND: Final = {"broken": [], "unanswered": [], "open_sessions": [], "discards": 0, "open_uploads": 0}
# On a machine that does much else.
PATIENCE_S: Final = 120.0
CELERY: Final = ("-m", "celery", "--quiet", "--app", "config")
ALONE: Final = ("--without-gossip", "--without-mingle")


@dataclass(frozen=True)
class File:
    """A photo that somebody has chosen."""

    name: str
    content: bytes
    lane: str = "put"

    @property
    def crc32(self) -> str:
        return f"{zlib.crc32(self.content):08x}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def declared(self) -> dict[str, Any]:
        return {
            "client_id": self.name,
            "name": f"{self.name}.jpg",
            "size": len(self.content),
            "lane": self.lane,
        }


class SmallProduct:
    """Web, worker, sweeper, beat and a Redis; whatever dies is started again by whoever needs it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder, self.traps = folder, folder / "traps"
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.traps.mkdir(parents=True)
        self.redis = redis.start(folder / "redis", python_packages.ensure_redis())
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SITE_URL"}},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PORT": str(self.port),
            "DATA_DIR": str(folder),
            "SECRET_KEY": "a key for sites that live as long as a test, and for nothing else",
            "DEMO_PASSWORD": "correct horse",
            "REDIS_URL": self.redis.url,
            "UPLOAD_LEASE_S": str(LEASE_S),
            "SWEEP_EVERY_S": "1",
            "CRASH_AT": f"{self.traps}/",
        }
        self.run("-m", "dev.prepare_data")
        self.token = self.run("manage.py", "api_token", "demo").strip()
        self.servers = {name: self.start(name, words) for name, words in self.programs().items()}
        self.wait_until(self.is_up)

    def programs(self) -> dict[str, Sequence[str]]:
        web = ("-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(self.port))
        return {
            "web": (*web, "--no-access-log", "--log-level", "warning"),
            "worker": (*CELERY, "worker", "-Q", "work", "-c", "2", "-n", "work@%h", *ALONE),
            "sweeper": (*CELERY, "worker", "-Q", "sweep", "-c", "1", "-P", "solo", "-n", "sweep@%h", *ALONE),
            "beat": (*CELERY, "beat", "--schedule", str(self.folder / "beat"), "--pidfile="),
        }

    def start(self, name: str, words: Sequence[str]) -> Server:
        command = [sys.executable, *words]
        return Server(command, log=self.folder / f"{name}.log", env=self.environment, cwd=ROOT)

    def run(self, *words: str) -> str:
        ended = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr[-3_000:]
        return ended.stdout

    def stop(self) -> None:
        self.connection.close()
        for server in self.servers.values():
            server.kill()
        self.redis.stop()

    def revive(self) -> None:
        """As the supervisor does: what a dead one leaves behind goes first."""
        for server in self.servers.values():
            if not server.is_running():
                server.kill()
                server.start_again()

    def logs(self) -> str:
        return "\n".join(file.read_text(errors="replace")[-3_000:] for file in self.folder.glob("*.log"))

    # --- traps

    def arm(self, point: str) -> None:
        (self.traps / point).touch()

    def has_struck(self, point: str) -> bool:
        return not (self.traps / point).exists()

    # --- what a client does

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Again until it is answered, as every client of ours does. Raises: AssertionError for a refusal."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        status, answer = self.send(method, f"/api{path}", content, headers)
        assert status < 300, (method, path, status, answer[:500])
        return json.loads(answer) if answer else None

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.ask(method, path, body, headers)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline, self.logs()
                self.revive()
                time.sleep(0.05)

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """On a connection that is kept while all goes well."""
        try:
            self.connection.request(method, path, body, {"Host": f"localhost:{self.port}", **headers})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def is_up(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/healthz", b"", {})[0] == 200
        return False

    def wait_until(self, is_so: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, f"it did not happen\n{self.logs()}"
            time.sleep(0.05)

    def make_gallery(self) -> Gallery:
        return Gallery(self, self.call("POST", "/galleries", {"title": "By the sea"})["id"])


@dataclass
class Gallery:
    """One gallery, and a client that sends files to it."""

    product: SmallProduct
    id: str
    files: list[File] = field(default_factory=list)

    def register(self, files: Sequence[File]) -> list[dict[str, Any]]:
        self.files += [file for file in files if file not in self.files]
        body = {"files": [file.declared() for file in files], "sign": False}
        rows: list[dict[str, Any]] = self.product.call("POST", f"/galleries/{self.id}/uploads/batch", body)[
            "uploads"
        ]
        assert [row["error"] for row in rows] == [None] * len(rows), rows
        return rows

    def send(self, files: Sequence[File]) -> list[str]:
        """Registered, signed, stored and completed; the ids."""
        ids = [row["id"] for row in self.register(files)]
        asks = [{"id": each, "crc32": file.crc32} for each, file in zip(ids, files, strict=True)]
        for row, file in zip(
            self.product.call("POST", "/uploads/sign", {"uploads": asks})["uploads"], files, strict=True
        ):
            self.store(row, file)
        self.product.call("POST", "/uploads/complete", {"uploads": asks})
        return ids

    def store(self, row: dict[str, Any], file: File) -> None:
        transfer = row.get("transfer")
        if transfer is None:
            return  # it is there already
        if transfer["lane"] == "resumable":
            self.store_rest(transfer, file.content)
            return
        parts = transfer.get("parts") or [
            {"request": transfer["request"], "offset": 0, "size": len(file.content)}
        ]
        for part in parts:
            request, body = part["request"], file.content[part["offset"] : part["offset"] + part["size"]]
            parsed = urlsplit(request["url"])
            status, answer = self.product.send(
                request["method"], f"{parsed.path}?{parsed.query}", body, request["headers"]
            )
            assert status in {200, 412}, (status, answer)

    def store_rest(self, transfer: dict[str, Any], content: bytes) -> None:
        """From where the session stands, in one chunk."""
        first, size = transfer["offset"], len(content)
        headers = {"Content-Range": f"bytes {first}-{size - 1}/{size}"}
        path = urlsplit(transfer["session_uri"]).path
        status, answer = self.product.send("PUT", path, content[first:], headers)
        assert status in {200, 201}, (status, answer)

    def uploads(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.product.call("GET", f"/galleries/{self.id}/uploads?limit=1000")[
            "uploads"
        ]
        return rows

    def photos(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.product.call("GET", f"/galleries/{self.id}/photos?limit=1000")[
            "photos"
        ]
        return rows

    def is_done(self) -> bool:
        rows = self.uploads()
        assert not {row["state"] for row in rows} & {"failed", "cancelled", "expired"}, rows
        return len(rows) == len(self.files) and {row["state"] for row in rows} == {"verified"}

    def wait_until_done(self, within_s: float = PATIENCE_S) -> None:
        """What dies meanwhile is started again, as by the supervisor: Celery may end where Redis leaves it."""

        def is_done_at_last() -> bool:
            self.product.revive()
            return self.is_done()

        self.product.wait_until(is_done_at_last, within_s)

    def assert_nothing_lost_or_doubled(self) -> None:
        chosen = sorted((f"{file.name}.jpg", file.sha256) for file in self.files)
        assert sorted((photo["name"], photo["sha256"]) for photo in self.photos()) == chosen


class Inspector:
    """A process that sweeps and looks; it may meet a trap itself, and is then started again."""

    def __init__(self, product: SmallProduct) -> None:
        self.product = product
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.inspector"],
            cwd=ROOT, env=self.product.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        return process

    def look(self) -> dict[str, Any] | None:
        """None when it was killed over it."""
        self.process.stdin.write(f"{HOURS_LATER}\n")
        self.process.stdin.flush()
        if said := self.process.stdout.readline():
            return json.loads(said)
        self.stop()
        self.process = self.start()
        return None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def small_product(short_folder: Path) -> Iterator[SmallProduct]:
    product = SmallProduct(short_folder / "small")
    yield product
    product.stop()


@pytest.fixture(scope="session")
def inspector(small_product: SmallProduct) -> Iterator[Inspector]:
    inspector = Inspector(small_product)
    yield inspector
    inspector.stop()
