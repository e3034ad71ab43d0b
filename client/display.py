"""What a person, a log or a program sees of it. People and logs read stderr, programs stdout."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from .outcome import NoteStatus, Status

if TYPE_CHECKING:
    from .outcome import Item, NoteOutcome, Report

# Files of several parts have a bar of their own.
OWN_BAR_BYTES: Final = 32 * 1024 * 1024
JSON_EVERY_S: Final = 1.0
LINE_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done with a file; `about` names the photos of notes, `code` says why notes stay."""

    action: str
    path: str
    size_bytes: int | None = None
    about: tuple[str, ...] = ()
    code: str = ""

    def __str__(self) -> str:
        size = "" if self.size_bytes is None else f"{self.size_bytes:,}"
        why = f" (of {', '.join(self.about)})" if self.about else f" ({self.code})" if self.code else ""
        return f"{self.action:7} {size:>12} {self.path}{why}"


class Display(Protocol):
    def added(self, item: Item) -> None: ...
    def began(self, item: Item) -> None: ...
    def moved(self, item: Item, count: int) -> None: ...
    def stored(self, item: Item) -> None: ...
    def settled(self, item: Item) -> None: ...
    def noted(self, note: NoteOutcome) -> None: ...
    def planned(self, plan: Plan) -> None: ...
    def say(self, sentence: str) -> None: ...
    def stop(self) -> None: ...
    def end(self, report: Report) -> None: ...


class Tally:
    """How far all of it is; a file that is settled counts whole, however it came to that."""

    def __init__(self) -> None:
        self.total_bytes = self.done_bytes = self.total_files = self.settled_files = 0
        self._moved: dict[Item, int] = {}

    def add(self, item: Item) -> None:
        self.total_files += 1
        self.total_bytes += item.chosen.size_bytes

    def move(self, item: Item, count: int) -> int:
        """Bytes of this file so far; one that is sent again is not counted twice."""
        before = self._moved.get(item, 0)
        now = min(item.chosen.size_bytes, before + count)
        self._moved[item] = now
        self.done_bytes += now - before
        return now

    def settle(self, item: Item) -> None:
        self.done_bytes += item.chosen.size_bytes - self._moved.pop(item, 0)
        self.settled_files += 1


def told(item: Item) -> str:
    return f"{item.chosen.path}: {item.trouble.message}" if item.trouble else item.chosen.path


def told_of_note(note: NoteOutcome) -> str:
    return f"{note.path}: {note.message}"


def summary(report: Report) -> str:
    counts = {status: report.count(status) for status in Status}
    parts = [f"{counts[Status.SENT]} sent", f"{counts[Status.THERE]} there already"]
    parts += (
        [f"{counts[Status.DUPLICATE]} in the gallery by another name"] if counts[Status.DUPLICATE] else []
    )
    notes_sent = len(report.notes_of(NoteStatus.SENT))
    notes_left = len(report.notes) - notes_sent
    parts += [f"{notes_sent} XMP kept"] if notes_sent else []
    parts += [f"{notes_left} XMP not kept"] if notes_left else []
    parts += [f"{counts[Status.FAILED]} failed"] if counts[Status.FAILED] else []
    parts += (
        [f"{counts[Status.WAITING]} still to go: the same command goes on"] if counts[Status.WAITING] else []
    )
    parts += [f"{len(report.left_out)} no photos"] if report.left_out else []
    return f"{', '.join(parts)}. {report.gallery_url}"


class Bars:
    """A bar for all of it, and one for each large file that is under way."""

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._own: dict[Item, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._all = self._progress.add_task("0 of 0", total=0)
        self._progress.start()

    def added(self, item: Item) -> None:
        self._tally.add(item)
        self._show()

    def began(self, item: Item) -> None:
        if item.chosen.size_bytes >= OWN_BAR_BYTES and item not in self._own:
            self._own[item] = self._progress.add_task(item.chosen.name, total=item.chosen.size_bytes)

    def moved(self, item: Item, count: int) -> None:
        done_bytes = self._tally.move(item, count)
        if item in self._own:
            self._progress.update(self._own[item], completed=done_bytes)
        self._show()

    def stored(self, item: Item) -> None:
        if item in self._own:
            self._progress.remove_task(self._own.pop(item))

    def settled(self, item: Item) -> None:
        self.stored(item)
        self._tally.settle(item)
        if item.status == Status.FAILED:
            self._progress.console.print(told(item), style="red", markup=False, highlight=False)
        self._show()

    def noted(self, note: NoteOutcome) -> None:
        if note.message:
            self._progress.console.print(told_of_note(note), style="red", markup=False, highlight=False)

    def planned(self, plan: Plan) -> None:
        write_out(str(plan))

    def say(self, sentence: str) -> None:
        self._progress.console.print(sentence, markup=False, highlight=False)

    def stop(self) -> None:
        self._progress.stop()

    def end(self, report: Report) -> None:
        self.stop()
        self.say(summary(report))

    def _show(self) -> None:
        tally = self._tally
        words = f"{tally.settled_files} of {tally.total_files}"
        self._progress.update(
            self._all, description=words, completed=tally.done_bytes, total=tally.total_bytes
        )


class Lines:
    """For logs: a line now and then, and one for each file that failed."""

    def __init__(self) -> None:
        self._tally, self._said_at = Tally(), time.monotonic()

    def added(self, item: Item) -> None:
        self._tally.add(item)

    def began(self, item: Item) -> None: ...

    def moved(self, item: Item, count: int) -> None:
        self._tally.move(item, count)
        self._now_and_then()

    def stored(self, item: Item) -> None: ...

    def settled(self, item: Item) -> None:
        self._tally.settle(item)
        if item.status == Status.FAILED:
            self.say(told(item))
        self._now_and_then()

    def noted(self, note: NoteOutcome) -> None:
        if note.message:
            self.say(told_of_note(note))

    def planned(self, plan: Plan) -> None:
        write_out(str(plan))

    def say(self, sentence: str) -> None:
        sys.stderr.write(f"{sentence}\n")

    def stop(self) -> None: ...

    def end(self, report: Report) -> None:
        self.say(summary(report))

    def _now_and_then(self) -> None:
        if time.monotonic() - self._said_at > LINE_EVERY_S:
            self._said_at = time.monotonic()
            tally = self._tally
            megabytes = f"{tally.done_bytes / 1e6:,.0f} of {tally.total_bytes / 1e6:,.0f} MB"
            self.say(f"{tally.settled_files} of {tally.total_files} files, {megabytes}")


class JsonLines:
    """For programs: an object a line on stdout, `event` says which."""

    def __init__(self) -> None:
        self._tally, self._said_at = Tally(), 0.0

    def added(self, item: Item) -> None:
        self._tally.add(item)

    def began(self, item: Item) -> None: ...

    def moved(self, item: Item, count: int) -> None:
        self._tally.move(item, count)
        if time.monotonic() - self._said_at > JSON_EVERY_S:
            self._said_at = time.monotonic()
            tally = self._tally
            self._write("progress", bytes=tally.done_bytes, bytes_total=tally.total_bytes,
                        files=tally.settled_files, files_total=tally.total_files)  # fmt: skip

    def stored(self, item: Item) -> None: ...

    def settled(self, item: Item) -> None:
        self._tally.settle(item)
        self._write("file", **line_of(item))

    def noted(self, note: NoteOutcome) -> None:
        self._write("sidecar", **line_of_note(note))

    def planned(self, plan: Plan) -> None:
        self._write("plan", action=plan.action, path=plan.path, size=plan.size_bytes,
                    about=plan.about, code=plan.code or None)  # fmt: skip

    def say(self, sentence: str) -> None:
        self._write("note", text=sentence)

    def stop(self) -> None: ...

    def end(self, report: Report) -> None:
        self._write(
            "end",
            gallery_id=report.gallery_id,
            gallery_url=report.gallery_url,
            counts={str(status): report.count(status) for status in Status},
            notes={
                "sent": len(report.notes_of(NoteStatus.SENT)),
                "failed": {note.path: note.code for note in report.notes_of(NoteStatus.FAILED)},
                "stray": [note.path for note in report.notes_of(NoteStatus.STRAY)],
            },
            left_out=report.left_out,
            sent_bytes=report.sent_bytes,
            exit=int(report.exit),
        )

    def _write(self, event: str, **fields: Any) -> None:
        write_out(json.dumps({"event": event, **fields}))


def write_out(line: str) -> None:
    """At once. Raises: BrokenPipeError when nobody reads any more."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def line_of(item: Item) -> dict[str, object]:
    """One file as receipts and programs read it."""
    line: dict[str, object] = {
        "path": item.chosen.path,
        "size": item.chosen.size_bytes,
        "status": str(item.status),
        "upload_id": (item.upload.id or None) if item.upload else None,
        "photo_id": item.upload.photo_id if item.upload else None,
        "sha256": item.photo_sha256 or item.sha256 or None,
    }
    return line if item.trouble is None else {**line, "code": item.trouble.code}


def line_of_note(note: NoteOutcome) -> dict[str, object]:
    line: dict[str, object] = {"path": note.path, "status": str(note.status)}
    return {**line, "code": note.code, "message": note.message} if note.code else line


def display_for(*, as_json: bool) -> Display:
    if as_json:
        return JsonLines()
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()
