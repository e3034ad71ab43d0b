"""Which files are meant: folders to the end, globs, single files; and which notes belong to which photo."""

from __future__ import annotations

import glob
import os
import stat
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .identity import client_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

RAW: Final = frozenset({"cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2"})
PICTURES: Final = frozenset(
    {"jpg", "jpeg", "jpe", "png", "webp", "gif", "avif", "tif", "tiff", "heic", "heif", "hif"}
)
NOTES: Final = "xmp"
# What can be seen soonest goes first: of one shot the picture, then its RAW.
_RANKS: Final = {True: 1, False: 0}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file that is to be a photo. `path` is what the site shows, with the folder's own name in front."""

    file: Path
    path: str
    size_bytes: int
    last_modified_ms: int
    client_id: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Note:
    """An editor's notes, and the photo they are about."""

    file: Path
    path: str
    about: Chosen


@dataclass(frozen=True, slots=True)
class Choice:
    """`left_out`: files that are no photos; `stray`: notes without a photo, or about several."""

    files: tuple[Chosen, ...] = ()
    notes: tuple[Note, ...] = ()
    left_out: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """Globs over paths and names. What is included by one is sent whatever its ending says."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class NothingThereError(Exception):
    """A path that was named does not exist, or a pattern fits nothing."""


def choose(sources: Sequence[str], filters: Filters) -> Choice:
    """Raises: NothingThereError."""
    seen: dict[Path, tuple[str, os.stat_result]] = {}
    for file, path in _found(sources):
        status = _status(file)
        if status is not None and not _fits(path, filters.exclude):
            seen.setdefault(file.resolve(), (path, status))
    photos, notes, left_out = [], [], []
    for file, (path, status) in seen.items():
        ending = ending_of(path)
        if ending == NOTES:
            notes.append((file, path))
        elif _fits(path, filters.include) if filters.include else ending in RAW | PICTURES:
            photos.append(chosen(file, path, status))
        else:
            left_out.append(path)
    photos.sort(key=lambda photo: (_shot(photo.path), _RANKS[ending_of(photo.path) in RAW], photo.path))
    return _with_notes(photos, notes, left_out)


def chosen(file: Path, path: str, status: os.stat_result) -> Chosen:
    # As browsers say it: in UTF-8, whatever bytes the name is made of, and in whole milliseconds.
    path = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    modified_ms = status.st_mtime_ns // 1_000_000
    return Chosen(file, path, status.st_size, modified_ms, client_id_of(path, status.st_size, modified_ms))


def ending_of(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name[1:] else ""


def _found(sources: Iterable[str]) -> Iterator[tuple[Path, str]]:
    for source in sources:
        if os.path.lexists(source):
            yield from _below(Path(source))
        elif matches := sorted(glob.glob(source, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            for match in matches:
                yield from _below(Path(match))
        else:
            raise NothingThereError(source)


def _below(source: Path) -> Iterator[tuple[Path, str]]:
    """Paths as a browser says them when the same folder is chosen there."""
    if not source.is_dir():
        yield source, source.name
        return
    root = source.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                file = Path(folder, name)
                yield file, f"{root.name}/{file.relative_to(root).as_posix()}"


def _status(file: Path) -> os.stat_result | None:
    """None for what went away meanwhile, a broken link or a device."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _fits(path: str, patterns: Iterable[str]) -> bool:
    """A pattern without a slash is about the name, one with it about the path, with or without the chosen folder.

    Case counts for nothing: cameras write JPG, people jpg.
    """
    lowered = path.lower()
    name, inside = lowered.rpartition("/")[2], lowered.partition("/")[2]
    return any(
        fnmatchcase(name, pattern)
        if "/" not in pattern
        else fnmatchcase(lowered, pattern) or fnmatchcase(inside, pattern)
        for pattern in (each.lower() for each in patterns)
    )


def _with_notes(photos: list[Chosen], notes: list[tuple[Path, str]], left_out: list[str]) -> Choice:
    by_path = {_plain(photo.path): photo for photo in photos}
    by_shot: defaultdict[str, list[Chosen]] = defaultdict(list)
    for photo in photos:
        by_shot[_shot(photo.path)].append(photo)
    kept, stray = [], []
    for file, path in notes:
        stem = path.rpartition(".")[0]
        # IMG_1.CR3.xmp names its file; IMG_1.xmp is about the shot: its RAW, or its only photo.
        about = by_path.get(_plain(stem)) or _main_of(by_shot.get(_plain(stem), []))
        if about is None:
            stray.append(path)
        else:
            kept.append(Note(file, path, about))
    return Choice(tuple(photos), tuple(kept), tuple(left_out), tuple(stray))


def _main_of(shot: list[Chosen]) -> Chosen | None:
    raws = [photo for photo in shot if ending_of(photo.path) in RAW]
    candidates = raws or shot
    return candidates[0] if len(candidates) == 1 else None


def _shot(path: str) -> str:
    return _plain(path.rpartition(".")[0])


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path).lower()
