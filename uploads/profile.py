"""What a gallery takes: its own bounds within those of the product.

Mirrored by static/src/domain/file-check.ts; tests/vectors/profile.json keeps both honest.
"""

from collections.abc import Iterator, Sequence

from django.conf import settings

from galleries.errors import GalleryError, TooLongSide, TooManyPixels
from galleries.models import Gallery
from galleries.ports import Profile
from uploads.errors import FileTooLarge, TooFewPixels, TypeNotTaken
from uploads.limits import MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE_PX
from uploads.media_types import ACCEPTED


def profile_of(gallery: Gallery) -> Profile:
    """No query."""
    only = gallery.only_types
    return Profile(
        media_types=tuple(sorted(each for each in ACCEPTED if not only or each in only)),
        max_file_bytes=least(gallery.max_file_bytes, MAX_FILE_BYTES),
        min_pixels=gallery.min_pixels or 1,
        max_pixels=least(gallery.max_pixels, MAX_PIXELS),
        max_side_px=MAX_SIDE_PX,
        max_photos=least(gallery.max_photos, settings.MAX_GALLERY_PHOTOS),
    )


def least(own: int | None, product: int) -> int:
    return product if own is None else min(own, product)


def objections(
    profile: Profile, *, size_bytes: int, media_type: str, width: int = 0, height: int = 0
) -> list[GalleryError]:
    """All that speaks against a file, in the order of the browser's list. Of pixels nothing where they are unknown."""
    against: list[GalleryError] = []
    if size_bytes > profile.max_file_bytes:
        against.append(FileTooLarge(declared_bytes=size_bytes, limit_bytes=profile.max_file_bytes))
    if media_type not in profile.media_types:
        against.append(TypeNotTaken(media_type=media_type, taken=list(profile.media_types)))
    if width and height:
        against += objections_to_pixels(profile, width, height)
    return against


def objections_to_pixels(profile: Profile, width: int, height: int) -> Iterator[GalleryError]:
    if width * height < profile.min_pixels:
        yield TooFewPixels(width=width, height=height, limit_pixels=profile.min_pixels)
    if width * height > profile.max_pixels:
        yield TooManyPixels(width=width, height=height, limit_pixels=profile.max_pixels)
    if max(width, height) > profile.max_side_px:
        yield TooLongSide(width=width, height=height, limit_px=profile.max_side_px)


def refuse(against: Sequence[GalleryError]) -> None:
    """Raises: the first of them; its detail `reasons` names all, where there are several."""
    if not against:
        return
    first = against[0]
    if len(against) > 1:
        first.details["reasons"] = [each.code for each in against]
    raise first
