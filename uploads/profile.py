"""What a gallery takes: its own bounds within those of the product. Mirrored by static/src/domain/file-check.ts."""

from django.conf import settings

from galleries.errors import TooManyPixels
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


def refuse_type(profile: Profile, media_type: str) -> None:
    """Raises: TypeNotTaken."""
    if media_type not in profile.media_types:
        raise TypeNotTaken(media_type=media_type, taken=list(profile.media_types))


def refuse_size(profile: Profile, size_bytes: int) -> None:
    """Raises: FileTooLarge."""
    if size_bytes > profile.max_file_bytes:
        raise FileTooLarge(declared_bytes=size_bytes, limit_bytes=profile.max_file_bytes)


def refuse_pixels(profile: Profile, *, width: int, height: int) -> None:
    """Raises: TooFewPixels, TooManyPixels."""
    if width * height < profile.min_pixels:
        raise TooFewPixels(width=width, height=height, limit_pixels=profile.min_pixels)
    if width * height > profile.max_pixels:
        raise TooManyPixels(width=width, height=height, limit_pixels=profile.max_pixels)
