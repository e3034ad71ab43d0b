"""Files that are no good photos, each made to harm whoever opens it. All are made by code, and most are small.

The names in front (T3, D1 …) group them: T pretends to be something, D is a bomb or broken, P hides something.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from PIL import Image

from tests import pictures, places
from tests.places import box, exif_segment, jpeg_with, png_chunk, segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOWN, NO_PHOTO, DAMAGED, UNKNOWN = "shown", "not_an_image", "damaged_photo", "unsupported_format"
TOO_MANY, TOO_LONG, LIMIT = "too_many_pixels", "too_long_side", "decode_limit"


@dataclass(frozen=True)
class Bad:
    name: str
    make: Callable[[], bytes]
    ends: str


def zeros_deflated(length: int) -> bytes:
    """A zlib stream of so many zeros: one block again and again, so that a gigabyte takes no time to make."""
    mebibyte = 1024 * 1024
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(mebibyte)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    tail = last.compress(bytes(length % mebibyte)) + last.flush()
    # Adler-32 of n zeros: RFC 1950, 8.2.
    checksum = struct.pack(">I", (length % 65521) << 16 | 1)
    return b"\x78\xda" + block * (length // mebibyte) + tail + checksum


def png_bomb(width_px: int, height_px: int, *, bits: int, colour: int, bands: int) -> bytes:
    """A whole picture, nothing of it left out, and all of it black."""
    row_bytes = 1 + (width_px * bits * bands + 7) // 8
    header = struct.pack(">IIBBBBB", width_px, height_px, bits, colour, 0, 0, 0)
    pixels = zeros_deflated(row_bytes * height_px)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", pixels)
        + png_chunk(b"IEND", b"")
    )


def jpeg_that_claims(width_px: int, height_px: int) -> bytes:
    photo = bytearray(pictures.jpeg())
    at = photo.index(b"\xff\xc0")
    photo[at + 5 : at + 9] = struct.pack(">HH", height_px, width_px)
    return bytes(photo)


def jpeg_of_another_kind(marker: int, bits: int = 8) -> bytes:
    """The same data, under the marker of arithmetic coding, or of 12 bits."""
    photo = bytearray(pictures.jpeg())
    at = photo.index(b"\xff\xc0")
    photo[at + 1], photo[at + 4] = marker, bits
    return bytes(photo)


def webp_that_claims(width_px: int, height_px: int) -> bytes:
    """RFC 9649, 3.4: 14 bits each, less one."""
    bits = (width_px - 1) | (height_px - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + bytes(27)
    chunk = b"VP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def gif_that_claims(width_px: int, height_px: int) -> bytes:
    gif = bytearray(pictures.moving_gif(1))
    gif[6:10] = struct.pack("<HH", width_px, height_px)
    return bytes(gif)


def moving_webp(frame_count: int) -> bytes:
    """One frame of 8 x 8 px, repeated."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in (pictures.RED, pictures.BLUE)]
    two = pictures.saved(frames[0], "webp", save_all=True, append_images=frames[1:], lossless=True)
    first, second = two.index(b"ANMF"), two.rindex(b"ANMF")
    content = two[12:first] + two[first:second] * frame_count
    return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content


def moving_png(frame_count: int) -> bytes:
    plain = pictures.saved(pictures.compass(8, 8), "png")
    frames = b"".join(
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * n, 8, 8, 0, 0, 0, 1, 0, 0))
        + png_chunk(b"fdAT", struct.pack(">I", 2 * n + 1) + zlib.compress(bytes(8 * 25)))
        for n in range(frame_count)
    )
    head = 8 + 25
    return (
        plain[:head]
        + png_chunk(b"acTL", struct.pack(">II", frame_count, 0))
        + plain[head:-12]
        + frames
        + plain[-12:]
    )


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    return places.png_with(*chunks)


def png_with_texts(count: int) -> bytes:
    chunk = png_chunk(b"tEXt", b"Comment\0" + b"x" * 8)
    plain = pictures.saved(pictures.compass(), "png")
    return plain[: 8 + 25] + chunk * count + plain[8 + 25 :]


def jpeg_with_profile(profile: bytes) -> bytes:
    pieces = [profile[at : at + 65_000] for at in range(0, len(profile), 65_000)][:255]
    return jpeg_with(
        *(
            segment(0xE2, b"ICC_PROFILE\0" + bytes((index, len(pieces))) + piece)
            for index, piece in enumerate(pieces, start=1)
        )
    )


def tiff(entries: list[tuple[int, int, int, int]], *, following: int = 0, behind: bytes = b"") -> bytes:
    """One directory at 8: `(tag, kind, count, value)` each."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + struct.pack("<I", following) + behind


def tiff_that_claims(width_px: int, height_px: int, **changed: int) -> bytes:
    """A grey picture with eight bytes behind it. `changed`: values by tag number, `t256=…`."""
    values = {256: width_px, 257: height_px, 258: 8, 259: 1, 262: 1, 273: 150, 277: 1, 278: height_px, 279: 8}
    values |= {int(name[1:]): value for name, value in changed.items()}
    return tiff([(tag, 4, 1, value) for tag, value in sorted(values.items())], behind=bytes(64))


def tiff_in_circles() -> bytes:
    """Its directory is its own next one, its own EXIF and its own sub-directory."""
    photo = bytearray(pictures.saved(pictures.compass(32, 32), "tiff"))
    (start,) = struct.unpack_from("<I", photo, 4)
    (count,) = struct.unpack_from("<H", photo, start)
    struct.pack_into("<I", photo, start + 2 + count * 12, start)
    return bytes(photo)


def tiff_of_pages(count: int) -> bytes:
    """Each page is the same eight by eight pixels."""
    pixels_at = 8
    first = pixels_at + 64
    entry_count, directory_bytes = 9, 2 + 9 * 12 + 4
    pages = []
    for index in range(count):
        following = first + (index + 1) * directory_bytes if index + 1 < count else 0
        entries = [
            (256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, pixels_at),
            (277, 3, 1, 1), (278, 4, 1, 8), (279, 4, 1, 64),
        ]  # fmt: skip
        table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        pages.append(struct.pack("<H", entry_count) + table + struct.pack("<I", following))
    return b"II*\0" + struct.pack("<I", first) + bytes(64) + b"".join(pages)


def exif_in_circles() -> bytes:
    """Every directory leads to the first."""
    entries = struct.pack("<HHHIIHHII", 2, 0x8769, 4, 1, 8, 0x8825, 4, 1, 8)
    return b"II*\0" + struct.pack("<I", 8) + entries + struct.pack("<I", 8)


def exif_of_wrong_kinds() -> bytes:
    """A latitude that is a text, a count of four billion, a value beyond the end."""
    gps = struct.pack("<HHHIIHHIII", 2, 2, 2, 2**32 - 1, 60, 4, 12, 3, 2**31, 0)
    main = struct.pack("<HHHII", 1, 0x8825, 4, 1, 26) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8) + main + gps


def heif(
    items: list[tuple[int, bytes, bytes]], *, width_px: int, height_px: int, refers: bytes = b""
) -> bytes:
    """A HEIF by hand: `(number, kind, data)` of each item; the first is the picture. Data lies in `idat`."""
    idat = b"".join(data for _, _, data in items)
    entries, offset = [], 0
    for number, _, data in items:
        entries.append(struct.pack(">HHHHII", number, 1, 0, 1, offset, len(data)))
        offset += len(data)
    infes = [
        box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", number, 0, kind), b"\0") for number, kind, _ in items
    ]
    ispe = box(b"ispe", bytes(4), struct.pack(">II", width_px, height_px))
    ipma = box(b"ipma", bytes(4), struct.pack(">IHBB", 1, items[0][0], 1, 1))
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", bytes(4), struct.pack(">H", items[0][0])),
        box(b"iinf", bytes(4), struct.pack(">H", len(items)), *infes),
        box(b"iloc", b"\1\0\0\0", struct.pack(">HH", 0x4400, len(items)), *entries),
        box(b"iref", bytes(4), refers) if refers else b"",
        box(b"iprp", box(b"ipco", ispe), ipma),
        box(b"idat", idat),
    )
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta


def grid(rows: int, columns: int, width_px: int, height_px: int) -> bytes:
    """ISO/IEC 23008-12, 6.6.2.3.2, with wide fields."""
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width_px, height_px)


def heic_with_an_absurd_grid(width_px: int = 2**31 - 1, height_px: int = 2**31 - 1) -> bytes:
    """65,536 tiles, all of them the same empty one."""
    tiles = 255 * 255
    refers = box(b"dimg", struct.pack(">HH", 1, tiles), struct.pack(">H", 2) * tiles)
    items = [(1, b"grid", grid(256, 256, width_px, height_px)), (2, b"hvc1", bytes(16))]
    return heif(items, width_px=width_px, height_px=height_px, refers=refers)


def heic_made_of_itself() -> bytes:
    refers = box(b"dimg", struct.pack(">HHH", 1, 1, 1))
    return heif([(1, b"grid", grid(1, 1, 64, 64))], width_px=64, height_px=64, refers=refers)


def heif_that_claims(kind: str, width_px: int, height_px: int) -> bytes:
    """A real one whose `ispe` says another size."""
    photo = bytearray(pictures.saved(pictures.compass(64, 64), kind))
    at = photo.index(b"ispe") + 8
    photo[at : at + 8] = struct.pack(">II", width_px, height_px)
    return bytes(photo)


def boxes_in_boxes(depth: int) -> bytes:
    inside = b""
    for _ in range(depth):
        inside = box(b"meta", bytes(4), inside)
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + inside


def raw_with_preview(preview: bytes) -> bytes:
    """As a camera writes it, but the stamp beside the data is not what it says."""
    photo = bytearray(pictures.dng(64, 48, preview=pictures.jpeg(pictures.compass(1200, 900))))
    at = photo.index(b"\xff\xd8\xff")
    photo[at : at + len(preview)] = preview
    return bytes(photo)


def raw_that_claims_a_width() -> bytes:
    width = struct.pack("<HHI", 256, 4, 1)
    return pictures.dng(64, 48).replace(width + struct.pack("<I", 64), width + struct.pack("<I", 60_000))


def packet_bomb() -> bytes:
    return png_with((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros_deflated(200_000_000)))


def with_exif_in_circles(kind: str) -> bytes:
    return pictures.saved(pictures.compass(), kind, exif=exif_in_circles())


def canon_cr3() -> bytes:
    return (
        box(b"ftyp", b"crx \0\0\0\1crx isom")
        + box(b"moov", box(b"trak", bytes(64)))
        + box(b"mdat", bytes(64))
    )


def archive_of_zeros() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", bytes(1024 * 1024))
    return buffer.getvalue()


BILLION_LAUGHS: Final = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
)
SVG: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">'
    b"<script>alert(1)</script><foreignObject/><image xlink:href='file:///etc/passwd'/></svg>"
)
XMP_HEAD: Final = b"http://ns.adobe.com/xap/1.0/\0"


def marker_offsets(photo: bytes) -> Iterator[int]:
    """Where each marker of a JPEG begins, up to its data."""
    at = 2
    while True:
        yield at
        if photo[at + 1] == 0xDA:
            return
        at += 2 + int.from_bytes(photo[at + 2 : at + 4], "big")


def cuts_of_jpeg() -> Iterator[Bad]:
    photo = pictures.jpeg(pictures.noise(64, 48), exif=pictures.camera_exif(), icc_profile=pictures.srgb())
    for at in [*marker_offsets(photo), len(photo) - 2]:
        ends = NO_PHOTO if at < 3 else DAMAGED  # its first marker alone is nothing yet
        yield Bad(f"D4 a JPEG cut before {photo[at : at + 2].hex()} at {at}", lambda at=at: photo[:at], ends)
        if 3 < at < len(photo) - 2:
            name = f"D4 a JPEG cut before {photo[at : at + 2].hex()} at {at} and closed"
            yield Bad(name, lambda at=at: photo[:at] + b"\xff\xd9", DAMAGED)
    middle = len(photo) - 900
    yield Bad("D4 a JPEG cut in its data and closed", lambda: photo[:middle] + b"\xff\xd9", DAMAGED)


def cuts_of_png() -> Iterator[Bad]:
    photo = pictures.saved(pictures.noise(64, 48), "png", exif=pictures.camera_exif())
    starts = [8]
    while starts[-1] < len(photo):
        starts.append(starts[-1] + 12 + int.from_bytes(photo[starts[-1] : starts[-1] + 4], "big"))
    for start, stop in pairwise(starts):
        for at in (start, (start + stop) // 2):
            # All the pixels are there without the last chunk.
            ends = SHOWN if photo[start + 4 : start + 8] == b"IEND" else DAMAGED
            yield Bad(f"D4 a PNG cut at {at}", lambda at=at: photo[:at], ends)


def cuts_of_heic() -> Iterator[Bad]:
    photo = pictures.saved(pictures.noise(64, 48), "heic")
    for word in (b"meta", b"iloc", b"iprp", b"mdat"):
        at = photo.index(word)
        yield Bad(f"D4 a HEIC cut at {word.decode()}", lambda at=at: photo[: at + 6], DAMAGED)


PRETENDERS: Final = [
    Bad("S1 nothing", lambda: b"", NO_PHOTO),
    Bad("S1 zeros", lambda: bytes(4096), NO_PHOTO),
    Bad("T3 an SVG with a script", lambda: SVG, NO_PHOTO),
    Bad("T3 an SVG behind a declaration", lambda: b'<?xml version="1.0"?>\n' + SVG, NO_PHOTO),
    Bad("T8 an SVG of a billion laughs", lambda: BILLION_LAUGHS + SVG, NO_PHOTO),
    Bad("T4 a page", lambda: b"<!doctype html><script>alert(1)</script>", NO_PHOTO),
    Bad("T4 a script", lambda: b"#!/bin/sh\nrm -rf /\n", NO_PHOTO),
    Bad("T4 a PDF", lambda: b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj", NO_PHOTO),
    Bad("T4 a ZIP", archive_of_zeros, NO_PHOTO),
    Bad("T4 a program", lambda: b"MZ\x90\0\3\0\0\0" + bytes(200), NO_PHOTO),
    Bad("T4 another program", lambda: b"\x7fELF\2\1\1" + bytes(200), NO_PHOTO),
    Bad("T4 a video", places.movie_with_a_place, NO_PHOTO),
    Bad("T4 a document", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), NO_PHOTO),
    Bad("T6 a matrix", lambda: b"2 2\n1 2\n3 4\n", NO_PHOTO),
    Bad("T6 a table", lambda: b"1,2,3\n4,5,6\n", NO_PHOTO),
    Bad("T6 libvips' own", lambda: b"\xb6\xa6\xf2\x08" + bytes(60), NO_PHOTO),
    Bad("T6 an Analyze", lambda: struct.pack("<I", 348) + bytes(344), NO_PHOTO),
    Bad("T6 a NIfTI", lambda: struct.pack("<I", 348) + bytes(340) + b"n+1\0", NO_PHOTO),
    Bad("T6 a FITS", lambda: b"SIMPLE  =                    T" + b" " * 2850, NO_PHOTO),
    Bad("T6 a Radiance", lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\1\1\1\1", NO_PHOTO),
    Bad("T6 an EXR", lambda: b"\x76\x2f\x31\x01\2\0\0\0" + bytes(100), NO_PHOTO),
    Bad("T6 a PPM", lambda: b"P6 1 1 255\n\0\0\0", NO_PHOTO),
    Bad(
        "T6 a drawing",
        lambda: b"push graphic-context\nimage over 0,0 0,0 'https://x.test'\npop graphic-context",
        NO_PHOTO,
    ),
    Bad(
        "T6 a drawing of drawings",
        lambda: b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
        NO_PHOTO,
    ),
    Bad("T7 a JPEG XL", lambda: b"\xff\x0a" + bytes(60), NO_PHOTO),
    Bad("T7 a JPEG XL in boxes", lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), NO_PHOTO),
    Bad("T7 a BMP", lambda: pictures.saved(pictures.compass(), "bmp"), NO_PHOTO),
    Bad("T7 an icon", lambda: pictures.saved(pictures.compass(32, 32), "ico"), NO_PHOTO),
    Bad("T7 a PSD", lambda: b"8BPS\0\1" + bytes(60), NO_PHOTO),
    Bad("T7 a JPEG 2000", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), NO_PHOTO),
    Bad(
        "T4 a page that begins like a JPEG",
        lambda: b"\xff\xd8\xff\xe0<script>alert(1)</script>" + bytes(99),
        DAMAGED,
    ),
    Bad("T4 a page that begins like a PNG", lambda: b"\x89PNG\r\n\x1a\n<!doctype html>" + bytes(99), DAMAGED),
    Bad("T4 a page that begins like a GIF", lambda: b"GIF89a=1;/*<script>*/" + bytes(99), DAMAGED),
    Bad("T4 a page that begins like a WebP", lambda: b"RIFF\x40\0\0\0WEBP<script>" + bytes(60), DAMAGED),
    Bad(
        "T4 a video that calls itself HEIC",
        lambda: places.movie_with_a_place().replace(b"mp42", b"heic"),
        DAMAGED,
    ),
    Bad(
        "T4 a video that calls itself AVIF",
        lambda: places.movie_with_a_place().replace(b"mp42", b"avif"),
        DAMAGED,
    ),
    Bad("T5 a JPEG and a page", lambda: pictures.jpeg() + b"<script>alert(1)</script>", SHOWN),
    Bad("T5 a JPEG and a ZIP", lambda: pictures.jpeg() + archive_of_zeros(), SHOWN),
    Bad("T5 a JPEG that says PHP", lambda: jpeg_with(segment(0xFE, b"<?php system($_GET[0]) ?>")), SHOWN),
    Bad("T5 a PNG and PHP", lambda: png_with((b"tEXt", b"Comment\0<?php system($_GET[0]) ?>")), SHOWN),
    Bad("T5 a GIF and a script", lambda: pictures.moving_gif(1) + b"/*<script>alert(1)</script>*/", SHOWN),
]

BOMBS: Final = [
    Bad("D1 a PNG of 2.5 gigapixels", lambda: png_bomb(50_000, 50_000, bits=1, colour=0, bands=1), TOO_LONG),
    Bad("D1 a PNG of 400 megapixels", lambda: png_bomb(20_000, 20_000, bits=8, colour=6, bands=4), TOO_MANY),
    Bad("D1 a PNG of 16 bits", lambda: png_bomb(11_000, 11_000, bits=16, colour=6, bands=4), TOO_MANY),
    Bad("D1 a PNG without a width", lambda: png_bomb(0, 10, bits=8, colour=0, bands=1), DAMAGED),
    Bad("D1 a PNG wider than any number", lambda: pictures.png_that_claims(2**31 - 1, 2**31 - 1), DAMAGED),
    Bad("D1 a JPEG of 4 gigapixels", lambda: jpeg_that_claims(65_500, 65_500), TOO_LONG),
    Bad("D1 a JPEG of 900 megapixels", lambda: jpeg_that_claims(30_000, 30_000), TOO_MANY),
    Bad("D1 a JPEG that claims to be large", lambda: jpeg_that_claims(10_000, 10_000), DAMAGED),
    Bad("D1 a JPEG without a height", lambda: jpeg_that_claims(240, 0), UNKNOWN),
    Bad("D1 a WebP of 268 megapixels", lambda: webp_that_claims(16_383, 16_383), TOO_MANY),
    Bad("D1 a GIF that claims 4 gigapixels for one", lambda: gif_that_claims(65_535, 65_535), SHOWN),
    Bad("D1 a GIF without a size", lambda: gif_that_claims(0, 0), SHOWN),
    Bad("D1 a TIFF of 16 exapixels", lambda: tiff_that_claims(2**32 - 1, 2**32 - 1), DAMAGED),
    Bad("D1 a TIFF of 900 megapixels", lambda: tiff_that_claims(30_000, 30_000), TOO_MANY),
    Bad("D1 a TIFF that claims to be large", lambda: tiff_that_claims(10_000, 10_000), DAMAGED),
    Bad("D1 a HEIC of 4 gigapixels", lambda: heif_that_claims("heic", 65_535, 65_535), TOO_LONG),
    Bad("D1 an AVIF of 4 gigapixels", lambda: heif_that_claims("avif", 65_535, 65_535), TOO_LONG),
    Bad("D1 a HEIC of 256 x 256 tiles", heic_with_an_absurd_grid, DAMAGED),
    Bad("D1 a HEIC of tiles that claim little", lambda: heic_with_an_absurd_grid(64, 64), DAMAGED),
    Bad("D1 a HEIC made of itself", heic_made_of_itself, DAMAGED),
    Bad("D1 boxes in boxes", lambda: boxes_in_boxes(2_000), LIMIT),
    Bad("D1 a RAW of 4 gigapixels", raw_that_claims_a_width, TOO_LONG),
    Bad("D1 a RAW whose preview is a bomb", lambda: raw_with_preview(jpeg_that_claims(65_500, 65_500)), SHOWN),
    Bad("D2 a GIF of 100,000 frames", lambda: pictures.moving_gif(100_000), SHOWN),
    Bad("D2 a WebP of 20,000 frames", lambda: moving_webp(20_000), SHOWN),
    Bad("D2 a PNG of 20,000 frames", lambda: moving_png(20_000), SHOWN),
    Bad("D3 a text of 200 MB", lambda: png_with((b"zTXt", b"Comment\0\0" + zeros_deflated(200_000_000))), SHOWN),
    Bad("D3 a packet of 200 MB", packet_bomb, SHOWN),
    Bad("D3 a profile of 200 MB", lambda: png_with((b"iCCP", b"x\0\0" + zeros_deflated(200_000_000))), SHOWN),
    Bad("D3 200,000 texts", lambda: png_with_texts(200_000), SHOWN),
    Bad("D3 20,000 segments", lambda: jpeg_with(*[segment(0xE5, b"x" * 100)] * 20_000), SHOWN),
    Bad("D3 60 MB of segments", lambda: jpeg_with(*[segment(0xE5, bytes(65_000))] * 900), SHOWN),
    Bad("D3 200 blocks of EXIF", lambda: jpeg_with(*[exif_segment(places.exif_with_a_place())] * 200), SHOWN),
    Bad("D3 laughs in a packet", lambda: jpeg_with(segment(0xE1, XMP_HEAD + BILLION_LAUGHS + b"<x>&d;</x>")), SHOWN),
    Bad("D3 a TIFF in circles", tiff_in_circles, SHOWN),
    Bad("D3 a TIFF of 20,000 pages", lambda: tiff_of_pages(20_000), SHOWN),
    Bad("D3 a TIFF of 65,535 entries", lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(100), DAMAGED),
    Bad("D3 a TIFF whose pixels are elsewhere", lambda: tiff_that_claims(64, 64, t273=2**31, t279=4096), DAMAGED),
    Bad("D3 a TIFF of a coding nobody knows", lambda: tiff_that_claims(8, 8, t259=65_000), UNKNOWN),
    Bad("D3 a TIFF of 64 bits", lambda: tiff_that_claims(8, 1, t258=64), DAMAGED),
]  # fmt: skip

BROKEN: Final = [
    Bad("D5 a JPEG of arithmetic coding", lambda: jpeg_of_another_kind(0xC9), SHOWN),
    Bad("D5 a JPEG of 12 bits", lambda: jpeg_of_another_kind(0xC1, 12), UNKNOWN),
    Bad("D5 a lossless JPEG", lambda: jpeg_of_another_kind(0xC3), UNKNOWN),
    Bad("D5 one pixel", lambda: pictures.saved(pictures.compass(2, 2).crop((0, 0, 1, 1)), "png"), SHOWN),
    Bad("D5 a line of 30,000 pixels", lambda: pictures.png_of_zeros(1, 30_000), SHOWN),
    Bad("D5 16 bits with alpha", lambda: png_bomb(60, 40, bits=16, colour=6, bands=4), SHOWN),
    Bad("D7 EXIF in circles", lambda: jpeg_with(exif_segment(exif_in_circles())), SHOWN),
    Bad("D7 EXIF of wrong kinds", lambda: jpeg_with(exif_segment(exif_of_wrong_kinds())), SHOWN),
    Bad("D7 64 KB of garbage for EXIF", lambda: jpeg_with(exif_segment(b"\xa5\x5a" * 32_000)), SHOWN),
    Bad("D7 EXIF in circles in a PNG", lambda: png_with((b"eXIf", exif_in_circles())), SHOWN),
    Bad("D7 EXIF in circles in a WebP", lambda: with_exif_in_circles("webp"), SHOWN),
    Bad("D7 EXIF in circles in a HEIC", lambda: with_exif_in_circles("heic"), SHOWN),
    Bad("D8 a profile of 16 MB", lambda: jpeg_with_profile(pictures.srgb() + bytes(16_000_000)), SHOWN),
    Bad("D8 16 MB of nonsense for a profile", lambda: jpeg_with_profile(b"\xa5" * 16_000_000), SHOWN),
    Bad("D8 a profile cut short", lambda: jpeg_with_profile(pictures.srgb()[:140]), SHOWN),
    Bad("D8 a profile for inks", lambda: jpeg_with_profile(pictures.srgb().replace(b"RGB ", b"CMYK")), SHOWN),
    Bad("D9 a second picture that is a bomb", lambda: pictures.jpeg() + jpeg_that_claims(65_500, 65_500), SHOWN),
    Bad("D9 a motion photo", places.motion_photo, SHOWN),
    Bad("D9 an MPO", places.two_pictures, SHOWN),
    Bad("D5 a CR2 of nothing", lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(200), UNKNOWN),
    Bad("D5 a CR3 of nothing", canon_cr3, UNKNOWN),
    Bad("D5 a RAF of nothing", lambda: b"FUJIFILMCCD-RAW 0201" + bytes(400), UNKNOWN),
    Bad("D5 an ORF of nothing", lambda: b"IIRO\x08\0\0\0" + bytes(400), UNKNOWN),
    Bad("D5 an RW2 of nothing", lambda: b"IIU\0\x08\0\0\0" + bytes(400), UNKNOWN),
    Bad("D4 a RAW cut in the middle", lambda: pictures.dng()[:60_000], DAMAGED),
    *cuts_of_jpeg(),
    *cuts_of_png(),
    *cuts_of_heic(),
]  # fmt: skip

ALL: Final = (*PRETENDERS, *BOMBS, *BROKEN)
