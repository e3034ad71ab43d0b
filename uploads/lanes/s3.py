"""The ways into an S3 bucket: signed PUTs of whole files and of parts."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from botocore.exceptions import ClientError
from django.conf import settings

from galleries.errors import StorageUnavailable
from galleries.objects.base import ObjectStore, StoredObject
from galleries.objects.s3 import S3Store
from galleries.objects.s3_bucket import code_of, told
from galleries.objects.url_life import Life
from uploads.errors import PartsMissing, SessionGone
from uploads.lanes.base import (
    CHECKSUM_HEADER,
    Capabilities,
    OpenSession,
    SignedRequest,
    StoredPart,
    UploadLanes,
    checksum_header,
)
from uploads.limits import SIGNED_URL_LIFE

# The second is what Swift says when a session is aborted that was completed.
GONE_CODES: Final = frozenset({"NoSuchUpload", "NoSuchKey"})
WRONG_PARTS: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall"})
# A part on its way when a session is aborted may land after it, and keep the session.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
ABORT_TRIES: Final = 5
URL_LIFE_S: Final = int(SIGNED_URL_LIFE.total_seconds())

CAPABILITIES: Final = Capabilities(
    put="proven",
    multipart="proven",
    resumable=None,
    conditional_put="proven",
    signed_checksum="proven",
    signed_part_checksum="proven",
)


class S3Lanes(UploadLanes):
    """What a certain store can't do is named in `settings.PHOTO_STORE_LACKS`, by capability."""

    store: S3Store
    page_items = 1_000

    def __init__(self, store: ObjectStore) -> None:
        if not isinstance(store, S3Store):
            raise TypeError(store)
        self.store = store
        self.bucket = store.bucket
        lacks: dict[str, Iterable[str]] = getattr(settings, "PHOTO_STORE_LACKS", {})
        self.capabilities = replace(CAPABILITIES, **dict.fromkeys(lacks.get(store.name, ())))

    def sign_put(self, key: str, *, size_bytes: int, content_type: str, crc32: str | None) -> SignedRequest:
        headers = {"content-type": content_type, **self.bucket.signed_parameters}
        if self.capabilities.conditional_put:
            headers["if-none-match"] = "*"
        if crc32 is not None and self.capabilities.signed_checksum:
            headers[CHECKSUM_HEADER] = checksum_header(crc32)
        return self._signed(key, size_bytes, headers, ())

    def sign_part(
        self, key: str, session: str, *, number: int, size_bytes: int, crc32: str | None
    ) -> SignedRequest:
        headers: dict[str, str] = {}
        if crc32 is not None and self.capabilities.signed_part_checksum:
            headers[CHECKSUM_HEADER] = checksum_header(crc32)
        return self._signed(key, size_bytes, headers, (("uploadId", session), ("partNumber", str(number))))

    def create_multipart(self, key: str, *, content_type: str) -> str:
        parameters = dict(self.bucket.parameters)
        if self.capabilities.signed_part_checksum:
            # S3 refuses the checksum of a part unless its session was opened for that kind. FULL_OBJECT is the
            # type that also takes a part without one.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
            parameters |= {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        with self.bucket.asked("create_multipart"):
            opened = self.bucket.client.create_multipart_upload(
                Bucket=self.bucket.name, Key=key, ContentType=content_type, **parameters
            )
        return str(told(opened, "UploadId"))

    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        with self.bucket.asked("list_parts"), session_errors():
            pages = self.bucket.client.get_paginator("list_parts").paginate(
                Bucket=self.bucket.name,
                Key=key,
                UploadId=session,
                PaginationConfig={"PageSize": self.page_items},
            )
            parts: list[StoredPart] = []
            for page in pages:
                told(page, "UploadId")
                parts += [
                    StoredPart(
                        part["PartNumber"], part["Size"], part["ETag"].strip('"'), part.get("LastModified")
                    )
                    for part in page.get("Parts", ())
                ]
            return parts

    def list_sessions(self, prefix: str) -> Iterator[OpenSession]:
        with self.bucket.asked("list_sessions"):
            pages = self.bucket.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket.name, Prefix=prefix, PaginationConfig={"PageSize": self.page_items}
            )
            for page in pages:
                told(page, "Bucket")
                for opened in page.get("Uploads", ()):
                    yield OpenSession(opened["Key"], opened["UploadId"], opened["Initiated"])

    def complete_multipart(self, key: str, session: str, parts: Iterable[StoredPart]) -> StoredObject:
        chosen = sorted(parts, key=lambda part: part.number)
        try:
            self._complete(key, session, chosen)
        except (SessionGone, StorageUnavailable):
            # Done, and nobody heard of it, now or before? The object tells; its bytes are read and compared later.
            stored = self.store.find(key)
            if stored is None or stored.size_bytes != sum(part.size_bytes for part in chosen):
                raise
            return stored
        return self.store.head(key)

    def abort_multipart(self, key: str, session: str) -> None:
        with suppress(SessionGone):
            for _ in range(ABORT_TRIES):
                with self.bucket.asked("abort_multipart"), session_errors():
                    self.bucket.client.abort_multipart_upload(
                        Bucket=self.bucket.name, Key=key, UploadId=session
                    )
                self.list_parts(key, session)
            raise StorageUnavailable

    def _complete(self, key: str, session: str, parts: Sequence[StoredPart]) -> None:
        listed: list[Any] = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        # botocore looks inside a 200: S3 may answer it first and fail afterwards.
        with self.bucket.asked("complete_multipart"), session_errors():
            self.bucket.patient_client.complete_multipart_upload(
                Bucket=self.bucket.name, Key=key, UploadId=session, MultipartUpload={"Parts": listed}
            )

    def _signed(
        self, key: str, size_bytes: int, headers: dict[str, str], query: Sequence[tuple[str, str]]
    ) -> SignedRequest:
        url = self.bucket.signer.url(
            "PUT",
            key,
            Life(int(self.clock()), URL_LIFE_S),
            headers={"content-length": str(size_bytes), **headers},
            query=query,
        )
        return SignedRequest("PUT", url, headers)


@contextmanager
def session_errors() -> Generator[None]:
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in GONE_CODES:
            raise SessionGone from error
        if code == "404":  # without its body nobody knows what is not there
            raise StorageUnavailable from error
        if code in WRONG_PARTS:
            raise PartsMissing from error
        raise
