"""What the store itself has of one upload. Changes neither state nor version."""

from functools import partial

from galleries.errors import StorageUnavailable
from galleries.objects.base import store_named
from uploads import events
from uploads.errors import SessionGone
from uploads.lanes.base import lanes_of
from uploads.models import Upload
from uploads.resumable import resumable_status
from uploads.states import State
from uploads.store_calls import ask_all

ENDED_WITHOUT_BYTES = (State.CANCELLED, State.FAILED)


def stored_of(upload: Upload) -> dict[str, object] | None:
    """One ListParts, probe or HEAD, one HEAD more where a session is gone. None once cancelled or failed.

    Raises: StorageUnavailable.
    """
    if upload.state in ENDED_WITHOUT_BYTES:
        return None
    if upload.state == State.EXPIRED:
        return shape("expired", 0)
    if upload.state == State.VERIFIED:  # every byte was read
        return shape("complete", upload.size)
    [stored] = ask_all([partial(stored_in_store, upload)])
    if isinstance(stored, StorageUnavailable):
        raise stored
    return stored


def stored_in_store(upload: Upload) -> dict[str, object]:
    if upload.lane == "multipart" and upload.session:
        return stored_parts(upload)
    if upload.lane == "resumable" and upload.sealed_session:
        return stored_bytes(upload)
    return stored_object(upload)


def stored_parts(upload: Upload) -> dict[str, object]:
    try:
        parts = lanes_of(upload.store).list_parts(upload.key, upload.session)
    except SessionGone:
        return stored_object(upload)
    total = sum(part.size_bytes for part in parts)
    listed = [{"number": part.number, "size": part.size_bytes} for part in parts]
    return {
        **shape("complete" if total == upload.size else "in_progress", total),
        "parts": listed,
    }


def stored_bytes(upload: Upload) -> dict[str, object]:
    """A session that the store has forgotten, and that left no object, has expired: the next sign begins another."""
    try:
        received = resumable_status(upload)
    except SessionGone:
        found = stored_object(upload)
        return found if found["status"] == "complete" else shape("expired", 0)
    status = "complete" if received.is_whole else "in_progress"
    events.resumable_seen(upload, status=status, offset_bytes=received.offset_bytes)
    return shape(status, received.offset_bytes)


def stored_object(upload: Upload) -> dict[str, object]:
    stored = store_named(upload.store).find(upload.key)
    is_whole = stored is not None and stored.size_bytes == upload.size
    return shape("complete", upload.size) if is_whole else shape("in_progress", 0)


def shape(status: str, stored_bytes: int) -> dict[str, object]:
    return {"status": status, "bytes": stored_bytes, "parts": []}
