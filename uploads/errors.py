"""Every refusal of uploading: wire code, HTTP status, and whether trying again may help."""

from http import HTTPStatus

from galleries.errors import GalleryError, ObjectMissing


class UploadError(GalleryError):
    """A refusal of one file or one upload; the others of the call go on."""


class EmptyFile(UploadError):
    code, status = "empty_file", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The file is empty."


class FileTooLarge(UploadError):
    code, status = "file_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "The file is too large."


class UnsupportedType(UploadError):
    code, status = "unsupported_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "This is not a kind of photo that can be shown here."


class TypeNotTaken(UploadError):
    """A photo, but of a kind that its gallery does not take. Details: media_type, taken."""

    code, status = "type_not_taken", HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "This gallery does not take this kind of photo."


class TooFewPixels(UploadError):
    """Details: width, height, limit_pixels (of its gallery)."""

    code, status = "too_few_pixels", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The photo has too few pixels for this gallery."


class QuotaExceeded(UploadError):
    """Details: quota (user_photos or user_bytes), limit, used (with what is on its way)."""

    code, status = "quota_exceeded", HTTPStatus.CONFLICT
    message = "No room is left for this file in all galleries together."


class TooManyOpenUploads(UploadError):
    """Details: quota (user_open_uploads or gallery_open_uploads), limit, used."""

    code, status, retryable = "too_many_open_uploads", HTTPStatus.CONFLICT, True
    message = "Too many files are on their way at once."


class TooManyPublications(GalleryError):
    """Details: limit, used."""

    code, status, retryable = "too_many_publications", HTTPStatus.CONFLICT, True
    message = "Too many publications of this gallery wait for files."


class Duplicate(UploadError):
    """Details: photo_id, the one that is there."""

    code, status = "duplicate", HTTPStatus.CONFLICT
    message = "This photo is already in the gallery."


class ClientIdConflict(UploadError):
    code, status = "client_id_conflict", HTTPStatus.CONFLICT
    message = "This name stands for a file of another size."


class ChecksumConflict(UploadError):
    """Another checksum was given for the same attempt before."""

    code, status = "checksum_conflict", HTTPStatus.CONFLICT
    message = "The file changed while it was sent."


class WrongState(UploadError):
    code, status = "wrong_state", HTTPStatus.CONFLICT
    message = "The upload is in a state that does not allow this."


class TooLate(UploadError):
    code, status = "too_late", HTTPStatus.CONFLICT
    message = "The photo is already in the gallery."


class BadPartNumber(UploadError):
    """Outside the persisted plan."""

    code, status = "bad_part_number", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The upload has no such part."


class LaneUnsupported(UploadError):
    """The store has no such way in, or the file does not fit through it."""

    code, status = "lane_unsupported", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "This storage can't take the file that way."


class SessionGone(UploadError):
    """The session was completed, aborted or has expired, and its object is not there either."""

    code, status, retryable = "session_gone", HTTPStatus.NOT_FOUND, True
    message = "The parts that were sent are no longer kept. The file will be sent again."


class PartsMissing(UploadError):
    """The store does not have the parts that were planned; listing them again tells which are missing."""

    code, status, retryable = "parts_missing", HTTPStatus.CONFLICT, True
    message = "Parts of the file did not arrive in the storage."


class SizeMismatch(UploadError):
    code, status, retryable = "size_mismatch", HTTPStatus.CONFLICT, True
    message = "The file arrived with another size."


class ChecksumMismatch(UploadError):
    code, status, retryable = "checksum_mismatch", HTTPStatus.CONFLICT, True
    message = "The file arrived damaged."


class NotAnImage(UploadError):
    code, status = "not_an_image", HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    message = "The file is not a photo."


class Infected(UploadError):
    """The scanner found malware: the bytes stay in quarantine, where nobody is served them. Details: found."""

    code, status = "infected", HTTPStatus.UNPROCESSABLE_ENTITY
    message = "The scanner says that this file is harmful. It is kept apart and shown to nobody."


class ScannerUnavailable(UploadError):
    """Nobody could say whether the file is clean. Details: reason."""

    code, status, retryable = "scanner_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, True
    message = "The file could not be looked at by the scanner. It is shown once it was."


class GaveUp(UploadError):
    code, status, retryable = "gave_up", HTTPStatus.INTERNAL_SERVER_ERROR, True
    message = "The photo could not be processed."


class Cancelled(UploadError):
    """Why a cancelled upload of a publication was not published."""

    code, status = "cancelled", HTTPStatus.CONFLICT
    message = "The upload was cancelled."


class Expired(UploadError):
    """Why an expired upload of a publication was not published."""

    code, status = "expired", HTTPStatus.GONE
    message = "The file was never sent."


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


class BodyCorrupted(ChecksumMismatch):
    """The bytes that came do not have the signed checksum."""

    status = HTTPStatus.BAD_REQUEST
    message = "The file was damaged on its way."


class BadRange(UploadError):
    """Content-Range can't be read, names another total, or does not have the length of the body."""

    code, status = "bad_range", HTTPStatus.BAD_REQUEST
    message = "It is not said which bytes of the file these are."


class RangeGap(UploadError):
    """Details: stored_bytes, from where to go on."""

    code, status, retryable = "range_gap", HTTPStatus.CONFLICT, True
    message = "The bytes before these have not arrived."


class SessionTaken(UploadError):
    """A newer request sends to the same session."""

    code, status, retryable = "session_taken", HTTPStatus.CONFLICT, True
    message = "The file is being sent a second time."


class BodyTooSlow(UploadError):
    code, status, retryable = "body_too_slow", HTTPStatus.REQUEST_TIMEOUT, True
    message = "Nothing arrived for too long."


# Only after these are the bytes in the store of no use: the next attempt sends them again under a new key.
BYTES_ARE_BAD = frozenset({ObjectMissing.code, SizeMismatch.code, ChecksumMismatch.code})
# Staff may look at these, and have them scanned again; nobody else gets hold of their bytes.
QUARANTINED = frozenset({Infected.code})
