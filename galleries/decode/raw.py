"""In the child: RAW, by LibRaw. Shown is what the camera showed on its back, else a quick development."""

import io
import os
from dataclasses import replace
from typing import Any, Final

import pyvips
import rawpy

from galleries.decode import exif
from galleries.decode.codes import code_for
from galleries.decode.loaders import (
    Negative,
    Original,
    Refused,
    gate,
    open_jpeg,
    open_tiff,
    reader_of,
    upright,
    with_orientation,
)
from galleries.decode.previews import largest_preview
from galleries.renditions import VIEW

# LibRaw's `flip` in the words of EXIF: https://www.libraw.org/docs/API-datastruct-eng.html#libraw_image_sizes_t
_ORIENTATION_OF_FLIP: Final = {0: 1, 3: 3, 5: 8, 6: 6}

# Below it a preview is a stamp beside the photo, as some DNG carry, and developing is worth its seconds.
_LEAST_PREVIEW_PX: Final = VIEW.longest_side_px * 5 // 8

# Where a CR3 keeps its two EXIF directories, each a TIFF of its own: before 64 KiB in every file seen.
_CR3_HEAD_BYTES: Final = 64 * 1024


def open_raw(original: Original) -> Negative:
    """Raises: Refused; pyvips.Error."""
    try:
        with rawpy.imread(io.BytesIO(_bytes_of(original))) as raw:
            return _open(raw, original)
    except rawpy.LibRawFileUnsupportedError as error:
        return _of_a_new_camera(original) or _as_plain_tiff(original, error)
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise Refused(_code(error), _words(error)) from error


def _open(raw: Any, original: Original) -> Negative:
    sizes = raw.sizes
    gate(sizes.width, sizes.height)
    orientation = _ORIENTATION_OF_FLIP.get(sizes.flip, 1)
    size = upright(sizes.width, sizes.height, orientation)
    preview = _preview(raw, longest_px=max(size))
    notes = _notes(original, preview)
    if preview is None:
        pixels = raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
        return Negative(_developed(pixels), *size, notes, held=pixels)
    shown = _turned(preview, orientation, is_portrait=size[1] > size[0])
    return Negative(shown, *size, notes, held=preview)


def _preview(raw: Any, *, longest_px: int) -> Negative | None:
    """The largest JPEG that the camera put beside its data, when it is large enough to stand for it."""
    try:
        found = raw.extract_thumb()
        if found.format != rawpy.ThumbFormat.JPEG:
            return None
        preview = _forgiving(open_jpeg(bytes(found.data)))
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError, pyvips.Error, Refused):
        return None  # the data itself may be whole
    is_large_enough = max(preview.width_px, preview.height_px) >= min(_LEAST_PREVIEW_PX, longest_px // 2)
    return preview if is_large_enough else None


def _forgiving(preview: Negative) -> Negative:
    """A flaw in what stands for the photo is none of the photo's."""
    return replace(preview, image=preview.forgiving()) if preview.forgiving else preview


def _turned(preview: Negative, orientation: int, *, is_portrait: bool) -> pyvips.Image:
    """LibRaw tags a preview that has no tag of its own as the RAW lies; but some cameras store it upright already."""
    image = preview.image
    if (preview.height_px > preview.width_px) == is_portrait:
        return image
    was_turned = (preview.height_px > preview.width_px) != (image.height > image.width)
    return with_orientation(image, 1 if was_turned else orientation)


def _developed(pixels: Any) -> pyvips.Image:
    """LibRaw has turned them upright already."""
    height_px, width_px, bands = pixels.shape
    image = pyvips.Image.new_from_memory(pixels, width_px, height_px, bands, "uchar")
    return image.copy(interpretation="srgb")


def _notes(original: Original, preview: Negative | None) -> exif.CameraNotes:
    read_at = reader_of(original)
    for notes in (exif.from_tiff(read_at), _cr3_notes(read_at)):
        if not notes.is_empty:
            return notes
    return preview.notes if preview else exif.CameraNotes()


def _cr3_notes(read_at: exif.ReadAt) -> exif.CameraNotes:
    head = read_at(0, _CR3_HEAD_BYTES)
    main_at, exif_at = head.find(b"CMT1"), head.find(b"CMT2")
    if head[4:12] != b"ftypcrx " or min(main_at, exif_at) < 0:
        return exif.CameraNotes()
    return exif.from_directories(_block(head, main_at + 4), _block(head, exif_at + 4))


def _block(head: bytes, start: int) -> exif.ReadAt:
    return lambda offset, size: head[start + offset : start + offset + size]


def _of_a_new_camera(original: Original) -> Negative | None:
    """What the camera showed on its back, where LibRaw doesn't know the camera. Its size stands for the photo's."""
    found = largest_preview(_bytes_of(original))
    if found is None:
        return None
    try:
        preview = _forgiving(open_jpeg(found))
    except (pyvips.Error, Refused):
        return None
    if max(preview.width_px, preview.height_px) < _LEAST_PREVIEW_PX:
        return None
    notes = _notes(original, preview)
    warnings = ["preview_only"]
    if preview.image.get_typeof("orientation") or preview.height_px > preview.width_px:
        return replace(preview, notes=notes, warnings=warnings)
    width_px, height_px = upright(preview.width_px, preview.height_px, notes.orientation)
    turned = with_orientation(preview.image, notes.orientation)
    return Negative(turned, width_px, height_px, notes, warnings, held=preview)


def _as_plain_tiff(original: Original, error: Exception) -> Negative:
    """A TIFF saved by a camera maker's own program looks like its RAW from outside."""
    try:
        return open_tiff(original)
    except pyvips.Error:
        raise Refused("unsupported_format", _words(error)) from error


def _bytes_of(original: Original) -> bytes:
    if isinstance(original, bytes):
        return original
    return os.pread(original, os.fstat(original).st_size, 0)


def _code(error: Exception) -> str:
    return "memory" if isinstance(error, rawpy.LibRawUnsufficientMemoryError) else code_for(_words(error))


def _words(error: Exception) -> str:
    words = error.args[0] if error.args else ""
    return words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
