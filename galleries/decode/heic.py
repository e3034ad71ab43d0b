"""In the child: HEIC, by pillow-heif, since no prebuilt libvips may carry an HEVC decoder."""

import os
from typing import Any, Final

import pillow_heif
import pyvips

from galleries.decode import exif
from galleries.decode.codes import code_for
from galleries.decode.colour import ColourSpace, space_of
from galleries.decode.loaders import PROFILE, Negative, Original, Refused, gate, meant_as

# What pillow-heif raises for the bytes of a stranger, by its documentation; the last where there is no picture at all.
_DECODER_ERRORS: Final = (ValueError, EOFError, SyntaxError, RuntimeError, OSError, IndexError)
_BANDS: Final = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
_PREMULTIPLIED: Final = "RGBa"

pillow_heif.options.DECODE_THREADS = 1
# Nothing but the picture itself is asked for: each of the others is one more way in.
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


def open_heic(original: Original) -> Negative:
    """Raises: Refused. The file's own turns and mirrors are done by the decoder, so EXIF's are not obeyed again."""
    try:
        container = pillow_heif.open_heif(_bytes_of(original), convert_hdr_to_8bit=True)
        picture = container[container.primary_index]
        gate(*picture.size)
        picture.load()
    except _DECODER_ERRORS as error:
        raise Refused(code_for(str(error)), str(error)) from error
    written = picture.info.get("exif")
    notes = exif.from_bytes(written) if isinstance(written, bytes) else exif.CameraNotes()
    width_px, height_px = picture.size
    warnings = ["first_frame_only"] if len(container) > 1 else []
    return Negative(_pixels(picture), width_px, height_px, notes, warnings, held=picture)


def _bytes_of(original: Original) -> bytes:
    if isinstance(original, bytes):
        return original
    return os.pread(original, os.fstat(original).st_size, 0)


def _pixels(picture: Any) -> pyvips.Image:
    width_px, height_px = picture.size
    bands = _BANDS.get(picture.mode)
    if bands is None:
        raise Refused("unsupported_format", f"pixels as {picture.mode}")
    image = pyvips.Image.new_from_memory(picture.data, width_px, height_px, bands, "uchar")
    image = image.copy(interpretation="b-w" if bands <= 2 else "srgb")  # noqa: PLR2004 - grey, perhaps with alpha
    if picture.mode == _PREMULTIPLIED:
        image = image.unpremultiply().cast("uchar")
    profile = picture.info.get("icc_profile")
    if profile:
        image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
        return image
    return meant_as(_told_by_numbers(picture.info.get("nclx_profile")), image)


def _told_by_numbers(nclx: Any) -> ColourSpace | None:
    """The decoder has seen to the range."""
    return space_of(nclx["color_primaries"], nclx["transfer_characteristics"]) if nclx else None
