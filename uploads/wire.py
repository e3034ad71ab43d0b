"""Shapes of every request and answer of uploading. Unknown fields are ignored; wrong types refuse the call."""

from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints

from galleries.errors import GalleryError
from galleries.text import Text
from uploads import errors
from uploads.limits import MAX_CLIENT_ID_CHARS
from uploads.models import Upload

Crc32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
LARGEST_BIGINT = 2**63 - 1


# What is asked is plain pydantic: ninja's Schema wraps every item in a getter, a tenth of the time of a batch.
class DeclaredFile(BaseModel):
    client_id: Annotated[Text, Field(min_length=1, max_length=MAX_CLIENT_ID_CHARS)]
    name: Annotated[Text, Field(max_length=4_096)]
    size: Annotated[StrictInt, Field(le=LARGEST_BIGINT, ge=-LARGEST_BIGINT)]
    type: Annotated[Text, Field(max_length=255)] = ""
    last_modified: Annotated[StrictInt, Field(le=LARGEST_BIGINT, ge=-LARGEST_BIGINT)] = 0
    relative_path: Annotated[Text, Field(max_length=8_192)] | None = None
    crc32: Crc32 | None = None
    allow_duplicate: StrictBool = False
    lane: Annotated[str, Field(max_length=20)] | None = None


class BatchIn(BaseModel):
    files: list[DeclaredFile]
    sign: StrictBool = True


class PartAsk(BaseModel):
    number: StrictInt
    crc32: Crc32 | None = None


class SignAsk(BaseModel):
    id: str
    crc32: Crc32 | None = None
    after_failure: StrictBool = False
    parts: list[PartAsk] | None = None


class SignIn(BaseModel):
    uploads: list[SignAsk]


class CompleteAsk(BaseModel):
    id: str
    crc32: Crc32 | None = None


class CompleteIn(BaseModel):
    uploads: list[CompleteAsk]


class IdsIn(BaseModel):
    ids: list[str]


class ProgressIn(BaseModel):
    uploads: list[tuple[str, StrictInt, StrictInt]]


class SidecarIn(BaseModel):
    name: Annotated[Text, Field(min_length=1, max_length=4_096)]
    text: str


class PublishIn(Schema):
    idempotency_key: Annotated[Text, Field(min_length=1, max_length=100)]
    upload_ids: list[str] | None = None


class ErrorOut(Schema):
    code: str
    message: str
    retryable: bool
    details: dict[str, Any] | None = None


class RequestOut(Schema):
    method: str
    url: str
    headers: dict[str, str]


class PartOut(Schema):
    number: int
    offset: int
    size: int
    request: RequestOut


class TransferOut(Schema):
    lane: str
    expires_in_s: int | None = None
    request: RequestOut | None = None
    part_size: int | None = None
    size: int | None = None
    parts: list[PartOut] | None = None
    stored: list[int] | None = None
    session_uri: str | None = None
    chunk_size: int | None = None
    offset: int | None = None


class UploadOut(Schema):
    id: UUID | None
    client_id: str
    name: str
    size: int
    state: str
    version: int
    error: ErrorOut | None
    photo_id: UUID | None
    transfer: TransferOut | None = None


class UploadsOut(Schema):
    uploads: list[UploadOut]


class UploadPageOut(Schema):
    uploads: list[UploadOut]
    next_cursor: str | None
    version: int


class PublicationCountsOut(Schema):
    chosen: int
    published: int
    failed: int
    pending: int


class PublicationFailureOut(Schema):
    upload_id: UUID
    error: ErrorOut


class PublicationOut(Schema):
    id: UUID
    state: str
    version: int
    counts: PublicationCountsOut
    failures: list[PublicationFailureOut]


class StoredPartOut(Schema):
    number: int
    size: int


class StoredOut(Schema):
    status: str
    bytes: int
    parts: list[StoredPartOut]


class UploadStatusOut(UploadOut):
    stored: StoredOut | None


class SidecarOut(Schema):
    id: UUID
    upload_id: UUID
    name: str
    size: int
    crc32: str
    sha256: str
    url: str


class SidecarsOut(Schema):
    sidecars: list[SidecarOut]


class SidecarPageOut(SidecarsOut):
    next_cursor: str | None


def known_errors() -> dict[str, type[GalleryError]]:
    """Every refusal by its code."""

    def below(cls: type[GalleryError]) -> list[type[GalleryError]]:
        return [cls, *(lower for child in cls.__subclasses__() for lower in below(child))]

    return {cls.code: cls for cls in below(GalleryError) if "code" in vars(cls)}


def error_of(upload: Upload) -> dict[str, object] | None:
    if not upload.error_code:
        return None
    known = known_errors().get(upload.error_code, errors.GaveUp)
    return known(**upload.error_details).as_wire()


def upload_out(
    upload: Upload,
    *,
    error: GalleryError | None = None,
    transfer: dict[str, object] | None = None,
    state: str | None = None,
) -> dict[str, object]:
    """The wire form of a row. `state` overrides the row's own where the ledger knows better."""
    body: dict[str, object] = {
        "id": str(upload.pk),
        "client_id": upload.client_id,
        "name": upload.name,
        "size": upload.size,
        "state": state or str(upload.state),
        "version": upload.version,
        "error": error.as_wire() if error else error_of(upload),
        "photo_id": str(upload.photo_id) if upload.photo_id else None,
    }
    if transfer is not None:
        body["transfer"] = transfer
    return body


def refused_out(file: DeclaredFile, error: GalleryError) -> dict[str, object]:
    """A file that got no row."""
    return {
        "id": None,
        "client_id": file.client_id,
        "name": file.name,
        "size": file.size,
        "state": "refused",
        "version": 0,
        "error": error.as_wire(),
        "photo_id": None,
    }


def unknown_out(upload_id: str, error: GalleryError) -> dict[str, object]:
    return {"id": upload_id, "error": error.as_wire()}
