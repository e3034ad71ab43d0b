"""In the child: opens a file with the one loader its real type names, and asks the header before any pixel is made.

libvips would choose a loader by content, and some of its loaders read other files or were never fuzzed (CVE-2026-66066);
so no call here lets it choose.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pyvips

from galleries.decode import exif
from galleries.decode.wire import MAX_PIXELS, MAX_SIDE_PX
from galleries.renditions import VIEW

# What is left for the last, careful shrink after the decoder's own coarse one: at 1.5 the root mean square difference
# from a full decode is 1 of 255 on 24 MP of noisy detail, and decoding costs two thirds.
_LEFT_TO_SHRINK: Final = 1.5


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure
    """The file ends here with a code that its owner will read."""

    def __init__(self, code: str, reason: str = "", *, width_px: int = 0, height_px: int = 0) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason
        self.width_px, self.height_px = width_px, height_px


@dataclass(frozen=True)
class Negative:
    """A photo whose header is read and whose pixels are not. `image` carries its orientation tag still to be obeyed."""

    image: pyvips.Image
    width_px: int  # upright, as the photo was, not as `image` may already be shrunk
    height_px: int
    notes: exif.CameraNotes
    warnings: list[str] = field(default_factory=list)


def open_negative(descriptor: int, media_type: str) -> Negative:
    """Raises: Refused (too_many_pixels, too_long_side, unsupported_format); pyvips.Error for a header beyond reading."""
    loader = LOADERS.get(media_type)
    if loader is None:
        raise Refused("unsupported_format")
    return loader(descriptor)


def gate(width_px: int, height_px: int) -> None:
    """Raises: Refused. libvips has no budget of its own: 300 KB of PNG can be 2.5 gigapixels."""
    if max(width_px, height_px) > MAX_SIDE_PX:
        raise Refused("too_long_side", width_px=width_px, height_px=height_px)
    if width_px * height_px > MAX_PIXELS:
        raise Refused("too_many_pixels", width_px=width_px, height_px=height_px)


def _load(loader: str, descriptor: int, **options: Any) -> pyvips.Image:
    os.lseek(descriptor, 0, os.SEEK_SET)
    source = pyvips.Source.new_from_descriptor(descriptor)
    # Truncated pixels would otherwise be published as grey ones.
    return pyvips.Operation.call(loader, source, access="sequential", fail_on="truncated", **options)


def _jpeg(descriptor: int) -> Negative:
    header = _load("jpegload_source", descriptor)
    negative = _negative(header)
    shrink = max(factor for factor in (1, 2, 4, 8) if factor == 1 or _leaves_enough(header, factor))
    image = _load("jpegload_source", descriptor, shrink=shrink) if shrink > 1 else header
    return Negative(image, negative.width_px, negative.height_px, negative.notes, negative.warnings)


def _leaves_enough(header: pyvips.Image, factor: int) -> bool:
    return max(header.width, header.height) / factor >= VIEW.longest_side_px * _LEFT_TO_SHRINK


def _still(loader: str) -> Callable[[int], Negative]:
    return lambda descriptor: _negative(_load(loader, descriptor))


def _negative(header: pyvips.Image) -> Negative:
    gate(header.width, header.height)
    on_its_side = header.get("orientation") >= 5 if header.get_typeof("orientation") else False  # noqa: PLR2004
    width_px, height_px = (header.height, header.width) if on_its_side else (header.width, header.height)
    has_more = header.get_typeof("n-pages") and header.get("n-pages") > 1
    return Negative(header, width_px, height_px, _notes(header), ["first_frame_only"] if has_more else [])


def _notes(header: pyvips.Image) -> exif.CameraNotes:
    return exif.from_bytes(header.get("exif-data")) if header.get_typeof("exif-data") else exif.CameraNotes()


LOADERS: Final[dict[str, Callable[[int], Negative]]] = {
    "image/jpeg": _jpeg,
    "image/png": _still("pngload_source"),
    "image/webp": _still("webpload_source"),
    "image/gif": _still("gifload_source"),
}
