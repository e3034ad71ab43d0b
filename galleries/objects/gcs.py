"""Objects in a bucket of Google Cloud Storage. An object's ETag is here its generation: conditions ask for that."""

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http import HTTPStatus
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from django.utils.http import content_disposition_header
from google.api_core.exceptions import NotFound, from_http_response
from google.cloud.storage import Blob
from requests import Response

from galleries.errors import ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.objects.base import CHUNK_BYTES, ObjectStore, StoredObject
from galleries.objects.gcs_bucket import (
    PATIENT_RETRY,
    PATIENT_TIMEOUT_S,
    RETRY,
    TIMEOUT_S,
    GcsBucket,
)
from galleries.objects.url_life import reading_life

STREAM_CHUNK_BYTES: Final = 256 * 1024
# As many streams wait for the store at once; one that waits for its reader holds no thread.
THREADS: Final = 64
LISTED_FIELDS: Final = "items(name,size,generation,timeCreated),nextPageToken"


class GcsStore(ObjectStore):
    page_items = 1_000
    clock: Callable[[], float] = staticmethod(time.time)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.bucket = GcsBucket(name, options)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gcs")
        self._is_bucket_seen = False

    def head(self, key: str) -> StoredObject:
        blob = self.bucket.blob(key)
        try:
            with self.bucket.asked("head"):
                blob.reload(timeout=TIMEOUT_S, retry=RETRY)
        except ObjectMissing:
            self._refuse_missing_bucket()
            raise
        self._is_bucket_seen = True
        return described(blob)

    def read(self, key: str, *, if_match: str | None = None) -> Iterator[bytes]:
        condition: dict[str, str | int] = (
            {} if if_match is None else {"ifGenerationMatch": generation_of(if_match)}
        )
        with self.bucket.asked("read"), closing(self._open(key, condition, {})) as answer:
            if if_match is not None and answer.headers.get("x-goog-generation", if_match) != if_match:
                raise ObjectChanged
            # Ends in an error when fewer bytes come than were announced.
            yield from answer.raw.stream(CHUNK_BYTES, decode_content=False)

    async def stream(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if length == 0:
            return
        loop = asyncio.get_running_loop()
        end = "" if length is None else str(offset + length - 1)
        wanted = {} if offset == 0 and length is None else {"range": f"bytes={offset}-{end}"}
        with self.bucket.asked("stream"):
            answer = await loop.run_in_executor(self._threads, self._open, key, {}, wanted)
            try:
                while chunk := await loop.run_in_executor(
                    self._threads, answer.raw.read, STREAM_CHUNK_BYTES, False
                ):
                    yield chunk
            finally:
                self._threads.submit(answer.close)

    def put_bytes(self, key: str, content: BinaryIO | bytes, *, content_type: str) -> StoredObject:
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        blob = self.bucket.new_blob(key)
        with self.bucket.asked("put_bytes"):
            blob.upload_from_file(
                source,
                rewind=True,
                size=size_of(source),
                content_type=content_type,
                timeout=PATIENT_TIMEOUT_S,
                retry=PATIENT_RETRY,
            )
        return described(blob)

    def copy(self, source_key: str, target_key: str, *, if_match: str) -> StoredObject:
        source, target = self.bucket.blob(source_key), self.bucket.new_blob(target_key)
        with self.bucket.asked("copy"):
            source.reload(timeout=TIMEOUT_S, retry=RETRY)
            if str(source.generation) != if_match:
                raise ObjectChanged
            # A copy that names any metadata inherits none.
            target.content_type = source.content_type
            token: str | None = ""
            while token is not None:
                token, _, _ = target.rewrite(
                    source,
                    token=token or None,
                    if_source_generation_match=source.generation,
                    timeout=PATIENT_TIMEOUT_S,
                    retry=PATIENT_RETRY,
                )
        return described(target)

    def delete(self, keys: Iterable[str]) -> None:
        for _ in self._threads.map(self._delete_one, keys):
            pass

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self.bucket.asked("list"):
            found = self.bucket.client.list_blobs(
                self.bucket.handle,
                prefix=prefix,
                page_size=self.page_items,
                fields=LISTED_FIELDS,
                timeout=TIMEOUT_S,
                retry=RETRY,
            )
            yield from map(described, found)

    def signed_get(self, key: str, *, download_name: str | None, content_type: str) -> str:
        """The object's own type and cache control are answered where it has them: they were signed when it was put."""
        shown = content_disposition_header(download_name is not None, download_name or "")
        return self.bucket.signer.url(
            "GET",
            key,
            reading_life(self.clock()),
            query=[
                ("response-content-disposition", shown or "inline"),
                ("response-content-type", content_type),
            ],
        )

    def _open(self, key: str, condition: Mapping[str, str | int], headers: Mapping[str, str]) -> Response:
        asked: dict[str, str | int] = {"alt": "media", **condition}
        path = f"/download/storage/v1/b/{quote(self.bucket.name, safe='')}/o/{quote(key, safe='')}"

        def ask() -> Response:
            answer = self.bucket.http.get(
                self.bucket.endpoint + path,
                params=asked,
                # The bytes as they lie there: without this the store unpacks what was sent as gzip.
                headers={"accept-encoding": "gzip", **headers},
                stream=True,
                timeout=TIMEOUT_S,
            )
            if answer.status_code not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                with closing(answer):
                    raise from_http_response(answer)
            return answer

        opened: Response = RETRY(ask)()
        return opened

    def _delete_one(self, key: str) -> None:
        with self.bucket.asked("delete"), suppress(NotFound):
            self.bucket.handle.delete_blob(key, timeout=TIMEOUT_S, retry=RETRY)

    def _refuse_missing_bucket(self) -> None:
        """A missing bucket answers as a missing object does; to list one needs the bucket, and no further right.

        Without this, one wrong letter in the settings would look like a thousand lost files.
        """
        if self._is_bucket_seen:
            return
        try:
            next(self.list("originals/00/"), None)
        except ObjectMissing as error:
            raise StorageUnavailable from error
        self._is_bucket_seen = True


def described(blob: Blob) -> StoredObject:
    """Raises: StorageUnavailable for an answer that describes no object, as a proxy or a portal may give."""
    try:
        size_bytes, generation, created_at = blob.size, blob.generation, blob.time_created
    except (AttributeError, TypeError, ValueError) as error:  # the library keeps whatever was answered
        raise StorageUnavailable from error
    if size_bytes is None or generation is None or created_at is None:
        raise StorageUnavailable
    return StoredObject(blob.name, size_bytes, str(generation), created_at, blob.content_type or "")


def generation_of(etag: str) -> int:
    """Raises: ObjectChanged for what no object of this store ever had."""
    if not (etag.isascii() and etag.isdigit()):
        raise ObjectChanged
    return int(etag)


def size_of(source: BinaryIO) -> int:
    return source.seek(0, os.SEEK_END)
