"""From rows to an archive: which files, in which order, under which names, for this asker.

It reads no object: sizes and checksums are those of the rows, of the very form that the asker gets.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from galleries.archive.cover_sheet import Sheet, SheetPhoto, cover_sheet
from galleries.archive.layout import Entry, Layout
from galleries.archive.names import Names, safe_name, shortened
from galleries.blanking import Blank
from galleries.download_names import download_name
from galleries.errors import NotFound
from galleries.models import Gallery, GallerySort, Photo, Rendition
from galleries.original_form import form_for
from galleries.queries import SORT_COLUMNS, with_renditions
from galleries.renditions import GRID, VIEW

# Raised whenever the same rows make other bytes than before: a resumed download must never be half of each.
LAYOUT_VERSION: Final = 1
SHEET_NAME: Final = "Cover sheet.html"
CHECKSUMS_NAME: Final = "SHA256SUMS"
CONTACT_FOLDER: Final = "contact-sheet"
PHOTOS_A_QUERY: Final = 1_000
LONG_AGO: Final = datetime(1980, 1, 1)  # noqa: DTZ001 - a wall clock, of an archive of nothing


class Variant(StrEnum):
    ORIGINAL = "original"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class Stored:
    """Content that lies in a store, and what of it is overwritten on its way out."""

    store: str
    key: str
    blanks: tuple[Blank, ...] = ()


@dataclass(frozen=True)
class Archive:
    """`contents` are those of the layout's entries. Two with one ETag (unquoted) are the same bytes."""

    download_name: str
    layout: Layout
    contents: Sequence[bytes | Stored]
    etag: str
    checksums: bytes

    @property
    def size(self) -> int:
        return self.layout.size


@dataclass(frozen=True, slots=True)
class Chosen:
    """A photo in the form that it is given out in. `width` and `height` in pixels."""

    name: str
    key: str
    size: int
    crc32: str
    sha256: str
    width: int
    height: int
    blanks: tuple[Blank, ...] = ()


@dataclass
class Files:
    """What is in an archive, in order, while it is gathered."""

    entries: list[Entry] = field(default_factory=list)
    contents: list[bytes | Stored] = field(default_factory=list)
    sums: list[str] = field(default_factory=list)

    def add(self, entry: Entry, content: bytes | Stored, sha256: str) -> None:
        self.entries.append(entry)
        self.contents.append(content)
        self.sums.append(f"{sha256}  {entry.name}\n")

    def extend(self, other: "Files") -> None:
        self.entries += other.entries
        self.contents += other.contents
        self.sums += other.sums


@dataclass
class Gathered:
    """The photos and their small pictures, and what the cover sheet says of them."""

    names: Names
    photos: Files = field(default_factory=Files)
    pictures: Files = field(default_factory=Files)
    lines: list[SheetPhoto] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    found_count: int = 0
    added_at: datetime | None = None


def archive_of(
    gallery: Gallery, variant: Variant, *, is_owner: bool, chosen_ids: Sequence[str] | None = None
) -> Archive:
    """Of all its visible photos, or of those. Two queries for each thousand photos.

    The same rows make the same archive, in every process: the cover sheet and the list of checksums come first, then
    the photos in the order of the gallery, then the pictures of the contact sheet.
    """
    gathered = gather(gallery, variant, is_owner=is_owner, chosen_ids=chosen_ids)
    if chosen_ids is not None and gathered.found_count < len(chosen_ids):
        gone = len(chosen_ids) - gathered.found_count
        gathered.left_out.append(f"{gone} of the chosen photos, no longer in the gallery")
    written_at = gathered.added_at or LONG_AGO
    sheet = cover_sheet(
        Sheet(
            title=gallery.title,
            photos=gathered.lines,
            is_web_size=variant is Variant.WEB,
            added_at=gathered.added_at,
            left_out=gathered.left_out,
            checksums_name=CHECKSUMS_NAME,
        )
    )
    files = Files()
    add_made(files, SHEET_NAME, sheet, written_at)
    files.extend(gathered.photos)
    files.extend(gathered.pictures)
    checksums = "".join(files.sums).encode()
    whole = Files()
    add_made(whole, CHECKSUMS_NAME, checksums, written_at)
    whole.extend(files)
    return Archive(
        download_name=shortened(f"{safe_name(gallery.title)}.zip"),
        layout=Layout(whole.entries),
        contents=whole.contents,
        etag=etag_of(whole, checksums),
        checksums=checksums,
    )


def gather(
    gallery: Gallery, variant: Variant, *, is_owner: bool, chosen_ids: Sequence[str] | None
) -> Gathered:
    gathered = Gathered(Names())
    for taken in (SHEET_NAME, CHECKSUMS_NAME, CONTACT_FOLDER):
        gathered.names.give(taken)
    for photo in visible_photos(gallery, chosen_ids):
        gathered.found_count += 1
        chosen = web_size(photo) if variant is Variant.WEB else original(photo, is_owner=is_owner)
        if chosen is None:
            gathered.left_out.append(f"{photo.name}: its web size is not made yet")
        else:
            add_photo(gathered, photo, chosen)
    return gathered


def visible_photos(gallery: Gallery, chosen_ids: Sequence[str] | None) -> Iterator[Photo]:
    """Chosen ones are looked for among all: thousands of ids are more than some databases take in a query."""
    wanted = None if chosen_ids is None else {UUID(each) for each in chosen_ids}
    photos = Photo.objects.ready().filter(gallery=gallery).defer("details", "thumbhash")
    ordered = photos.order_by(SORT_COLUMNS[GallerySort(gallery.sort)], "id")
    for photo in ordered.prefetch_related(with_renditions()).iterator(chunk_size=PHOTOS_A_QUERY):
        if wanted is None or photo.pk in wanted:
            photo.gallery = gallery
            yield photo


def original(photo: Photo, *, is_owner: bool) -> Chosen | None:
    """None where others would get the web size, and there is none yet."""
    try:
        form = form_for(photo, is_owner=is_owner)
    except NotFound:
        return None
    view = rendition_of(photo, VIEW.name)
    shown = view if view is not None and form.key == view.key else photo
    return Chosen(
        form.name, form.key, form.size, form.crc32, form.sha256, shown.width, shown.height, form.blanks
    )


def web_size(photo: Photo) -> Chosen | None:
    view = rendition_of(photo, VIEW.name)
    if view is None:
        return None
    name = download_name(photo.name, view.media_type)
    return Chosen(name, view.key, view.size, view.crc32, view.sha256, view.width, view.height)


def rendition_of(photo: Photo, name: str) -> Rendition | None:
    return next((each for each in photo.renditions.all() if each.name == name), None)


def add_photo(gathered: Gathered, photo: Photo, chosen: Chosen) -> None:
    name = gathered.names.give(chosen.name)
    written_at = photo.captured_at or photo.added_at
    gathered.photos.add(
        Entry(name, chosen.size, int(chosen.crc32, 16), written_at),
        Stored(photo.store, chosen.key, chosen.blanks),
        chosen.sha256,
    )
    picture = add_picture(gathered, photo, written_at)
    gathered.lines.append(
        SheetPhoto(name, picture, chosen.size, chosen.width, chosen.height, photo.captured_at, chosen.crc32)
    )
    gathered.added_at = max(gathered.added_at or photo.added_at, photo.added_at)


def add_picture(gathered: Gathered, photo: Photo, written_at: datetime) -> str | None:
    """The small picture beside it on the cover sheet, numbered like the photos; None where there is none."""
    grid = rendition_of(photo, GRID.name)
    if grid is None:
        return None
    number = len(gathered.photos.entries)
    ending = download_name("", grid.media_type)
    name = f"{CONTACT_FOLDER}/{number:04}{ending}"
    gathered.pictures.add(
        Entry(name, grid.size, int(grid.crc32, 16), written_at), Stored(photo.store, grid.key), grid.sha256
    )
    return name


def add_made(files: Files, name: str, content: bytes, written_at: datetime) -> None:
    entry = Entry(name, len(content), zlib.crc32(content), written_at)
    files.add(entry, content, hashlib.sha256(content).hexdigest())


def etag_of(files: Files, checksums: bytes) -> str:
    """The list of checksums names every file, its content and its place; beside it only their times count."""
    times = " ".join(entry.written_at.isoformat() for entry in files.entries)
    digest = hashlib.sha256(f"{LAYOUT_VERSION} {times}\n".encode())
    digest.update(checksums)
    return digest.hexdigest()[:40]
