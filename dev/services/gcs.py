"""Google Cloud Storage as far as it can be had on loopback; gcs_emulator.py says how far that is."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dev.places import ROOT
from dev.processes import Server, free_port

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT: Final = "photos@safelight-tests.iam.gserviceaccount.com"
PROJECT: Final = "safelight-tests"


@dataclass(frozen=True, slots=True)
class GcsServer:
    """A running store. `key_file` is the account that signs; it lives as long as the store."""

    endpoint: str
    key_file: Path
    server: Server

    def make_bucket(self, name: str) -> str:
        """Makes a bucket and returns its name. Safe to call twice."""
        status = self._ask("POST", "/storage/v1/b", json.dumps({"name": name}))
        if status not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:
            raise OSError(f"the store answered {status} to a new bucket named {name}")
        return name

    def allow_origins(self, bucket: str, origins: list[str], headers: list[str]) -> None:
        rule = {"origin": origins, "method": ["PUT", "GET", "HEAD"], "responseHeader": headers}
        self._ask("PATCH", f"/storage/v1/b/{bucket}", json.dumps({"cors": [rule]}))

    def environment(self, bucket: str) -> dict[str, str]:
        """What the product reads to keep its photos here."""
        return {
            "PHOTO_STORE": "gcs",
            "GCS_BUCKET": bucket,
            "GCS_PROJECT": PROJECT,
            "GCS_CREDENTIALS": str(self.key_file),
            "GCS_ENDPOINT_URL": self.endpoint,
        }

    def stop(self) -> None:
        self.server.stop()

    def answers(self) -> bool:
        try:
            return self._ask("GET", "/storage/v1/b", None) == HTTPStatus.OK
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: str | None) -> int:
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"content-type": "application/json"})
            return connection.getresponse().status


def start(directory: Path, *, port: int | None = None) -> GcsServer:
    """Starts a store that keeps its data in memory, and makes the account that may sign for it.

    Raises:
        TimeoutError: it was not ready in time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    key_file = write_key_file(directory / "account.json")
    port = port or free_port()
    server = Server(
        [sys.executable, "-m", "dev.services.gcs_emulator", str(port), key_file],
        log=directory / "gcs.log",
        cwd=ROOT,
    )
    started = GcsServer(f"http://127.0.0.1:{port}", key_file, server)
    server.wait_until(started.answers, within_s=30)
    return started


def write_key_file(path: Path) -> Path:
    """A service account that nobody else has ever heard of."""
    key = generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "made-for-tests",
        "private_key": pem,
        "client_email": ACCOUNT,
        "token_uri": "http://127.0.0.1:9/token",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(account))
    return path
