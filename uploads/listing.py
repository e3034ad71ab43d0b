"""All galleries of a person as the sockets say them: made once, in words, for however many of theirs listen."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from galleries.overall import overall_of
from galleries.photo_wire import gallery_out
from galleries.ports import Totals
from galleries.queries import list_galleries
from uploads.limits import MAX_GALLERIES_FOLLOWED


@dataclass(frozen=True)
class Listing:
    """Totals and versions by gallery, and the text of the snapshot message."""

    totals: Mapping[uuid.UUID, Totals]
    versions: Mapping[uuid.UUID, int]
    text: str


def list_of(user_id: uuid.UUID) -> Listing:
    """The newest that a socket follows. Five queries."""
    views = list_galleries(user_id)[:MAX_GALLERIES_FOLLOWED]
    totals = {view.gallery.pk: view.totals for view in views}
    snapshot = {
        "type": "snapshot",
        "version": None,
        "galleries": [gallery_out(view) for view in views],
        "overall": overall_of(totals.values()).as_wire(),
    }
    versions = {view.gallery.pk: view.gallery.version for view in views}
    return Listing(totals, versions, json.dumps(snapshot))
