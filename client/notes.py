"""An editor's notes beside their photos: small texts, sent once the photo has a row."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from .outcome import FileError, Status
from .reading import read_at
from .site import SiteError
from .wire import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .choosing import Note
    from .journal import Journal
    from .outcome import Item, Report
    from .site import Site

# Beyond this the site refuses the call; read no more than shows it.
MOST_BYTES = 2 * 1024 * 1024


async def send_notes(site: Site, report: Report, notes: Sequence[Note], journal: Journal) -> None:
    """Raises: UnreachableError."""
    by_client_id = {item.chosen.client_id: item for item in report.items}
    for note in notes:
        item = by_client_id.get(note.about.client_id)
        if item is None or item.status == Status.WAITING:
            continue
        try:
            await send_note(site, note, item, journal)
            report.notes_sent += 1
        except FileError as error:
            report.note_troubles.append((note.path, error.trouble.code))
        except SiteError as error:
            report.note_troubles.append((note.path, error.trouble.code))


async def send_note(site: Site, note: Note, item: Item, journal: Journal) -> None:
    """Not again where this very text was sent. Raises: FileError, SiteError, UnreachableError."""
    if item.upload is None or not item.upload.id:
        return
    content = await asyncio.to_thread(read_at, note.file, 0, MOST_BYTES)
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"{item.upload.id}/{note.path}"
    if journal.has_note(key, sha256):
        return
    name = note.path.rpartition("/")[2]
    await site.call("POST", f"/uploads/{item.upload.id}/sidecars", {"name": name, "text": text_in(content)})
    journal.note_note(key, sha256)


def text_in(content: bytes) -> str:
    """Raises: FileError: the very bytes are kept, and the site takes UTF-8 alone."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FileError(
            Trouble("not_utf8", "The notes are not written in UTF-8.", is_retryable=False)
        ) from error
