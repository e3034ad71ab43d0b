"""Pure: reads the few EXIF facts worth showing. No offset, count or type of the file is believed.

Three directories are read (the main one, the Exif one and its own for exchange), each once, so a file which points in
circles leads nowhere. The GPS directory and the maker notes are never looked at. Layout: TIFF 6.0 section 2, Exif 2.32
section 4.6.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from struct import unpack_from
from typing import Final

ReadAt = Callable[[int, int], bytes]  # (offset, size) -> at most size bytes, fewer at the end

MAX_ENTRIES: Final = 512  # real cameras write fewer than 100 to a directory
MAX_VALUE_BYTES: Final = 512
MAX_WORD_CHARS: Final = 64
MAX_CAMERA_CHARS: Final = 100

# 42 is TIFF itself; the others are what Panasonic and Olympus write in its place.
_MAGICS: Final = frozenset({42, 0x55, 0x4F52, 0x5352})
_UNIT_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_EXIF_DIRECTORY: Final = 0x8769

_MAKE, _MODEL, _CHANGED_AT = 0x010F, 0x0110, 0x0132
_EXPOSURE, _APERTURE, _ISO = 0x829A, 0x829D, 0x8827
_TAKEN_AT, _DIGITIZED_AT = 0x9003, 0x9004
_FOCAL_MM, _FOCAL_35MM, _LENS = 0x920A, 0xA405, 0xA434
_TAKEN_SUBSECOND, _DIGITIZED_SUBSECOND = 0x9291, 0x9292
_ORIENTATION: Final = 0x0112
_COLOUR_SPACE, _INTEROPERABILITY, _INDEX = 0xA001, 0xA005, 0x0001
# DCF 2.0, 3.1.4: a camera set to Adobe RGB writes no profile, but says "R03" and a colour space that is not sRGB.
_ADOBE_INDEX, _SRGB, _ADOBE_RGB = "R03", 1, 2
_WANTED: Final = frozenset(
    {
        _MAKE, _MODEL, _CHANGED_AT, _EXPOSURE, _APERTURE, _ISO, _TAKEN_AT, _DIGITIZED_AT, _FOCAL_MM, _FOCAL_35MM, _LENS,
        _TAKEN_SUBSECOND, _DIGITIZED_SUBSECOND, _ORIENTATION, _EXIF_DIRECTORY,
        _COLOUR_SPACE, _INTEROPERABILITY,
    }
)  # fmt: skip

_CLOCK: Final = re.compile(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d):(\d\d)")
# Control characters, and those which turn the direction of text or have no width.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd\ud800-\udfff]"
)
_EARLIEST_YEAR, _LATEST_YEAR = 1826, 2200  # the first photograph; a camera whose clock is merely wrong

Value = str | float


@dataclass(frozen=True)
class CameraNotes:
    """`captured_at` is naive: the camera's own clock, whose zone nobody knows."""

    captured_at: datetime | None = None
    camera: str = ""
    details: dict[str, str] = field(default_factory=dict)
    orientation: int = 1
    is_adobe_rgb: bool = False

    @property
    def is_empty(self) -> bool:
        return self.captured_at is None and not self.camera and not self.details


def from_bytes(exif: bytes) -> CameraNotes:
    """Reads an EXIF block as JPEG, PNG, WebP and HEIF carry it, with or without its `Exif` prefix."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    return from_tiff(lambda offset, size: tiff[offset : offset + size])


def from_tiff(read_at: ReadAt) -> CameraNotes:
    """Reads a TIFF file, or a RAW file built like one. What cannot be read is left out; nothing is raised."""
    head = read_at(0, 8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8 or unpack_from(order + "H", head, 2)[0] not in _MAGICS:  # noqa: PLR2004
        return CameraNotes()
    tags = _directory(read_at, order, unpack_from(order + "I", head, 4)[0])
    exif_at = tags.get(_EXIF_DIRECTORY)
    if isinstance(exif_at, float):
        tags = _directory(read_at, order, int(exif_at)) | tags
    exchange_at = tags.get(_INTEROPERABILITY)
    if isinstance(exchange_at, float):
        tags[_INDEX] = _directory(read_at, order, int(exchange_at), {_INDEX}).get(_INDEX, "")
    return _notes(tags)


def from_directories(main: ReadAt, exif: ReadAt) -> CameraNotes:
    """Reads a file that keeps its two directories in TIFF blocks of their own (Canon's CR3)."""
    return _notes(_only_directory(exif) | _only_directory(main))


def _only_directory(read_at: ReadAt) -> dict[int, Value]:
    head = read_at(0, 8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:  # noqa: PLR2004
        return {}
    return _directory(read_at, order, unpack_from(order + "I", head, 4)[0])


def _directory(
    read_at: ReadAt, order: str, offset: int, wanted: Collection[int] = _WANTED
) -> dict[int, Value]:
    counted = read_at(offset, 2)
    if len(counted) < 2:  # noqa: PLR2004
        return {}
    entry_count = min(unpack_from(order + "H", counted)[0], MAX_ENTRIES)
    table = read_at(offset + 2, entry_count * 12)
    tags: dict[int, Value] = {}
    for start in range(0, len(table) - 11, 12):
        tag, kind, count = unpack_from(order + "HHI", table, start)
        if tag in wanted and tag not in tags:
            value = _value(read_at, order, kind, count, table[start + 8 : start + 12])
            if value is not None:
                tags[tag] = value
    return tags


def _value(read_at: ReadAt, order: str, kind: int, count: int, inline: bytes) -> Value | None:
    """The entry's text, or its first number."""
    unit_bytes = _UNIT_BYTES.get(kind)
    if unit_bytes is None or count == 0:
        return None
    size = min(count * unit_bytes if kind == 2 else unit_bytes, MAX_VALUE_BYTES)  # noqa: PLR2004
    held_inline = count * unit_bytes <= 4  # noqa: PLR2004
    raw = inline[:size] if held_inline else read_at(unpack_from(order + "I", inline)[0], size)
    if len(raw) < (1 if kind == 2 else size):  # noqa: PLR2004
        return None
    return _text(raw) if kind == 2 else _number(order, kind, raw)  # noqa: PLR2004


def _text(raw: bytes) -> str:
    return raw.split(b"\x00", 1)[0].decode("utf-8", "replace")


def _number(order: str, kind: int, raw: bytes) -> float | None:
    if kind in {5, 10}:
        above, below = unpack_from(order + ("II" if kind == 5 else "ii"), raw)  # noqa: PLR2004
        return above / below if below else None
    return float(unpack_from(order + {1: "B", 3: "H", 4: "I", 7: "B", 9: "i"}[kind], raw)[0])


def _notes(tags: dict[int, Value]) -> CameraNotes:
    orientation = tags.get(_ORIENTATION)
    return CameraNotes(
        captured_at=_captured_at(tags),
        camera=_camera(_word(tags.get(_MAKE)), _word(tags.get(_MODEL))),
        details={name: text for name, text in _details(tags) if text},
        orientation=int(orientation) if isinstance(orientation, float) and 1 <= orientation <= 8 else 1,  # noqa: PLR2004
        is_adobe_rgb=_is_adobe_rgb(tags),
    )


def _is_adobe_rgb(tags: dict[int, Value]) -> bool:
    space = tags.get(_COLOUR_SPACE)
    return space == _ADOBE_RGB or (tags.get(_INDEX) == _ADOBE_INDEX and space != _SRGB)


def _captured_at(tags: dict[int, Value]) -> datetime | None:
    """When the shutter opened; failing that when it was scanned, or when the file was last saved."""
    return (
        _clock(tags.get(_TAKEN_AT), tags.get(_TAKEN_SUBSECOND))
        or _clock(tags.get(_DIGITIZED_AT), tags.get(_DIGITIZED_SUBSECOND))
        or _clock(tags.get(_CHANGED_AT), None)
    )


def _clock(written: Value | None, subsecond: Value | None) -> datetime | None:
    found = _CLOCK.match(written.strip()) if isinstance(written, str) else None
    if found is None:
        return None
    try:
        moment = datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001 - a wall clock has no zone
    except ValueError:  # the 00th of a 00th month, as cameras write before their clock was set
        return None
    if not _EARLIEST_YEAR <= moment.year <= _LATEST_YEAR:
        return None
    digits = subsecond.strip()[:6] if isinstance(subsecond, str) else ""
    # Bursts are told apart by it.
    return (
        moment.replace(microsecond=int(digits.ljust(6, "0")))
        if digits.isascii() and digits.isdigit()
        else moment
    )


def _camera(make: str, model: str) -> str:
    brand = make.split(" ", 1)[0]
    named = model if brand and model.lower().startswith(brand.lower()) else f"{make} {model}".strip()
    return named[:MAX_CAMERA_CHARS].strip()


def _details(tags: dict[int, Value]) -> list[tuple[str, str]]:
    return [
        ("lens", _word(tags.get(_LENS))),
        ("exposure", _exposure(tags.get(_EXPOSURE))),
        ("aperture", _measure("f/", tags.get(_APERTURE), "", most=100)),
        ("iso", _measure("", tags.get(_ISO), "", most=10_000_000)),
        ("focal_length", _measure("", tags.get(_FOCAL_MM), " mm", most=10_000)),
        ("focal_length_35mm", _measure("", tags.get(_FOCAL_35MM), " mm", most=10_000)),
    ]


def _word(value: Value | None) -> str:
    if not isinstance(value, str):
        return ""
    return " ".join(_UNPRINTABLE.sub("", value).split())[:MAX_WORD_CHARS].strip()


def _exposure(value: Value | None) -> str:
    if not isinstance(value, float) or not 1e-6 <= value <= 1e5:  # noqa: PLR2004
        return ""
    return f"1/{round(1 / value)} s" if value < 0.3 else f"{value:.3g} s"  # noqa: PLR2004 - 0.3 s and more are shown so by cameras


def _measure(before: str, value: Value | None, after: str, *, most: float) -> str:
    if not isinstance(value, float) or not 0 < value <= most:
        return ""
    return f"{before}{round(value, 1):g}{after}" if value < 1e5 else f"{before}{value:.0f}{after}"  # noqa: PLR2004
