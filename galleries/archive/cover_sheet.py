"""Pure: the page inside an archive that says what is in it. Any browser shows it, without a network. Not mirrored.

Its pictures and links are entries of the same archive. The same photos make the same bytes at any time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import quote

STYLE: Final = (
    "body{margin:24px auto;max-width:1200px;padding:0 16px;font:14px/1.45 system-ui,sans-serif;"
    "color:#1c1a18;background:#faf9f7}"
    "h1{font-size:28px;font-weight:600;margin:0 0 4px}p{margin:0 0 12px;color:#6f6a63}"
    "ol{list-style:none;margin:24px 0;padding:0;display:grid;gap:16px;"
    "grid-template-columns:repeat(auto-fill,minmax(200px,1fr))}"
    "li{break-inside:avoid;overflow-wrap:anywhere}a{color:inherit}"
    "li a:first-child{display:flex;height:200px;align-items:center;justify-content:center;background:#f1efec;"
    "border-radius:3px}img{max-width:100%;max-height:200px;border-radius:3px}"
    "b{font-weight:600}small{display:block;font-size:12px;color:#6f6a63;font-variant-numeric:tabular-nums}"
    "@media print{body{background:none}}"
)


@dataclass(frozen=True, slots=True)
class SheetPhoto:
    """`name` and `picture` are those of entries; without a picture there is a file that browsers may not show."""

    name: str
    picture: str | None
    size: int
    width: int
    height: int
    captured_at: datetime | None
    crc32: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """`left_out` names what somebody might look for in vain, each with the reason in words."""

    title: str
    photos: Sequence[SheetPhoto]
    is_web_size: bool
    added_at: datetime | None
    left_out: Sequence[str]
    checksums_name: str


def cover_sheet(sheet: Sheet) -> bytes:
    """UTF-8. About 450 bytes a photo."""
    title = escape(sheet.title)
    parts = [
        (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{STYLE}</style></head><body>\n"
            f'<h1 dir="auto">{title}</h1>\n<p>{escape(facts(sheet))}</p>\n'
        ),
        *left_out_lines(sheet.left_out),
        "<ol>\n",
        *map(photo_line, sheet.photos),
        f"</ol>\n<p>{escape(sheet.checksums_name)} lists the SHA-256 of every file.</p>\n</body></html>\n",
    ]
    return "".join(parts).encode()


def facts(sheet: Sheet) -> str:
    count = len(sheet.photos)
    words = [
        f"{count:,} photo{'' if count == 1 else 's'}, {sum(photo.size for photo in sheet.photos):,} bytes"
    ]
    words.append("web size" if sheet.is_web_size else "originals")
    taken = [photo.captured_at for photo in sheet.photos if photo.captured_at is not None]
    if taken:
        first, last = day(min(taken)), day(max(taken))
        words.append(f"taken {first}" if first == last else f"taken {first} to {last}")
    if sheet.added_at is not None:
        words.append(f"last added {day(sheet.added_at)}")
    return " · ".join(words)


def left_out_lines(left_out: Sequence[str]) -> Iterable[str]:
    if left_out:
        items = "".join(f"<br>{escape(each)}" for each in left_out)
        yield f"<p><b>Not in this archive:</b>{items}</p>\n"


def photo_line(photo: SheetPhoto) -> str:
    address, name = quote(photo.name), escape(photo.name)
    shown = f'<img src="{quote(photo.picture)}" alt="" loading="lazy">' if photo.picture else name
    taken = f"<small>{photo.captured_at:%Y-%m-%d %H:%M:%S}</small>" if photo.captured_at else ""
    return (
        f'<li><a href="{address}">{shown}</a><a href="{address}"><bdi>{name}</bdi></a>'
        f"<small>{photo.width} &times; {photo.height} · {photo.size:,} bytes</small>{taken}"
        f"<small>CRC-32 {photo.crc32}</small></li>\n"
    )


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
