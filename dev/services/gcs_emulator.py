"""A bucket on loopback: gcp-storage-emulator, and in front of it what Google's documentation says and it leaves out.

The emulator itself keeps objects, answers ranges, lists, copies, keeps resumable sessions and the rules of buckets.
It looks at no signature, no expiry, no condition and no origin, cancels no session, forgets a finished one at once
and tells one byte of a session that has none. All that is added here from the documentation alone: what a test shows
of it is what the product sends, not what Google does with it.

Run as `python -m dev.services.gcs_emulator PORT KEY_FILE`; KEY_FILE is the service account whose signatures hold.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

XML_PATH: Final = re.compile(r"/(?P<bucket>[-.\w]+)/(?P<key>(?:originals|renditions)/.+)")
JSON_PATH: Final = re.compile(
    r"/(?:download/)?storage/v1/b/(?P<bucket>[-.\w]+)/o/(?P<key>[^/]+)(?P<verb>/.*)?"
)
BUCKET_PATH: Final = re.compile(r"/storage/v1/b/(?P<bucket>[-.\w]+)")
SESSION_PATH: Final = "/upload/storage/v1/b/"
CLIENT_CLOSED: Final = 499
RESUME_INCOMPLETE: Final = 308


class Refusal(NamedTuple):
    """An answer given instead of the emulator's."""

    status: int
    code: str


class Sessions:
    """What is known of resumable sessions beyond what the emulator keeps."""

    def __init__(self) -> None:
        self.origins: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.finished: dict[str, str] = {}  # session -> the answer that ended it


class Front(RequestHandler):  # type: ignore[misc]  # untyped
    """One request at a time reaches the emulator, whose storage knows no threads."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    sessions = Sessions()
    public_key: RSAPublicKey
    storage: Any
    rfile: Any
    wfile: Any

    def end_headers(self) -> None:
        for name, value in self._more_headers.items():
            self.send_header(name, value)
        super().end_headers()

    def _serve(self) -> None:
        """The body is read before and the answer written after the lock: a slow client stops nobody else."""
        client_in, client_out = self.rfile, self.wfile
        self._body = client_in.read(int(self.headers.get("Content-Length") or 0))
        self._more_headers: dict[str, str] = {}
        with self.lock:
            self.rfile, self.wfile = io.BytesIO(self._body), io.BytesIO()
            try:
                self._answer(self.command)
            finally:
                answer = self.wfile.getvalue()
                self.rfile, self.wfile = client_in, client_out
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815  http.server's names

    def _answer(self, method: str) -> None:
        self._asked = urlsplit(self.path)
        self._query = {name: values[0] for name, values in parse_qs(self._asked.query).items()}
        self._more_headers |= self._cors(method)
        if method == "OPTIONS":
            self._say(HTTPStatus.OK, "")
        elif "upload_id" in self._query:
            self._answer_session(method)
        elif refusal := self._refusal(method):
            self._say(refusal.status, refusal.code)
        else:
            self._pass_on(method)

    def _pass_on(self, method: str) -> None:
        xml = XML_PATH.fullmatch(self._asked.path)
        if xml and method == "PUT":
            self._more_headers["ETag"] = f'"{hashlib.md5(self._body, usedforsecurity=False).hexdigest()}"'
        elif xml and (stored := self.storage.objects.get(xml["bucket"], {}).get(unquote(xml["key"]))):
            self._more_headers["Cache-Control"] = stored.get("cacheControl") or "private, max-age=0"
        before = set(self.storage.resumable)
        Router(self).handle(method)
        if xml and method == "PUT":
            self._keep_headers(xml["bucket"], unquote(xml["key"]))
        for session in set(self.storage.resumable) - before:
            self.sessions.origins[session] = self.headers.get("Origin", "")

    def _keep_headers(self, bucket: str, key: str) -> None:
        stored = self.storage.get_file_obj(bucket, key)
        stored["cacheControl"] = self.headers.get("Cache-Control")
        stored["storageClass"] = self.headers.get("x-goog-storage-class", "STANDARD")
        stored["kmsKeyName"] = self.headers.get("x-goog-encryption-kms-key-name")

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status, "said")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # Sessions

    def _answer_session(self, method: str) -> None:
        session = self._query["upload_id"]
        is_probe = self.headers.get("Content-Range", "").startswith("bytes */")
        if session in self.sessions.cancelled:
            self._say(CLIENT_CLOSED, "cancelled")
        elif session in self.sessions.finished:
            self._say(HTTPStatus.OK, self.sessions.finished[session])
        elif session not in self.storage.resumable:
            self._say(HTTPStatus.NOT_FOUND, "no such session")
        elif method == "DELETE":
            self.sessions.cancelled.add(session)
            self._say(CLIENT_CLOSED, "cancelled")
        elif is_probe and not self.storage.get_resumable_byte_count(session):
            self._say(RESUME_INCOMPLETE, "")
        else:
            self._pass_to_session(session, method)

    def _pass_to_session(self, session: str, method: str) -> None:
        wanted = dict(self.storage.resumable[session])
        is_met = self._query.get("ifGenerationMatch") in {
            None,
            self._generation(wanted["bucket"], wanted["name"]),
        }
        if not is_met:
            self._say(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
            return
        Router(self).handle(method)
        if session not in self.storage.resumable:
            stored = self.storage.get_file_obj(wanted["bucket"], wanted["name"])
            self.sessions.finished[session] = json.dumps(stored)

    # What is refused

    def _refusal(self, method: str) -> Refusal | None:
        if xml := XML_PATH.fullmatch(self._asked.path):
            return self._wrong_signature(method) or self._wrong_put(method, xml)
        if bucket := BUCKET_PATH.fullmatch(self._asked.path):
            return self._changed_bucket(bucket["bucket"])
        return self._unmet_condition()

    def _wrong_put(self, method: str, xml: re.Match[str]) -> Refusal | None:
        if method != "PUT":
            return None
        least, _, most = self.headers.get("x-goog-content-length-range", "0,").partition(",")
        if not int(least) <= len(self._body) <= int(most or len(self._body)):
            return Refusal(HTTPStatus.BAD_REQUEST, "EntityTooLarge or EntityTooSmall")
        wanted = self.headers.get("x-goog-if-generation-match")
        if wanted is not None and wanted != self._generation(xml["bucket"], unquote(xml["key"])):
            return Refusal(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
        return None

    def _changed_bucket(self, name: str) -> Refusal | None:
        wanted = self._query.get("ifMetagenerationMatch")
        found = self.storage.buckets.get(name, {}).get("metageneration")
        if wanted in {None, found}:
            return None
        return Refusal(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")

    def _unmet_condition(self) -> Refusal | None:
        named = JSON_PATH.fullmatch(self._asked.path)
        wanted = self._query.get("ifSourceGenerationMatch") or self._query.get("ifGenerationMatch")
        if wanted is None:
            return None
        bucket = named["bucket"] if named else self._asked.path.removeprefix(SESSION_PATH).split("/")[0]
        key = unquote(named["key"]) if named else self._named_in_body()
        if wanted == self._generation(bucket, key):
            return None
        return Refusal(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")

    def _named_in_body(self) -> str:
        return self._query.get("name") or str(json.loads(self._body)["name"])

    def _generation(self, bucket: str, key: str) -> str:
        stored = self.storage.objects.get(bucket, {}).get(key)
        return "0" if stored is None else str(stored["generation"])

    def _wrong_signature(self, method: str) -> Refusal | None:
        """https://docs.cloud.google.com/storage/docs/authentication/canonical-requests."""
        pairs = [pair for pair in self._asked.query.split("&") if not pair.startswith("X-Goog-Signature=")]
        names = self._query.get("X-Goog-SignedHeaders", "").split(";")
        unsigned = [
            name for name in self.headers if name.lower().startswith("x-goog-") and name.lower() not in names
        ]
        if unsigned or any(name not in self.headers for name in names):
            return Refusal(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch")
        lines = "".join(f"{name}:{self.headers[name]}\n" for name in names)
        canonical = "\n".join(
            [method, self._asked.path, "&".join(sorted(pairs)), lines, ";".join(names), "UNSIGNED-PAYLOAD"]
        )
        date = self._query["X-Goog-Date"]
        scope = self._query["X-Goog-Credential"].partition("/")[2]
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        try:
            self.public_key.verify(
                bytes.fromhex(self._query["X-Goog-Signature"]),
                f"GOOG4-RSA-SHA256\n{date}\n{scope}\n{digest}".encode(),
                PKCS1v15(),
                SHA256(),
            )
        except InvalidSignature:
            return Refusal(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch")
        began_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if time.time() >= began_at + int(self._query["X-Goog-Expires"]):
            return Refusal(HTTPStatus.BAD_REQUEST, "ExpiredToken")
        return None

    # Origins

    def _cors(self, method: str) -> dict[str, str]:
        """A session answers the origin it was begun for; anything else those that the bucket's rules name."""
        origin = self.headers.get("Origin")
        xml = XML_PATH.fullmatch(self._asked.path)
        if origin is None:
            return {}
        if "upload_id" in self._query:
            if self.sessions.origins.get(self._query["upload_id"]) != origin:
                return {}
            return allowed(origin, ["PUT", "DELETE"], ["content-type", "content-range", "range"])
        wanted = self.headers.get("Access-Control-Request-Method", method)
        rules = self.storage.buckets.get(xml["bucket"], {}).get("cors", []) if xml else []
        for rule in rules:
            if {origin, "*"} & set(rule.get("origin", ())) and wanted in rule.get("method", ()):
                return allowed(origin, rule["method"], rule.get("responseHeader", []))
        return {}

    def log_message(self, *_: object) -> None:
        """Nothing: session URIs are in it."""


def allowed(origin: str, methods: list[str], headers: list[str]) -> dict[str, str]:
    names = ", ".join(headers)
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": names,
        "Access-Control-Expose-Headers": names,
        "Vary": "Origin",
    }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(port: int, key_file: Path) -> None:
    key = load_pem_private_key(json.loads(key_file.read_text())["private_key"].encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(key)
    Front.public_key = key.public_key()
    storage = Storage(use_memory_fs=True)

    class Handler(Front):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(storage, *arguments)

    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
