"""Resumable sessions as the steps use them: begun, asked and cancelled at the store, known here by their sealed URI.

Every function calls the store, so none may be called inside a transaction.
"""

from collections.abc import Sequence
from contextlib import suppress

from galleries.errors import StorageUnavailable
from uploads.errors import SessionGone
from uploads.lanes.base import Received, Wanted, lanes_of
from uploads.models import Upload
from uploads.sealing import seal, unseal


def initiate_resumable(
    store: str, uploads: Sequence[Upload], *, page_origin: str
) -> list[str | StorageUnavailable]:
    """A sealed session URI for each upload of that store, in order, all at once; one failure ends no other.

    The rows come first: a crash before they name these sessions leaves some that nobody was given, and that the
    store forgets after a week.
    """
    begun = lanes_of(store).begin_resumables(
        [Wanted(upload.key, upload.size, upload.media_type, page_origin) for upload in uploads]
    )
    return [seal(session) if isinstance(session, str) else session for session in begun]


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
