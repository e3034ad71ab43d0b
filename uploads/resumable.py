"""Resumable sessions as the steps use them: begun, asked and cancelled at the store, known here by their sealed URI.

Every function calls the store, so none may be called inside a transaction.
"""

from contextlib import suppress

from uploads.errors import SessionGone
from uploads.lanes.base import Received, Wanted, lanes_of
from uploads.models import Upload
from uploads.sealing import seal, unseal


def initiate_resumable(upload: Upload, *, page_origin: str) -> str:
    """The URI of a new session, sealed.

    The row comes first: a crash before it names this session leaves one that nobody was given, and that the store
    forgets after a week.

    Raises: StorageUnavailable.
    """
    wanted = Wanted(upload.key, upload.size, upload.media_type, page_origin)
    return seal(lanes_of(upload.store).begin_resumable(wanted))


def resumable_status(upload: Upload) -> Received:
    """What the store has of it: one probe. Changes neither row nor session.

    Raises: SessionGone, also when the URI can't be unsealed any more. StorageUnavailable.
    """
    return lanes_of(upload.store).probe_resumable(unseal(upload.sealed_session), size_bytes=upload.size)


def cancel_resumable(store: str, sealed_session: str) -> None:
    """Safe to repeat. A session that nobody can unseal any more ends by itself, when its store forgets it.

    Raises: StorageUnavailable.
    """
    with suppress(SessionGone):
        lanes_of(store).cancel_resumable(unseal(sealed_session))
