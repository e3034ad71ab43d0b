"""Every refusal of the galleries: wire code, HTTP status, and whether trying again may help."""

from http import HTTPStatus
from typing import ClassVar


class GalleryError(Exception):
    """A refusal with a stable word for machines. Details are numbers and ids, for logs and clients."""

    code: ClassVar[str]
    status: ClassVar[HTTPStatus]
    retryable: ClassVar[bool] = False
    message: ClassVar[str]

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(f"{self.code} {details}" if details else self.code)

    def as_wire(self) -> dict[str, object]:
        body: dict[str, object] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.details:
            body["details"] = self.details
        return body


class NotFound(GalleryError):
    """It is not there, or it is somebody else's: the answer does not tell which."""

    code, status = "not_found", HTTPStatus.NOT_FOUND
    message = "There is nothing here."


class GalleryDeleted(GalleryError):
    code, status = "gallery_deleted", HTTPStatus.GONE
    message = "This gallery was deleted."


class SignInRequired(GalleryError):
    code, status = "sign_in_required", HTTPStatus.UNAUTHORIZED
    message = "Please sign in."


class CsrfFailed(GalleryError):
    code, status = "csrf_failed", HTTPStatus.FORBIDDEN
    message = "The page is out of date. Reload it."


class BadRequest(GalleryError):
    code, status = "bad_request", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The request could not be understood."


class MethodNotAllowed(GalleryError):
    code, status = "method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED
    message = "This address does not take such a call."


class BatchTooLarge(GalleryError):
    code, status = "batch_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "At most 100 items a call."


class IdempotencyConflict(GalleryError):
    code, status = "idempotency_conflict", HTTPStatus.CONFLICT
    message = "This key was used for another request."


class GalleryFull(GalleryError):
    """Details: limit_photos and limit_bytes, used_photos and used_bytes (with what is on its way)."""

    code, status = "gallery_full", HTTPStatus.CONFLICT
    message = "The gallery is full."


class TooManyRequests(GalleryError):
    """Details: calls (the kind that came too often) and retry_after_s."""

    code, status, retryable = "too_many_requests", HTTPStatus.TOO_MANY_REQUESTS, True
    message = "That was too much at once. Try again in a moment."


class ArchiveChanged(GalleryError):
    """A part was asked for of an archive that is another one by now."""

    code, status = "archive_changed", HTTPStatus.PRECONDITION_FAILED
    message = "The gallery has changed since this download began. Start it again."


class RestoreExpired(GalleryError):
    code, status = "restore_expired", HTTPStatus.GONE
    message = "Deleted photos can be brought back for 24 hours."


class StorageUnavailable(GalleryError):
    code, status, retryable = "storage_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, True
    message = "The storage does not answer. It will be tried again."


class DatabaseBusy(GalleryError):
    """Somebody held the lock for too long, or no room is left to write."""

    code, status, retryable = "database_busy", HTTPStatus.SERVICE_UNAVAILABLE, True
    message = "The database does not answer. Please try again in a moment."


class ObjectMissing(GalleryError):
    code, status = "object_missing", HTTPStatus.CONFLICT
    message = "The file did not arrive in the storage."
    retryable = True


class ObjectChanged(GalleryError):
    code, status, retryable = "object_changed", HTTPStatus.CONFLICT, True
    message = "The stored file changed while it was read."


class StorageFull(StorageUnavailable):
    """No space is left where the store keeps its bytes."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


class DamagedPhoto(GalleryError):
    """Details: reason, the decoder's own words."""

    code, status = "damaged_photo", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The file is damaged or incomplete."


class UnsupportedPhoto(GalleryError):
    """Details: media_type, and reason where the decoder gave one."""

    code, status = "unsupported_format", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "This kind of file can't be shown here. Saved as JPEG it can."


class TooManyPixels(GalleryError):
    """Details: width, height, limit_pixels."""

    code, status = "too_many_pixels", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The photo has too many pixels."


class TooLongSide(GalleryError):
    """Details: width, height, limit_px."""

    code, status = "too_long_side", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "One side of the photo is longer than 30,000 pixels."


class DecoderOverran(GalleryError):
    """Details: resource (memory, cpu or wall)."""

    code, status = "decode_limit", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "Showing this photo takes more time or memory than one photo may have."


class DecoderDied(GalleryError):
    """The file may be as good as any: something else ended the decoder. Details: ended_by."""

    code, status, retryable = "decoder_died", HTTPStatus.SERVICE_UNAVAILABLE, True
    message = "The photo could not be looked at this time. It will be tried again."
