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

    code, status, retryable = "session_gone", HTTPStatus.GONE, True
    message = "The parts that were sent are no longer kept. The file will be sent again."


class PartsMissing(UploadError):
    """The store does not have the parts that were listed; listing them again tells which are missing."""

    code, status, retryable = "parts_missing", HTTPStatus.CONFLICT, True
    message = "Parts of the file did not arrive in the storage."
