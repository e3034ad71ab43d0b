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
# What a camera makes of a shot, as in the browser. A PNG or TIFF of that name was made by a person.
OF_CAMERAS: Final = RAW | {"jpg", "jpeg", "jpe", "heic", "heif", "hif"}
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
    """An editor's notes, and the photos they are about: one, or what the camera made of the shot."""

    file: Path
    path: str
    about: tuple[Chosen, ...]


@dataclass(frozen=True, slots=True)
class Stray:
    """Notes that nobody can place: `code` is no_photo or several_photos."""

    path: str
    code: str


@dataclass(frozen=True, slots=True)
class Choice:
    """`left_out`: files that are no photos; `stray`: notes without a photo, or about several."""

    files: tuple[Chosen, ...] = ()
    notes: tuple[Note, ...] = ()
    left_out: tuple[str, ...] = ()
    stray: tuple[Stray, ...] = ()


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
    for file, found in _found(sources):
        # As browsers say it: in UTF-8, whatever bytes the name is made of.
        path = found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
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
    modified_ms = status.st_mtime_ns // 1_000_000  # as browsers say it
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
    index = _ShotIndex(photos)
    kept, stray = [], []
    for file, path in notes:
        about = index.about(path)
        names = {_plain(photo.path) for photo in about}
        if about and len(names) == len(about):
            kept.append(Note(file, path, about))
        else:
            stray.append(Stray(path, "several_photos" if about else "no_photo"))
    return Choice(tuple(photos), tuple(kept), tuple(left_out), tuple(stray))


class _ShotIndex:
    """Photos by what an editor's notes call them."""

    def __init__(self, photos: Iterable[Chosen]) -> None:
        self._by_path: defaultdict[str, list[Chosen]] = defaultdict(list)
        self._by_shot: defaultdict[str, list[Chosen]] = defaultdict(list)
        for photo in photos:
            self._by_path[_plain(photo.path)].append(photo)
            self._by_shot[_shot(photo.path)].append(photo)

    def about(self, path: str) -> tuple[Chosen, ...]:
        """What they name whole (IMG_1.CR3.xmp), else what the camera made of the shot, else what bears its name."""
        named = path.rpartition(".")[0]
        if exact := self._by_path.get(_plain(named)):
            return tuple(exact)
        of_shot = self._by_shot.get(_shot(named) if ending_of(named) in OF_CAMERAS else _plain(named), [])
        return tuple(photo for photo in of_shot if ending_of(photo.path) in OF_CAMERAS) or tuple(of_shot)


def _shot(path: str) -> str:
    return _plain(path.rpartition(".")[0])


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path).lower()
