"""The gallery that is meant: by id, or by a title that is one's own; made where there is none."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from .site import SiteError
from .wire import Trouble

if TYPE_CHECKING:
    from .journal import Journal
    from .site import Site
    from .wire import Json


async def gallery_for(site: Site, wanted: str, journal: Journal, *, may_make: bool = True) -> Json | None:
    """None where it would have to be made, and may not be.

    Raises: SiteError for one that is not there, or a title that several have. UnreachableError.
    """
    if gallery_id := id_in(wanted):
        return await site.call("GET", f"/galleries/{gallery_id}")
    if journal.gallery_id and (remembered := await remembered_gallery(site, journal)):
        return remembered
    found = [row async for row in site.pages("/galleries", "galleries") if row["title"] == wanted]
    if len(found) > 1:
        ids = ", ".join(row["id"] for row in found)
        trouble = Trouble("title_ambiguous", f"Several galleries have this title: {ids}", is_retryable=False)
        raise SiteError(trouble, 409)
    if not found and not may_make:
        return None
    gallery = found[0] if found else await made(site, wanted, journal)
    journal.note_gallery(gallery_id=gallery["id"])
    journal.write()
    return gallery


async def remembered_gallery(site: Site, journal: Journal) -> Json | None:
    """None, and forgotten, where it was deleted since."""
    try:
        return await site.call("GET", f"/galleries/{journal.gallery_id}")
    except SiteError as error:
        if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise
    journal.note_gallery()
    return None


async def made(site: Site, title: str, journal: Journal) -> Json:
    """The key is on the disk before the site hears it: killed in between, the next run meets the same gallery."""
    if not journal.gallery_key:
        journal.note_gallery(key=uuid.uuid4().hex)
        journal.write()
    return await site.call("POST", "/galleries", {"title": title, "idempotency_key": journal.gallery_key})


def id_in(wanted: str) -> str:
    try:
        return str(uuid.UUID(wanted))
    except ValueError:
        return ""
