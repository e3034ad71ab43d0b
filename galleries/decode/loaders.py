"""In the child: opens a file with the one loader its real type names, and asks the header before any pixel is made.

libvips would choose a loader by content, and some of its loaders read other files or were never fuzzed
(CVE-2026-66066); so no call here lets it choose.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyvips

from galleries.decode import exif
from galleries.decode.code_points import space_of_heif, space_of_png
from galleries.decode.colour import ADOBE_RGB, SRGB, ColourSpace, profile_of
from galleries.decode.wire import MAX_PIXELS, MAX_SIDE_PX
from galleries.renditions import VIEW

# What is left for the last, careful shrink after the decoder's own coarse one: at 1.5 the root mean square
# difference from a full decode is 1 of 255 on 24 MP of noisy detail, and decoding costs two thirds.
_LEFT_TO_SHRINK: Final = 1.5

PROFILE: Final = "icc-profile-data"
_COLOURED: Final = {"b-w": "srgb", "grey16": "rgb16"}  # a profile of three colours is for pictures of three

# EXIF 2.32, 4.6.4: orientations from 5 on lie on their side.
_FIRST_ON_ITS_SIDE: Final = 5

Original = int | bytes  # an open descriptor, or a picture found inside another file


class Refused(Exception):
    """The file ends here with a code that its owner will read."""

    def __init__(self, code: str, reason: str = "", *, width_px: int = 0, height_px: int = 0) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason
        self.width_px, self.height_px = width_px, height_px


@dataclass(frozen=True)
class Negative:
    """A photo whose header is read. `image` carries its orientation tag still to be obeyed."""

    image: pyvips.Image
    width_px: int  # of the whole photo, upright; `image` may be shrunk already and lie on its side
    height_px: int
    notes: exif.CameraNotes
    warnings: list[str] = field(default_factory=list)
    held: object = None  # memory that `image` reads and does not own: freed with this, not before
    forgiving: Callable[[], pyvips.Image] | None = None  # the same by a loader that passes over small flaws


def open_negative(descriptor: int, media_type: str) -> Negative:
    """Raises: Refused; pyvips.Error for a header beyond reading."""
    loader = _LOADERS.get(media_type)
    if loader is None:
        raise Refused("unsupported_format")
    return loader(descriptor)


def gate(width_px: int, height_px: int) -> None:
    """Raises: Refused. libvips has no budget of its own: 300 KB of PNG can be 2.5 gigapixels."""
    if max(width_px, height_px) > MAX_SIDE_PX:
        raise Refused("too_long_side", width_px=width_px, height_px=height_px)
    if width_px * height_px > MAX_PIXELS:
        raise Refused("too_many_pixels", width_px=width_px, height_px=height_px)


def open_jpeg(original: Original) -> Negative:
    """By a loader that also fails where data ends too early and a last marker follows all the same."""
    header = load("jpegload_source", original)
    negative = _negative(header)
    options = {"shrink": _coarse_shrink(header)}
    space = ADOBE_RGB if negative.notes.is_adobe_rgb and not has_profile(header) else None
    return replace(
        negative,
        image=meant_as(space, load("jpegload_source", original, fail_on="warning", **options)),
        forgiving=lambda: meant_as(space, load("jpegload_source", original, **options)),
        held=original,
    )


def _coarse_shrink(header: pyvips.Image) -> int:
    longest_px = max(header.width, header.height)
    return max(
        factor
        for factor in (1, 2, 4, 8)
        if factor == 1 or longest_px / factor >= VIEW.longest_side_px * _LEFT_TO_SHRINK
    )


def open_tiff(original: Original) -> Negative:
    """The first page alone: a hundred pages are not a photo."""
    # "truncated" lets a TIFF pass that has lost its strips.
    header = load("tiffload_source", original, fail_on="error")
    return _negative(header, exif.from_tiff(reader_of(original)))


def load(loader: str, original: Original, **options: Any) -> pyvips.Image:
    # Pixels which are not there would otherwise be published as grey ones.
    options = {"access": "sequential", "fail_on": "truncated"} | options
    return pyvips.Operation.call(loader, _source(original), **options)


def has_profile(image: pyvips.Image) -> bool:
    return bool(image.get_typeof(PROFILE))


def meant_as(space: ColourSpace | None, image: pyvips.Image) -> pyvips.Image:
    """With a profile that says what its numbers mean, in the place of any other; sRGB needs none.

    Unchanged where nothing is known of them, and where they are inks.
    """
    if space is None or image.interpretation == "cmyk":
        return image
    told = image.copy()
    if space == SRGB:
        if has_profile(told):
            told.remove(PROFILE)
        return told
    if image.interpretation in _COLOURED:
        told = told.colourspace(_COLOURED[image.interpretation])
    told.set_type(pyvips.GValue.blob_type, PROFILE, profile_of(space))
    return told


def with_orientation(image: pyvips.Image, orientation: int) -> pyvips.Image:
    turned = image.copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return turned


def upright(width_px: int, height_px: int, orientation: int) -> tuple[int, int]:
    return (height_px, width_px) if orientation >= _FIRST_ON_ITS_SIDE else (width_px, height_px)


def reader_of(original: Original) -> exif.ReadAt:
    if isinstance(original, bytes):
        return lambda offset, size: original[offset : offset + size]
    return lambda offset, size: os.pread(original, size, offset)


def _source(original: Original) -> pyvips.Source:
    if isinstance(original, bytes):
        return pyvips.Source.new_from_memory(original)
    os.lseek(original, 0, os.SEEK_SET)
    return pyvips.Source.new_from_descriptor(original)


def _png(original: Original) -> Negative:
    negative = _still("pngload_source")(original)
    return replace(negative, image=meant_as(space_of_png(reader_of(original)), negative.image))


def _avif(original: Original) -> Negative:
    negative = _still("heifload_source")(original)
    if has_profile(negative.image):
        return negative
    return replace(negative, image=meant_as(space_of_heif(reader_of(original)), negative.image))


def _still(loader: str) -> Callable[[Original], Negative]:
    """An animation is shown by its first frame: `n` stays 1, since 20,000 frames fit into half a megabyte."""
    return lambda original: _negative(load(loader, original))


def _negative(header: pyvips.Image, notes: exif.CameraNotes | None = None) -> Negative:
    gate(header.width, header.height)
    orientation = header.get("orientation") if header.get_typeof("orientation") else 1
    width_px, height_px = upright(header.width, header.height, orientation)
    has_more = header.get_typeof("n-pages") and header.get("n-pages") > 1
    warnings = ["first_frame_only"] if has_more else []
    return Negative(header, width_px, height_px, notes or _notes(header), warnings)


def _notes(header: pyvips.Image) -> exif.CameraNotes:
    if not header.get_typeof("exif-data"):
        return exif.CameraNotes()
    return exif.from_bytes(bytes(header.get("exif-data")))


def _heic(descriptor: Original) -> Negative:
    from galleries.decode.heic import open_heic

    return open_heic(descriptor)


def _raw(descriptor: Original) -> Negative:
    from galleries.decode.raw import open_raw

    return open_raw(descriptor)


_LOADERS: Final[dict[str, Callable[[Original], Negative]]] = {
    "image/jpeg": open_jpeg,
    "image/png": _png,
    "image/webp": _still("webpload_source"),
    "image/gif": _still("gifload_source"),
    "image/tiff": open_tiff,
    "image/avif": _avif,
    "image/heic": _heic,
    "image/heif": _heic,
    "image/x-canon-cr2": _raw,
    "image/x-canon-cr3": _raw,
    "image/x-nikon-nef": _raw,
    "image/x-sony-arw": _raw,
    "image/x-adobe-dng": _raw,
    "image/x-fuji-raf": _raw,
    "image/x-olympus-orf": _raw,
    "image/x-panasonic-rw2": _raw,
}
