"""Every refusal of an upload: wire code, HTTP status, and whether trying again may help."""

from http import HTTPStatus

from galleries.errors import GalleryError


class UploadError(GalleryError):
    """The base of what uploads refuse."""


class LaneUnsupported(UploadError):
    """The store has no such way in, or the file does not fit through it."""

    code, status = "lane_unsupported", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "This storage can't take the file that way."


class SessionGone(UploadError):
    """The multipart session was completed, aborted or has expired, and its object is not there either."""

    code, status, retryable = "session_gone", HTTPStatus.NOT_FOUND, True
    message = "The parts that were sent are no longer kept. The file will be sent again."


class PartsMissing(UploadError):
    """The store does not have the parts that were listed; listing them again tells which are missing."""

    code, status, retryable = "parts_missing", HTTPStatus.CONFLICT, True
    message = "Parts of the file did not arrive in the storage."


class UrlRefused(UploadError):
    """What was sent is not what was signed: another key, method, length, type or checksum."""

    code, status = "url_refused", HTTPStatus.FORBIDDEN
    message = "This address does not allow that."


class UrlExpired(UploadError):
    code, status, retryable = "url_expired", HTTPStatus.FORBIDDEN, True
    message = "This address is too old. Ask for a new one."


class LengthRequired(UploadError):
    code, status = "length_required", HTTPStatus.LENGTH_REQUIRED
    message = "The length of the file must be told."


class AlreadyStored(UploadError):
    """An original is written once."""

    code, status = "already_stored", HTTPStatus.PRECONDITION_FAILED
    message = "The file is stored already."


class BodyCorrupted(UploadError):
    """The bytes that came do not have the signed checksum."""

    code, status, retryable = "checksum_mismatch", HTTPStatus.BAD_REQUEST, True
    message = "The file was damaged on its way."


class BodyTooSlow(UploadError):
    code, status, retryable = "body_too_slow", HTTPStatus.REQUEST_TIMEOUT, True
    message = "Nothing arrived for too long."
