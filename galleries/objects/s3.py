"""Objects in an S3 bucket, or in whatever speaks S3."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Final

from botocore.exceptions import ClientError
from django.utils.http import content_disposition_header

from galleries.errors import ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.objects.base import CACHE_CONTROL, CHUNK_BYTES, ObjectStore, StoredObject
from galleries.objects.s3_bucket import MISSING_CODES, S3Bucket, code_of, told
from galleries.objects.url_life import reading_life

STREAM_CHUNK_BYTES: Final = 256 * 1024
# As many streams wait for the store at once; one that waits for its reader holds no thread.
THREADS: Final = 64
# What a copy inherits from its source; naming it would need the whole metadata again.
INHERITED: Final = frozenset({"CacheControl", "Tagging"})


class S3Store(ObjectStore):
    page_items = 1_000
    clock: Callable[[], float] = staticmethod(time.time)

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.bucket = S3Bucket(name, options)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._is_bucket_seen = False

    def head(self, key: str) -> StoredObject:
        try:
            with self.bucket.asked("head"):
                found = self.bucket.client.head_object(Bucket=self.bucket.name, Key=key)
        except ObjectMissing:
            self._refuse_missing_bucket()
            raise
        self._is_bucket_seen = True
        return StoredObject(
            key=key,
            size_bytes=found["ContentLength"],
            etag=told(found, "ETag").strip('"'),
            modified_at=told(found, "LastModified"),
            content_type=found.get("ContentType", ""),
        )

    def read(self, key: str, *, if_match: str | None = None) -> Iterator[bytes]:
        condition = {} if if_match is None else {"IfMatch": f'"{if_match}"'}
        with self.bucket.asked("read"):
            answer = self._open(key, condition)
            body = answer["Body"]
            try:
                if if_match not in {None, told(answer, "ETag").strip('"')}:
                    raise ObjectChanged
                # Ends in an error when fewer bytes come than were announced.
                yield from body.iter_chunks(CHUNK_BYTES)
            finally:
                body.close()

    async def stream(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if length == 0:
            return
        loop = asyncio.get_running_loop()
        end = "" if length is None else str(offset + length - 1)
        wanted = {} if offset == 0 and length is None else {"Range": f"bytes={offset}-{end}"}
        with self.bucket.asked("stream"):
            answer = await loop.run_in_executor(self._threads, self._open, key, wanted)
            body = answer["Body"]
            try:
                while chunk := await loop.run_in_executor(self._threads, body.read, STREAM_CHUNK_BYTES):
                    yield chunk
            finally:
                self._threads.submit(body.close)

    def put_bytes(self, key: str, content: BinaryIO | bytes, *, content_type: str) -> StoredObject:
        parameters = {"CacheControl": CACHE_CONTROL} | self.bucket.parameters
        with self.bucket.asked("put_bytes"):
            self.bucket.patient_client.put_object(
                Bucket=self.bucket.name, Key=key, Body=content, ContentType=content_type, **parameters
            )
        return self.head(key)

    def copy(self, source_key: str, target_key: str, *, if_match: str) -> StoredObject:
        kept = {name: value for name, value in self.bucket.parameters.items() if name not in INHERITED}
        with self.bucket.asked("copy"):
            self.bucket.patient_client.copy_object(
                Bucket=self.bucket.name,
                Key=target_key,
                CopySource={"Bucket": self.bucket.name, "Key": source_key},
                CopySourceIfMatch=f'"{if_match}"',
                **kept,
            )
        return self.head(target_key)

    def delete(self, keys: Iterable[str]) -> None:
        for _ in self._threads.map(self._delete_one, keys):
            pass

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self.bucket.asked("list"):
            pages = self.bucket.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket.name, Prefix=prefix, PaginationConfig={"PageSize": self.page_items}
            )
            for page in pages:
                told(page, "Name")
                for found in page.get("Contents", ()):
                    yield StoredObject(
                        found["Key"], found["Size"], found["ETag"].strip('"'), found["LastModified"], ""
                    )

    def signed_get(self, key: str, *, download_name: str | None, content_type: str) -> str:
        shown = content_disposition_header(download_name is not None, download_name or "")
        return self.bucket.signer.url(
            "GET",
            key,
            reading_life(self.clock()),
            query=[
                ("response-cache-control", CACHE_CONTROL),
                ("response-content-disposition", shown or "inline"),
                ("response-content-type", content_type),
            ],
        )

    def _open(self, key: str, wanted: Mapping[str, str]) -> Any:
        return self.bucket.client.get_object(Bucket=self.bucket.name, Key=key, **wanted)

    def _delete_one(self, key: str) -> None:
        with self.bucket.asked("delete"):
            try:
                self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key)
            except ClientError as error:  # S3 says 204 of what is not there; others say 404
                if code_of(error) not in MISSING_CODES:
                    raise

    def _refuse_missing_bucket(self) -> None:
        """A HEAD has no body to tell a missing bucket from a missing object.

        Without this, one wrong letter in the settings would look like a thousand lost files.
        """
        if self._is_bucket_seen:
            return
        try:
            with self.bucket.asked("head_bucket"):
                self.bucket.client.head_bucket(Bucket=self.bucket.name)
        except ObjectMissing as error:
            raise StorageUnavailable from error
        self._is_bucket_seen = True
