"""What has become of each file, and of the whole command."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .choosing import Chosen
    from .wire import Trouble, Upload


class Status(StrEnum):
    WAITING = "waiting"
    SENT = "sent"  # verified, by this run
    THERE = "there"  # verified before
    DUPLICATE = "duplicate"  # the gallery has these very bytes, by another name
    FAILED = "failed"


class NoteStatus(StrEnum):
    SENT = "sent"  # the site has it, by this run or an earlier one
    WAITING = "waiting"  # for its photo
    FAILED = "failed"
    STRAY = "stray"  # nobody can say which photo it is about


class Exit(IntEnum):
    ALL_THERE = 0
    SOME_FAILED = 1
    USAGE = 2
    REFUSED = 3  # the site has refused the whole: token, gallery
    UNREACHABLE = 4
    BUSY = 5  # the same command is running
    PAUSED = 130  # as shells have it for Ctrl-C
    BROKEN_PIPE = 141  # as shells have it for SIGPIPE


class FileError(Exception):
    """This file can't go on; the others do."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(slots=True, eq=False)
class Item:
    """A file on its way. `sha256` is that of what was read here, `photo_sha256` the site's; empty where unknown."""

    chosen: Chosen
    upload: Upload | None = None
    status: Status = Status.WAITING
    trouble: Trouble | None = None
    sha256: str = ""
    photo_sha256: str = ""
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class NoteOutcome:
    """A file of an editor's notes; `code` and `message` say why it is not there."""

    path: str
    status: NoteStatus
    code: str = ""
    message: str = ""


@dataclass(slots=True)
class Report:
    """`notes`: by their path."""

    gallery_id: str = ""
    gallery_url: str = ""
    items: list[Item] = field(default_factory=list)
    notes: dict[str, NoteOutcome] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    sent_bytes: int = 0
    is_paused: bool = False

    def count(self, status: Status) -> int:
        return sum(item.status == status for item in self.items)

    def notes_of(self, status: NoteStatus) -> list[NoteOutcome]:
        return [note for note in self.notes.values() if note.status == status]

    @property
    def exit(self) -> Exit:
        if self.is_paused and self.count(Status.WAITING):
            return Exit.PAUSED
        is_bad = self.count(Status.FAILED) or self.count(Status.WAITING) or self.notes_of(NoteStatus.FAILED)
        return Exit.SOME_FAILED if is_bad else Exit.ALL_THERE
