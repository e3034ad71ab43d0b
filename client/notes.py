"""An editor's notes beside their photos: small texts, sent once the photo has a row."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

from .choosing import Choice
from .outcome import FileError, NoteOutcome, NoteStatus, Status
from .reading import read_at
from .site import SiteError
from .wire import Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .choosing import Note
    from .display import Display
    from .journal import Journal
    from .outcome import Item, Report
    from .site import Site

# The contract.
MOST_BYTES: Final = 512 * 1024
ADDED: Final = frozenset({Status.SENT, Status.THERE, Status.DUPLICATE})
# They speak of one photo alone: beside the others of the shot the notes are safe.
ABOUT_THE_PHOTO: Final = frozenset({"wrong_state", "not_found"})
STRAYS: Final = {
    "no_photo": "No photo of that name is here.",
    "several_photos": "Several photos have that name.",
}
TOO_LARGE: Final = Trouble("sidecar_too_large", "The notes are larger than 512 KB.", is_retryable=False)
NOT_UTF8: Final = Trouble("not_utf8", "The notes are not written in UTF-8.", is_retryable=False)


class Notes:
    """What became of each file of notes is in the report, and told when it is another thing than before."""

    def __init__(self, site: Site, report: Report, journal: Journal, display: Display) -> None:
        self._site, self._report, self._journal, self._display = site, report, journal, display
        self._refused: dict[tuple[str, str], Trouble] = {}
        self.choice = Choice()  # as the folder was seen last

    async def send(self) -> None:
        """Raises: UnreachableError."""
        items = {item.chosen.client_id: item for item in self._report.items}
        for note in self.choice.notes:
            about = [items.get(photo.client_id) for photo in note.about]
            self._note(await self._outcome_of(note, about))

    def tell_strays(self) -> None:
        for stray in self.choice.stray:
            self._note(NoteOutcome(stray.path, NoteStatus.STRAY, stray.code, STRAYS[stray.code]))

    def _note(self, outcome: NoteOutcome) -> None:
        if self._report.notes.get(outcome.path) != outcome:
            self._report.notes[outcome.path] = outcome
            self._display.noted(outcome)

    async def _outcome_of(self, note: Note, about: Sequence[Item | None]) -> NoteOutcome:
        """Sent where one photo has them, unless the notes themselves were refused. None: the photo is to come."""
        troubles, is_kept = [], False
        for item in about:
            if item is None or item.status not in ADDED or item.upload is None:
                continue
            try:
                await self._send_one(note, item.upload.id)
                is_kept = True
            except (FileError, SiteError) as error:
                troubles.append(error.trouble)
        for trouble in troubles:
            if not (is_kept and trouble.code in ABOUT_THE_PHOTO):
                return NoteOutcome(note.path, NoteStatus.FAILED, trouble.code, trouble.message)
        if any(item is None or item.status == Status.WAITING for item in about):
            return NoteOutcome(note.path, NoteStatus.WAITING)
        if is_kept:
            return NoteOutcome(note.path, NoteStatus.SENT)
        return NoteOutcome(note.path, NoteStatus.FAILED, "photo_not_added", "Its photo was not added.")

    async def _send_one(self, note: Note, upload_id: str) -> None:
        """Not again where this very text was sent, or was refused in this run.

        Raises: FileError, SiteError, UnreachableError.
        """
        content = await asyncio.to_thread(read_at, note.file, 0, MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise FileError(TOO_LARGE)
        sha256 = hashlib.sha256(content).hexdigest()
        key = f"{upload_id}/{note.path}"
        if self._journal.has_note(key, sha256):
            return
        if refused := self._refused.get((key, sha256)):
            raise FileError(refused)
        name = note.path.rpartition("/")[2]
        body = {"name": name, "text": text_in(content)}
        try:
            await self._site.call("POST", f"/uploads/{upload_id}/sidecars", body)
        except SiteError as error:
            self._refused[key, sha256] = error.trouble
            raise
        self._journal.note_note(key, sha256)


def text_in(content: bytes) -> str:
    """Raises: FileError: the very bytes are kept, and the site takes UTF-8 alone."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FileError(NOT_UTF8) from error
