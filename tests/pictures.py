"""Photos of every kind, made by code: nobody who clones the product has a folder of real ones.

`compass` is the picture most of them show: four quarters of known colour, so that a test can say which way is up.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

import pillow_heif
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 160, 60), (40, 60, 200), (230, 210, 40)

ORIENTATIONS: Final = range(1, 9)
# What was done to the upright photo to store it, by EXIF orientation.
_STORED_AS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

ORIENTATION, MAKE, MODEL, EXIF_DIRECTORY, GPS_DIRECTORY = 0x0112, 0x010F, 0x0110, 0x8769, 0x8825
XMP_WITH_A_PLACE: Final = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,12.5N"/></rdf:RDF></x:xmpmeta>'
)


def compass(width_px: int = 240, height_px: int = 160) -> Image.Image:
    """Red in the upper left, green in the upper right, blue in the lower left, yellow in the lower right."""
    image = Image.new("RGB", (width_px, height_px), RED)
    image.paste(GREEN, (width_px // 2, 0, width_px, height_px))
    image.paste(BLUE, (0, height_px // 2, width_px, height_px))
    image.paste(YELLOW, (width_px // 2, height_px // 2, width_px, height_px))
    return image


def noise(width_px: int, height_px: int) -> Image.Image:
    return Image.effect_noise((width_px, height_px), 60).convert("RGB")


def camera_exif(orientation: int = 1, *, taken_at: str = "2024:02:29 23:59:58") -> Image.Exif:
    """What a camera writes, the place included."""
    exif = Image.Exif()
    exif[MAKE], exif[MODEL], exif[ORIENTATION] = "Canon", "Canon EOS R5", orientation
    exif.get_ifd(EXIF_DIRECTORY).update(
        {
            0x9003: taken_at,
            0x9291: "25",
            0x829A: IFDRational(1, 250),
            0x829D: IFDRational(28, 10),
            0x8827: 400,
            0x920A: IFDRational(35),
            0xA434: "RF35mm F1.8",
        }
    )
    exif.get_ifd(GPS_DIRECTORY).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 0.0)})
    return exif


def stored_as(upright: Image.Image, orientation: int) -> Image.Image:
    return upright.transpose(_STORED_AS[orientation]) if orientation in _STORED_AS else upright


def oriented(kind: str, orientation: int) -> bytes:
    """The compass as a camera held that way stores it."""
    return saved(stored_as(compass(), orientation), kind, exif=camera_exif(orientation))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    if kind == "heic":
        exif = options.pop("exif", None)
        if isinstance(exif, Image.Exif):
            options["exif"] = exif.tobytes()
        pillow_heif.from_pillow(image).save(buffer, **({"quality": 90} | options))
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    return saved(image or compass(), "JPEG", **({"quality": 92} | options))


def with_every_place(kind: str) -> bytes:
    """A photo that says where it was taken in every way the format has."""
    if kind == "png":
        from PIL.PngImagePlugin import PngInfo

        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP_WITH_A_PLACE.decode())
        texts.add_text("Raw profile type exif", "GPSLatitude")
        return saved(compass(), "png", exif=camera_exif(), pnginfo=texts)
    if kind == "tiff":
        return saved(compass(), kind, exif=camera_exif(), tiffinfo={700: XMP_WITH_A_PLACE})
    return saved(compass(), kind, exif=camera_exif(), xmp=XMP_WITH_A_PLACE)


def srgb() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def swapped_primaries() -> bytes:
    """A profile that says red where sRGB says green, and the other way round."""
    profile = bytearray(srgb())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


# The three colours of each space by what they are in XYZ under the light of paper (D50), and the exponent of its curve.
# http://www.brucelindbloom.com/index.html?Eqn_RGB_XYZ_Matrix.html, adapted by Bradford's method.
COLOUR_SPACES: Final[dict[str, tuple[tuple[tuple[float, float, float], ...], float]]] = {
    "Display P3": (
        ((0.515102, 0.241182, -0.001050), (0.291965, 0.692236, 0.041882), (0.157153, 0.066582, 0.784378)),
        2.2,
    ),
    "Adobe RGB": (
        ((0.609756, 0.311124, 0.019481), (0.205240, 0.625656, 0.060890), (0.149224, 0.063220, 0.744839)),
        2.19921875,
    ),
    "ProPhoto RGB": (
        ((0.797675, 0.288040, 0.0), (0.135192, 0.711874, 0.0), (0.031353, 0.000086, 0.825210)),
        1.8,
    ),
    "BT.2020": (
        ((0.673459, 0.279033, -0.001931), (0.165661, 0.675338, 0.029979), (0.125100, 0.045629, 0.797162)),
        2.4,
    ),
}


def profile_of(space: str) -> bytes:
    """An ICC profile of three colours and a curve: ICC.1:2001-04, 6.3.1.2."""
    colours, exponent = COLOUR_SPACES[space]
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256)) + bytes(2)
    tags = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"none\0" + bytes(3)),
        (b"wtpt", _xyz((0.9642, 1.0, 0.8249))),
        *((name, _xyz(colour)) for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True)),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    at = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags:
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value
    head = struct.pack(">I4sI", at + len(data), bytes(4), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + data


def _xyz(colour: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *(round(each * 65536) for each in colour))


def with_code_points(
    kind: str, image: Image.Image, primaries: int, transfer: int, *, is_full: bool = True
) -> bytes:
    """A photo whose colours are told by numbers alone: `cICP` in PNG, `nclx` in HEIF."""
    if kind == "heic":
        numbers = {
            "color_primaries": primaries,
            "transfer_characteristics": transfer,
            "matrix_coefficients": 0,
        }
        return saved(image, kind, quality=-1, chroma=444, full_range_flag=1, **numbers)
    if kind == "avif":
        photo = bytearray(saved(image, kind, quality=100, subsampling="4:4:4"))
        at = photo.index(b"colrnclx") + 8
        photo[at : at + 4] = struct.pack(">HH", primaries, transfer)
        return bytes(photo)
    return png_told(saved(image, "png"), primaries, transfer, is_full=is_full)


def png_told(photo: bytes, primaries: int, transfer: int, *, is_full: bool = True) -> bytes:
    behind_header = 8 + 12 + 13
    told = _chunk(b"cICP", bytes([primaries, transfer, 0, is_full]))
    return photo[:behind_header] + told + photo[behind_header:]


def moving_gif(frame_count: int, *, side_px: int = 40) -> bytes:
    """Frames of 1 x 1 px on a larger canvas: as small as a frame can be."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", side_px, side_px, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    first = b"\x21\xf9\x04\x00\x00\x00\x00\x00"
    return head + (first + frame) * frame_count + b"\x3b"


def png_that_claims(width_px: int, height_px: int) -> bytes:
    """A header of any size with next to nothing behind it."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def png_of_zeros(width_px: int, height_px: int) -> bytes:
    """A whole black picture, 1 bit a pixel: gigapixels in kilobytes."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = b"\x00" * (1 + (width_px + 7) // 8)
    pixels = b"".join([packer.compress(row) for _ in range(height_px)] + [packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def dng(width_px: int = 320, height_px: int = 240, *, preview: bytes = b"", orientation: int = 1) -> bytes:
    """A DNG 1.4 with an uncompressed Bayer mosaic of one grey, and the camera's preview where one is given."""
    mosaic = struct.pack("<H", 8000) * (width_px * height_px)
    preview_at, mosaic_at = 4096, 4096 + len(preview) + len(preview) % 2
    raw = [
        (254, 4, [0]), (256, 4, [width_px]), (257, 4, [height_px]), (258, 3, [16]), (259, 3, [1]), (262, 3, [32803]),
        (273, 4, [mosaic_at]), (277, 3, [1]), (278, 4, [height_px]), (279, 4, [len(mosaic)]), (33421, 3, [2, 2]),
        (33422, 1, [0, 1, 1, 2]), (50714, 3, [0]), (50717, 4, [65535]),
    ]  # fmt: skip
    camera = [
        (271, 2, list(b"Made\0")), (272, 2, list(b"Made by code\0")), (274, 3, [orientation]),
        (306, 2, list(b"2023:05:06 07:08:09\0")), (50706, 1, [1, 4, 0, 0]), (50708, 2, list(b"Made by code\0")),
        (50721, 10, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]), (50728, 5, [1, 1, 1, 1, 1, 1]),
        (50778, 3, [21]),
    ]  # fmt: skip
    if not preview:
        return _tiff([raw + camera], [(mosaic_at, mosaic)])
    with Image.open(io.BytesIO(preview)) as shown:
        width, height = shown.size
    first = [
        (254, 4, [1]), (256, 4, [width]), (257, 4, [height]), (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [6]),
        (273, 4, [preview_at]), (277, 3, [3]), (278, 4, [height]), (279, 4, [len(preview)]), (330, 4, [1]), *camera,
    ]  # fmt: skip
    return _tiff([first, raw], [(preview_at, preview), (mosaic_at, mosaic)])


def _tiff(directories: list[list[tuple[int, int, list[int]]]], blocks: list[tuple[int, bytes]]) -> bytes:
    """Little-endian. The first directory is at 8, the second, to which tag 330 points, at 1024, values from 2048."""
    file = bytearray(4096)
    file[:8] = b"II*\0" + struct.pack("<I", 8)
    free = 2048
    for start, directory in zip((8, 1024), directories, strict=False):
        struct.pack_into("<H", file, start, len(directory))
        for index, (tag, kind, values) in enumerate(sorted(directory)):
            numbers = [1024] if tag == 330 else values
            letter = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 10: "i"}[kind]
            data = struct.pack(f"<{len(numbers)}{letter}", *numbers)
            count = len(numbers) // 2 if kind in {5, 10} else len(numbers)
            struct.pack_into("<HHI", file, start + 2 + index * 12, tag, kind, count)
            if len(data) > 4:
                struct.pack_into("<I", file, start + 10 + index * 12, free)
                file[free : free + len(data)] = data
                free += len(data) + len(data) % 2
            else:
                file[start + 10 + index * 12 : start + 10 + index * 12 + len(data)] = data
    for start, data in blocks:
        file.extend(b"\0" * (start + len(data) - len(file)))
        file[start : start + len(data)] = data
    return bytes(file)


RAW_MAKES: Final = {
    "cr2": b"Canon", "nef": b"NIKON CORPORATION", "arw": b"SONY", "orf": b"OLYMPUS", "rw2": b"Panasonic",
}  # fmt: skip


def camera_raw(kind: str, preview: bytes, orientation: int = 1) -> bytes:
    """The frame of a RAW as each maker builds it, with a preview and no data: LibRaw can't know such a camera."""
    if kind == "raf":
        head = b"FUJIFILMCCD-RAW 0201FF000000" + b"X-New".ljust(32, b"\0") + b"0100" + bytes(20)
        return head + struct.pack(">II", 148, len(preview)) + bytes(148 - len(head) - 8) + preview + bytes(99)
    if kind == "cr3":
        directories = _box(b"CMT1", _raw_directory(b"Canon", orientation, 0)) + _box(
            b"CMT2", _raw_directory(b"Canon", 1, 0)
        )
        return _box(b"ftyp", b"crx \0\0\0\1crx isom") + _box(b"moov", directories) + _box(b"mdat", preview)
    first_word = {"orf": b"IIRO", "rw2": b"IIU\0"}.get(kind, b"II*\0")
    directory = _raw_directory(RAW_MAKES[kind], orientation, 1024)
    if kind == "cr2":
        return (
            first_word
            + struct.pack("<I", 16)
            + b"CR\2\0"
            + bytes(4)
            + directory[8:].ljust(1008, b"\0")
            + preview
        )
    return first_word + directory[4:].ljust(1020, b"\0") + preview


def _raw_directory(make: bytes, orientation: int, sub_at: int) -> bytes:
    """A TIFF block: who made it, which way up, when, and where more is. Values are at 512 whatever precedes them."""
    start = 16 if make == b"Canon" and sub_at else 8
    values = [(271, 2, make + b"\0"), (272, 2, make + b" New\0"), (306, 2, b"2026:01:02 03:04:05\0")]
    table, held = b"", b""
    for tag, kind, text in values:
        table += struct.pack("<HHII", tag, kind, len(text), 512 + len(held))
        held += text.ljust(64, b"\0")
    entries = [table[at : at + 12] for at in range(0, len(table), 12)]
    entries += [
        struct.pack("<HHIHH", 274, 3, 1, orientation, 0),
        struct.pack("<HHII", 330, 4, 1, sub_at),
    ]
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    block = b"II*\0" + struct.pack("<I", 8) + directory
    return block.ljust(512 - (start - 8), b"\0") + held


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def interlaced_png(width_px: int, height_px: int) -> bytes:
    """16 bits a band, interlaced, all zero: no row is whole before the last of seven passes."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 16, 2, 0, 0, 1)
    packer = zlib.compressobj(1)
    packed = []
    for first_x, first_y, step_x, step_y in _PASSES:
        columns, rows = -(-(width_px - first_x) // step_x), -(-(height_px - first_y) // step_y)
        packed += [packer.compress(b"\x00" * (1 + columns * 6)) for _ in range(rows)]
    pixels = b"".join(packed) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


# Adam7: PNG specification, 8.2.
_PASSES: Final = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
