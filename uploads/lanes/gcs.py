"""The ways into a bucket of Google Cloud Storage: one signed PUT, and resumable sessions.

https://docs.cloud.google.com/storage/docs/performing-resumable-uploads
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Final, NoReturn

from django.conf import settings
from google.api_core.exceptions import from_http_response
from requests import Response

from galleries.errors import ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.objects.base import ObjectStore, StoredObject
from galleries.objects.gcs import GcsStore
from galleries.objects.gcs_bucket import RETRY, TIMEOUT_S
from galleries.objects.url_life import Life
from uploads.errors import LaneUnsupported, SessionGone
from uploads.lanes.base import (
    Capabilities,
    OpenSession,
    Received,
    SignedRequest,
    StoredPart,
    UploadLanes,
    Wanted,
)
from uploads.limits import SIGNED_URL_LIFE

URL_LIFE_S: Final = int(SIGNED_URL_LIFE.total_seconds())
# Only where nothing is yet: a used URL can't write again, a second session can't replace what the first has written.
NOTHING_THERE: Final = 0
RECEIVED: Final = re.compile(r"bytes=0-([0-9]{1,18})", re.ASCII)
RESUME_INCOMPLETE: Final = 308
CLIENT_CLOSED: Final = 499  # what a session answers that was cancelled
# The last: another session was faster, so that this one can never end.
GONE: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.GONE, CLIENT_CLOSED, HTTPStatus.PRECONDITION_FAILED}
)
WHOLE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})

# On the emulator's word, which is not Google's: it looks at no signature and at no condition.
CAPABILITIES: Final = Capabilities(
    put="proven",
    multipart=None,
    resumable="proven",
    conditional_put="declared",
    signed_checksum=None,  # it can sign a CRC32C or an MD5; what browsers give is a CRC32
    signed_part_checksum=None,
)


class GcsLanes(UploadLanes):
    """What a store that only speaks like Google's can't do is named in `settings.PHOTO_STORE_LACKS`, by capability."""

    store: GcsStore

    def __init__(self, store: ObjectStore) -> None:
        if not isinstance(store, GcsStore):
            raise TypeError(store)
        self.store = store
        self.bucket = store.bucket
        lacks: dict[str, Iterable[str]] = getattr(settings, "PHOTO_STORE_LACKS", {})
        self.capabilities = replace(CAPABILITIES, **dict.fromkeys(lacks.get(store.name, ())))

    def sign_put(self, key: str, *, size_bytes: int, content_type: str, crc32: str | None) -> SignedRequest:
        """The checksum can't be signed: whoever reads the object compares it."""
        del crc32
        headers = {
            "content-type": content_type,
            "x-goog-content-length-range": f"{size_bytes},{size_bytes}",
            **self.bucket.signed_parameters,
        }
        if self.capabilities.conditional_put:
            headers["x-goog-if-generation-match"] = str(NOTHING_THERE)
        url = self.bucket.signer.url("PUT", key, Life(int(self.clock()), URL_LIFE_S), headers=headers)
        return SignedRequest("PUT", url, headers)

    def begin_resumable(self, wanted: Wanted) -> str:
        try:
            return self._begin(wanted)
        except (ObjectChanged, ObjectMissing) as error:  # something lies there already, or the bucket is gone
            raise StorageUnavailable(reason=error.code) from error

    def probe_resumable(self, session_uri: str, *, size_bytes: int) -> Received:
        with self.bucket.asked("probe_resumable"):
            answer = self._ask("PUT", session_uri, {"content-range": f"bytes */{size_bytes}"})
            if answer.status_code in GONE:
                raise SessionGone
            if answer.status_code in WHOLE:
                return Received(size_bytes, is_whole=True)
            if answer.status_code != RESUME_INCOMPLETE:
                raise from_http_response(answer)
        return Received(kept_bytes(answer.headers.get("range")), is_whole=False)

    def cancel_resumable(self, session_uri: str) -> None:
        with self.bucket.asked("cancel_resumable"):
            answer = self._ask("DELETE", session_uri, {})
            if answer.status_code not in GONE and not answer.ok:
                raise from_http_response(answer)

    def create_multipart(self, key: str, *, content_type: str) -> str:
        del content_type
        self._refuse_parts(key)

    def sign_part(
        self, key: str, session: str, *, number: int, size_bytes: int, crc32: str | None
    ) -> SignedRequest:
        del session, number, size_bytes, crc32
        self._refuse_parts(key)

    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        del session
        self._refuse_parts(key)

    def complete_multipart(self, key: str, session: str, parts: Iterable[StoredPart]) -> StoredObject:
        del session, parts
        self._refuse_parts(key)

    def abort_multipart(self, key: str, session: str) -> None:
        del session
        self._refuse_parts(key)

    def list_sessions(self, prefix: str) -> Iterator[OpenSession]:
        """None: a resumable session is known by its URI alone, and the store forgets it after a week."""
        del prefix
        return iter(())

    def _begin(self, wanted: Wanted) -> str:
        with self.bucket.asked("begin_resumable"):
            session_uri: str = self.bucket.new_blob(wanted.key).create_resumable_upload_session(
                content_type=wanted.content_type,
                size=wanted.size_bytes,
                origin=wanted.origin,
                checksum=None,
                if_generation_match=NOTHING_THERE,
                timeout=TIMEOUT_S,
                retry=RETRY,
            )
        return self.bucket.for_browsers(session_uri)

    def _ask(self, method: str, session_uri: str, headers: dict[str, str]) -> Response:
        """Raises: what `asked` knows; any 5xx too, once it has been tried again."""

        def ask() -> Response:
            answer = self.bucket.keyless.request(
                method,
                self.bucket.for_server(session_uri),
                headers=headers,
                allow_redirects=False,
                timeout=TIMEOUT_S,
            )
            if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise from_http_response(answer)
            return answer

        answered: Response = RETRY(ask)()
        return answered

    def _refuse_parts(self, *keys: str) -> NoReturn:
        raise LaneUnsupported(lane="multipart", store=self.store.name, uploads=len(keys))


def kept_bytes(told: str | None) -> int:
    """Of `Range: bytes=0-41`. Without the header not a byte has been kept.

    Raises: StorageUnavailable for an answer that is none.
    """
    if told is None:
        return 0
    kept = RECEIVED.fullmatch(told)
    if kept is None:
        raise StorageUnavailable
    return int(kept[1]) + 1
