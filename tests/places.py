"""Photos that say where they were taken, in every way that cameras and programs know.

Every text planted holds `MARK`: a form in which it can still be found is none. Layouts: the walks of
galleries/decode/places name their sources.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests import pictures

MARK: Final = b"Nirgendwo"
MARKED: Final = MARK.decode()

# For ExifTool to write; each format takes what it has room for.
PLANTED: Final = (
    "-EXIF:GPSLatitude=48.2082", "-EXIF:GPSLatitudeRef=N", "-EXIF:GPSLongitude=16.3738", "-EXIF:GPSLongitudeRef=E",
    "-EXIF:GPSAltitude=171", f"-EXIF:GPSAreaInformation={MARKED}", f"-EXIF:GPSProcessingMethod={MARKED}",
    "-EXIF:SubjectLocation=12 34", f"-XMP-photoshop:City={MARKED}", f"-XMP-photoshop:State={MARKED}",
    f"-XMP-iptcCore:Location={MARKED}", "-XMP-exif:GPSLatitude=48.2082", "-XMP-exif:GPSLongitude=16.3738",
    f"-XMP-iptcExt:LocationShownCity={MARKED}", f"-XMP-iptcExt:LocationShownSublocation={MARKED}",
    f"-XMP-iptcExt:LocationCreatedCity={MARKED}", f"-IPTC:City={MARKED}", f"-IPTC:Sub-location={MARKED}",
    f"-IPTC:ContentLocationName={MARKED}", "-IPTC:ContentLocationCode=AUT",
    f"-IPTC:Country-PrimaryLocationName={MARKED}",
)  # fmt: skip
# What is no place, and is still there afterwards.
KEPT: Final = (
    "-EXIF:Copyright=Ada", "-EXIF:DateTimeOriginal=2024:02:29 23:59:58", "-XMP-dc:Rights=Ada",
    "-IPTC:CopyrightNotice=Ada", "-IPTC:Keywords=sea",
)  # fmt: skip

XMP_NAMESPACES: Final = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


def xmp(attributes: str = "", inside: str = "") -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {XMP_NAMESPACES}>'
        f'<rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


XMP: Final = xmp(f'photoshop:City="{MARKED}" exif:GPSLatitude="48,12.5N"')


def exif_with_a_place(*, big_endian: bool = False) -> bytes:
    """A TIFF block with a GPS directory, without the prefix that JPEG puts before it."""
    written: Literal["big", "little"]
    order, written = (">", "big") if big_endian else ("<", "little")
    area = b"ASCII\0\0\0" + MARK
    make, north = (int.from_bytes(text, written) for text in (b"Ada\0", b"N\0\0\0"))
    directory = struct.pack(order + "HHHIIHHII", 2, 0x010F, 2, 4, make, 0x8825, 4, 1, 38)
    gps = struct.pack(order + "HHHII", 2, 1, 2, 2, north)
    gps += struct.pack(order + "HHIII", 0x1C, 7, len(area), 38 + 30, 0)
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "I", 8)
    return head + directory + struct.pack(order + "I", 0) + gps + area


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def jpeg_with(*segments: bytes, behind: bytes = b"") -> bytes:
    """A plain JPEG with these segments right behind its first marker, and this behind its last."""
    plain = pictures.jpeg()
    return plain[:2] + b"".join(segments) + plain[2:] + behind


def exif_segment(tiff: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + tiff)


def panasonic_note() -> bytes:
    """A maker's own directory with a city in it, at the offset that its EXIF says."""
    texts = [(0x67, MARK), (0x69, MARK), (0x6D, MARK)]
    make, note_at = b"Panasonic\0", 100
    note_head = b"Panasonic\0\0\0"
    values_at = note_at + len(note_head) + 2 + len(texts) * 12 + 4
    entries = b"".join(
        struct.pack("<HHII", tag, 2, 64, values_at + 64 * index) for index, (tag, _) in enumerate(texts)
    )
    values = b"".join(text.ljust(64, b"\0") for _, text in texts)
    note = note_head + struct.pack("<H", len(texts)) + entries + struct.pack("<I", 0) + values
    main = struct.pack("<HHHIIHHIII", 2, 0x010F, 2, len(make), 38, 0x8769, 4, 1, 50, 0)
    exif = struct.pack("<HHHIII", 1, 0x927C, 7, len(note), note_at, 0)
    block = b"II*\0" + struct.pack("<I", 8) + main
    block = block.ljust(38, b"\0") + make
    block = block.ljust(50, b"\0") + exif
    return block.ljust(note_at, b"\0") + note


def exif_with_a_thumbnail() -> bytes:
    """The stamp beside the photo is a JPEG with EXIF of its own."""
    stamp = jpeg_with(exif_segment(exif_with_a_place()))
    first = struct.pack("<HHHIII", 1, 0x0112, 3, 1, 1, 26)
    second = struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 60, 0x0202, 4, 1, len(stamp), 0)
    return (b"II*\0" + struct.pack("<I", 8) + first + second).ljust(60, b"\0") + stamp


def two_pictures() -> bytes:
    """An MPO: the index in the first picture says where the second one begins."""
    second = jpeg_with(
        exif_segment(exif_with_a_place()), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    )

    def first(first_bytes: int, second_at: int) -> bytes:
        entries = struct.pack("<IIIHH", 0x30000, first_bytes, 0, 0, 0) + struct.pack(
            "<IIIHH", 0x20002, len(second), second_at, 0, 0
        )
        index = struct.pack(
            "<HHHI4sHHIIHHIII", 3, 0xB000, 7, 4, b"0100", 0xB001, 4, 1, 2, 0xB002, 7, 32, 50, 0
        )
        return jpeg_with(segment(0xE2, b"MPF\0II*\0" + struct.pack("<I", 8) + index + entries))

    length = len(first(0, 0))
    # Offsets are counted from the index's own header: marker and length before it, and `MPF\0`.
    return first(length, length - 2 - 4 - 4) + second


def box(kind: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return struct.pack(">I4s", 8 + len(inside), kind) + inside


def movie_with_a_place() -> bytes:
    """The video of a motion photo: `©xyz` is where phones write the place of a video."""
    place = b"+48.2082+016.3738/" + MARK
    xyz = box(b"\xa9xyz", struct.pack(">HH", len(place), 0x15C7), place)
    header = box(b"mvhd", bytes(12), struct.pack(">II", 600, 600), bytes(80))
    return (
        box(b"ftyp", b"mp42\0\0\0\0mp42isom")
        + box(b"moov", header, box(b"udta", xyz))
        + box(b"mdat", bytes(64))
    )


def motion_photo() -> bytes:
    movie = movie_with_a_place()
    says = xmp(
        'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MicroVideo="1" '
        f'GCamera:MicroVideoVersion="1" GCamera:MicroVideoOffset="{len(movie)}"'
    )
    return jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + says), behind=movie)


def more_xmp(packet: bytes, piece_bytes: int = 300) -> list[bytes]:
    """Extended XMP, cut into pieces anywhere, amid a word for one."""
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    pieces = [packet[at : at + piece_bytes] for at in range(0, len(packet), piece_bytes)]
    return [
        segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid
            + struct.pack(">II", len(packet), index * piece_bytes)
            + piece,
        )
        for index, piece in enumerate(pieces)
    ]


def jpeg_in_parts() -> bytes:
    main = xmp(
        'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF"'
    )
    packet = xmp(inside=f"<dc:subject>{'x' * 500}</dc:subject><photoshop:City>{MARKED}</photoshop:City>" * 2)
    return jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + main), *more_xmp(packet))


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    plain = pictures.saved(pictures.compass(), "png")
    first_stop = 8 + 25
    return plain[:first_stop] + b"".join(png_chunk(name, data) for name, data in chunks) + plain[first_stop:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_profile(exif: bytes) -> bytes:
    """What ImageMagick writes: EXIF in hexadecimal, compressed."""
    text = b"\nexif\n%8d\n" % len(exif) + exif.hex().encode() + b"\n"
    return b"Raw profile type exif\0\0" + zlib.compress(text)


def texts() -> PngInfo:
    info = PngInfo()
    info.add_text("City", MARKED)
    info.add_text("Comment", f"taken in {MARKED}", zip=True)
    info.add_text("Copyright", "Ada")
    return info


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """Chunks behind the picture of an extended file."""
    plain = pictures.saved(pictures.compass(), "webp", exif=pictures.camera_exif())
    more = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(plain) - 8 + len(more)) + plain[8:] + more


def gif_with(*extensions: bytes) -> bytes:
    plain = pictures.saved(pictures.compass().convert("P"), "gif")
    return plain[:-1] + b"".join(extensions) + b";"


def gif_comment(text: bytes) -> bytes:
    return b"\x21\xfe" + bytes((len(text),)) + text + b"\0"


def gif_application(name: bytes, data: bytes) -> bytes:
    return b"\x21\xff\x0b" + name + bytes((len(data),)) + data + b"\0"


def pages_with_places() -> bytes:
    """A TIFF of two pages, each with a place."""
    import io

    buffer = io.BytesIO()
    second = pictures.compass(64, 48)
    pictures.compass().save(
        buffer, "TIFF", save_all=True, append_images=[second], tiffinfo={700: XMP, 33723: iptc()}
    )
    return buffer.getvalue()


def iptc() -> bytes:
    return b"".join(
        struct.pack(">BBBH", 0x1C, 2, dataset, len(text)) + text
        for dataset, text in ((80, b"Ada"), (90, MARK), (92, MARK), (101, MARK))
    )


def heif_with(*boxes: bytes, kind: str = "heic") -> bytes:
    return pictures.saved(pictures.compass(), kind, exif=pictures.camera_exif()) + b"".join(boxes)


def uuid_box(content: bytes) -> bytes:
    return box(b"uuid", bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC"), content)


def plain(kind: str) -> bytes:
    if kind == "gif":
        return pictures.saved(pictures.compass().convert("P"), "gif")
    if kind == "moving.webp":
        frames = [pictures.compass(), pictures.compass().transpose(Image.Transpose.ROTATE_180)]
        return pictures.saved(frames[0], "webp", save_all=True, append_images=frames[1:])
    return pictures.saved(pictures.compass(), kind)


# By name: the photo as it is before ExifTool plants more into it, and its ending.
TO_PLANT: Final = {
    "jpeg": ("jpg", plain("jpeg")),
    "a progressive jpeg": ("jpg", pictures.jpeg(progressive=True)),
    "png": ("png", plain("png")),
    "webp": ("webp", plain("webp")),
    "a moving webp": ("webp", plain("moving.webp")),
    "gif": ("gif", plain("gif")),
    "a moving gif": ("gif", pictures.moving_gif(5)),
    "tiff": ("tif", plain("tiff")),
    "avif": ("avif", plain("avif")),
    "heic": ("heic", plain("heic")),
}
MADE: Final = {
    "a maker's note": ("jpg", jpeg_with(exif_segment(panasonic_note()))),
    "EXIF the other way round": ("jpg", jpeg_with(exif_segment(exif_with_a_place(big_endian=True)))),
    "two blocks of EXIF": ("jpg", jpeg_with(exif_segment(exif_with_a_place()), exif_segment(exif_with_a_place()))),
    "a thumbnail with a place": ("jpg", jpeg_with(exif_segment(exif_with_a_thumbnail()))),
    "a second picture": ("jpg", two_pictures()),
    "a motion photo": ("jpg", motion_photo()),
    "extended XMP in pieces": ("jpg", jpeg_in_parts()),
    "a packet in UTF-16": (
        "jpg",
        jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.decode().encode("utf-16"))),
    ),
    "a packet with entities": (
        "jpg",
        jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [<!ENTITY a 'Nirgendwo'>]>" + XMP)),
    ),
    "elements in elements": (
        "jpg",
        jpeg_with(
            segment(
                0xE1,
                b"http://ns.adobe.com/xap/1.0/\0"
                + xmp(inside=f"<photoshop:City><photoshop:City>x</photoshop:City>{MARKED}</photoshop:City>"),
            )
        ),
    ),
    "words of programs": (
        "jpg",
        jpeg_with(segment(0xFE, b"GPS 48.2, " + MARK), segment(0xE4, MARK), segment(0xEB, b"JP\0\0" + MARK)),
    ),
    "Photoshop's resources": (
        "jpg",
        jpeg_with(
            segment(
                0xED,
                b"Photoshop 3.0\0"
                + b"".join(
                    b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
                    for number, data in ((0x0404, iptc()), (0x0422, exif_with_a_place()), (0x0424, XMP))
                ),
            )
        ),
    ),
    "every chunk of a PNG": (
        "png",
        png_with(
            (b"eXIf", exif_with_a_place()),
            (b"zTXt", raw_profile(exif_with_a_place())),
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
            (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
            (b"caBX", MARK),
        ),
    ),
    "texts of a PNG": ("png", pictures.saved(pictures.compass(), "png", pnginfo=texts())),
    "behind a PNG": ("png", plain("png") + movie_with_a_place()),
    "chunks of a WebP": ("webp", webp_with((b"XMP ", XMP), (b"abcd", MARK))),
    "extensions of a GIF": ("gif", gif_with(gif_comment(MARK), gif_application(b"GPSAPP  1.0", MARK))),
    "pages of a TIFF": ("tif", pages_with_places()),
    "boxes of a HEIC": ("heic", heif_with(uuid_box(XMP), box(b"udta", box(b"\xa9xyz", MARK)))),
    "boxes of an AVIF": ("avif", heif_with(uuid_box(XMP), box(b"mpvd", movie_with_a_place()), kind="avif")),
}  # fmt: skip
