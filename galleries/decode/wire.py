"""Pure: what the worker and the locked room say to each other: a length, a JSON object, after an answer its pictures.

The worker believes nothing that comes back: `Answer.parse` refuses whatever is not exactly of the declared shape.
"""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from galleries.blanking import Blank, from_rows
from galleries.renditions import RECIPES

MIB: Final = 1024 * 1024

MAX_FRAME_BYTES: Final = 64 * 1024  # an answer has about 1 KiB; 400 blanks, the most, have 15
MAX_RENDITION_BYTES: Final = 8 * MIB  # 1600 x 1600 px of pure noise makes a JPEG of 3.5 MiB
MAX_DETAILS_BYTES: Final = 1024
MAX_CAMERA_CHARS: Final = 100
MAX_WARNINGS: Final = 16
# A ThumbHash has 5 bytes and at most 20 more: https://evanw.github.io/thumbhash/
MAX_THUMBHASH_BYTES: Final = 25

# A 102-MP medium format frame is 11,648 x 8,736; panoramas are longer than they are heavy.
MAX_PIXELS: Final = 110_000_000
MAX_SIDE_PX: Final = 30_000

_LENGTH: Final = struct.Struct("!I")
LENGTH_BYTES: Final = _LENGTH.size

_WORD: Final = re.compile(r"[a-z0-9_]{1,40}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class MalformedAnswer(Exception):
    """What came back is not an answer: whoever wrote it is no longer our code."""


def framed(message: dict[str, Any]) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


def read_frame(read_exactly: Callable[[int], bytes]) -> dict[str, Any]:
    """Raises: MalformedAnswer when it is too long, no JSON, or no object."""
    (body_bytes,) = _LENGTH.unpack(read_exactly(LENGTH_BYTES))
    if body_bytes > MAX_FRAME_BYTES:
        raise MalformedAnswer(f"a frame of {body_bytes} bytes")
    try:
        message = json.loads(read_exactly(body_bytes))
    except (ValueError, RecursionError) as error:
        raise MalformedAnswer("a frame that is no JSON") from error
    if not isinstance(message, dict):
        raise MalformedAnswer("a frame that is no object")
    return message


@dataclass(frozen=True)
class Refusal:
    """The room could look at the file and says no. `code` is a wire code or `memory`."""

    code: str
    reason: str
    width_px: int
    height_px: int

    @classmethod
    def parse(cls, message: dict[str, Any]) -> "Refusal":
        refused = _field(message, "refused", dict)
        return cls(
            code=_word(_field(refused, "code", str)),
            reason=_line(_field(refused, "reason", str), most=200),
            width_px=_number(refused, "width", most=2**32),
            height_px=_number(refused, "height", most=2**32),
        )


@dataclass(frozen=True)
class Answer:
    """The room has made every rendition; `sizes_bytes` are in the order of RECIPES, and the pictures follow in it."""

    width_px: int
    height_px: int
    captured_at: datetime | None
    camera: str
    details: dict[str, str]
    thumbhash: bytes
    warnings: list[str]
    blanks: tuple[Blank, ...] | None  # None: nobody can tell for certain
    sizes_bytes: list[int]

    @classmethod
    def parse(cls, message: dict[str, Any]) -> "Answer":
        return cls(
            width_px=_number(message, "width", least=1, most=MAX_SIDE_PX),
            height_px=_number(message, "height", least=1, most=MAX_SIDE_PX),
            captured_at=_moment(_field(message, "captured_at", str)),
            camera=_line(_field(message, "camera", str), most=MAX_CAMERA_CHARS),
            details=_details(_field(message, "details", dict)),
            thumbhash=_thumbhash(_field(message, "thumbhash", str)),
            warnings=_warnings(_field(message, "warnings", list)),
            blanks=_blanks(message.get("blanks")),
            sizes_bytes=_sizes(_field(message, "sizes", list)),
        )


_T = TypeVar("_T")


def _field(message: dict[str, Any], name: str, kind: type[_T]) -> _T:
    value = message.get(name)
    if type(value) is not kind:
        raise MalformedAnswer(f"{name} is no {kind.__name__}")
    return value


def _number(message: dict[str, Any], name: str, *, least: int = 0, most: int) -> int:
    number = _field(message, name, int)
    if not least <= number <= most:
        raise MalformedAnswer(f"{name} is out of range")
    return number


def _line(text: str, *, most: int) -> str:
    if len(text) > most or _CONTROL.search(text):
        raise MalformedAnswer("a text too long or unprintable")
    return text


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise MalformedAnswer("a code that is no word")
    return text


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedAnswer("captured_at is no time") from error
    if moment.tzinfo is not None:
        raise MalformedAnswer("captured_at claims a zone")
    return moment.replace(tzinfo=UTC)


def _details(details: dict[str, Any]) -> dict[str, str]:
    for name, text in details.items():
        if type(text) is not str or "gps" in name or "location" in name:
            raise MalformedAnswer("a detail that is none")
        _word(name)
        _line(text, most=MAX_CAMERA_CHARS)
    if len(json.dumps(details).encode()) > MAX_DETAILS_BYTES:
        raise MalformedAnswer("details too long")
    return details


def _thumbhash(text: str) -> bytes:
    try:
        thumbhash = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedAnswer("thumbhash is no hex") from error
    if len(thumbhash) > MAX_THUMBHASH_BYTES:
        raise MalformedAnswer("thumbhash too long")
    return thumbhash


def _warnings(warnings: list[Any]) -> list[str]:
    if len(warnings) > MAX_WARNINGS or not all(type(warning) is str for warning in warnings):
        raise MalformedAnswer("warnings are no words")
    return [_word(warning) for warning in warnings]


def _blanks(rows: Any) -> tuple[Blank, ...] | None:
    try:
        return None if rows is None else from_rows(rows)
    except ValueError as error:
        raise MalformedAnswer("blanks that are none") from error


def _sizes(sizes: list[Any]) -> list[int]:
    if len(sizes) != len(RECIPES) or not all(
        type(size) is int and 0 < size <= MAX_RENDITION_BYTES for size in sizes
    ):
        raise MalformedAnswer("not one size for every recipe")
    return sizes
