"""Which form of an original somebody gets: its own bytes, the same with its places blanked, or the web size.

Sizes, checksums and ETags are always those of the form: a list, a download and an archive say the same.
"""

from dataclasses import dataclass

from galleries.blanking import Blank, from_rows
from galleries.download_names import MAX_NAME_BYTES, download_name
from galleries.errors import NotFound
from galleries.models import Photo
from galleries.renditions import VIEW


@dataclass(frozen=True)
class OriginalForm:
    """An object of the photo's store, and what of it is overwritten on its way out. `size` in bytes."""

    key: str
    size: int
    crc32: str
    sha256: str
    media_type: str
    name: str
    blanks: tuple[Blank, ...] = ()


def form_for(photo: Photo, *, is_owner: bool) -> OriginalForm:
    """No query where `photo.gallery` is there, but one for the web size unless the renditions were prefetched.

    Raises: NotFound when it would be the web size, and there is none yet.
    """
    if is_owner or photo.gallery.keep_location:
        return _original(photo, photo.crc32, photo.sha256, ())
    if photo.blanks is None:
        return _web_size(photo)
    return _original(photo, photo.blanked_crc32, photo.blanked_sha256, from_rows(photo.blanks))


def _original(photo: Photo, crc32: str, sha256: str, blanks: tuple[Blank, ...]) -> OriginalForm:
    name = download_name(photo.name, photo.media_type)
    return OriginalForm(photo.key, photo.size, crc32, sha256, photo.media_type, name, blanks)


def _web_size(photo: Photo) -> OriginalForm:
    view = next((each for each in photo.renditions.all() if each.name == VIEW.name), None)
    if view is None:
        raise NotFound
    return OriginalForm(view.key, view.size, view.crc32, view.sha256, view.media_type, web_name(photo.name))


def web_name(name: str) -> str:
    """The whole name goes on: the RAW beside a JPEG of the same name must not be called like it."""
    return name.encode()[: MAX_NAME_BYTES - len(".jpg")].decode("utf-8", "ignore") + ".jpg"
