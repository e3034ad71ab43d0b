"""What one command keeps between its runs: which gallery it fills, and what it knows of parts that are under way.

The site knows the rest. A journal that is lost costs nothing but reading: parts are listed by the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .stream import SentPart

VERSION: Final = 1


class BusyError(Exception):
    """The same command is running already."""


class Journal:
    """Written whole, by a rename, with fsync: what is on the disk is always one state or the next."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kept: dict[str, Any] = {"version": VERSION, **_read(file)}
        self._is_changed = False

    @property
    def gallery_id(self) -> str:
        return str(self._kept.get("gallery_id", ""))

    @property
    def gallery_key(self) -> str:
        """The idempotency key under which a gallery was about to be made."""
        return str(self._kept.get("gallery_key", ""))

    def note_gallery(self, *, key: str = "", gallery_id: str = "") -> None:
        self._kept |= {"gallery_key": key, "gallery_id": gallery_id}
        self._is_changed = True

    def crcs_of(self, client_id: str) -> Mapping[int, str]:
        """CRC-32 by the number of the part."""
        kept = self._kept.get("parts", {}).get(client_id, {})
        return {int(number): str(crc32) for number, crc32 in kept.items()}

    def note_part(self, client_id: str, part: SentPart) -> None:
        self._kept.setdefault("parts", {}).setdefault(client_id, {})[str(part.number)] = part.crc32
        self._is_changed = True

    def forget_parts(self, client_id: str) -> None:
        if self._kept.get("parts", {}).pop(client_id, None) is not None:
            self._is_changed = True

    def has_note(self, path: str, sha256: str) -> bool:
        return bool(self._kept.get("notes", {}).get(path) == sha256)

    def note_note(self, path: str, sha256: str) -> None:
        self._kept.setdefault("notes", {})[path] = sha256
        self._is_changed = True

    def write(self) -> None:
        """At once where nothing has changed."""
        if self._is_changed:
            write_whole(self.file, json.dumps(self._kept, indent=1).encode())
            self._is_changed = False


def write_whole(file: Path, content: bytes) -> None:
    """The old content or the new one, whatever happens meanwhile; readable by its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as half_written:
            half_written.write(content)
            half_written.flush()
            os.fsync(half_written.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def journal_file(site: str, gallery: str, sources: list[str]) -> Path:
    """The same command has the same one, wherever it is called from."""
    places = [source if source == "-" else str(Path(source).resolve()) for source in sources]
    name = hashlib.sha256("\0".join([site, gallery, *places]).encode(errors="surrogateescape")).hexdigest()[
        :24
    ]
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "gallery-upload" / f"{name}.json"


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Raises: BusyError while another process has it; a killed one has nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            import fcntl
        except (
            ImportError
        ):  # pragma: no cover - Windows has no such locks; two runs are wasteful there, not wrong
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(str(file)) from error
        yield


def _read(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        kept = json.loads(file.read_text())
        if isinstance(kept, dict) and kept.get("version") == VERSION:
            return kept
    return {}
