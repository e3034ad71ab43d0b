"""What can be kept as a proof of what the site has."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .display import line_of, line_of_note
from .journal import write_whole
from .outcome import NoteStatus

if TYPE_CHECKING:
    from pathlib import Path

    from .outcome import Item, Report


def write_receipt(file: Path, site: str, report: Report) -> None:
    """`is_compared`: the SHA-256 was taken here and by the site, and both agree."""
    body = {
        "site": site,
        "gallery_id": report.gallery_id,
        "gallery_url": report.gallery_url,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [{**line_of(item), "is_compared": is_compared(item)} for item in report.items],
        "notes": [line_of_note(note) for note in report.notes.values()],
        "notes_sent": len(report.notes_of(NoteStatus.SENT)),
    }
    write_whole(file, json.dumps(body, indent=1).encode())


def is_compared(item: Item) -> bool:
    return bool(item.sha256) and item.sha256 == item.photo_sha256
