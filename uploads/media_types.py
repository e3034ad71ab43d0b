"""Pure: what may be sent, judged by what the browser says of it. What it really is, the first bytes tell later."""

from uploads.names import extension_of

BY_EXTENSION = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg", "png": "image/png", "webp": "image/webp",
    "gif": "image/gif", "avif": "image/avif", "tif": "image/tiff", "tiff": "image/tiff",
    "heic": "image/heic", "heif": "image/heif", "hif": "image/heif",
    "cr2": "image/x-canon-cr2", "cr3": "image/x-canon-cr3", "nef": "image/x-nikon-nef", "arw": "image/x-sony-arw",
    "dng": "image/x-adobe-dng", "raf": "image/x-fuji-raf", "orf": "image/x-olympus-orf",
    "rw2": "image/x-panasonic-rw2",
}  # fmt: skip
ACCEPTED = frozenset(BY_EXTENSION.values())


def media_type_for(name: str, declared: str) -> str:
    """The type that is signed into the request; empty when neither the name nor the browser speaks of a photo.

    The extension wins: browsers know no RAW types, and some call HEIC application/octet-stream.
    """
    declared = declared.partition(";")[0].strip().lower()
    by_name = BY_EXTENSION.get(extension_of(name.strip()), "")
    return by_name or (declared if declared in ACCEPTED else "")
