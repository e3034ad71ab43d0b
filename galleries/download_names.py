"""Pure: what a download is called. The name is the sender's, but its ending says what the bytes are."""

from typing import Final

MAX_NAME_BYTES: Final = 255
# The first is given to what has another. Where several follow, the same container holds each kind.
EXTENSIONS: Final = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png",),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "image/avif": ("avif", "heif"),
    "image/heic": ("heic", "heif", "hif"),
    "image/heif": ("heif", "heic", "hif"),
    "image/tiff": ("tif", "tiff", "nef", "arw", "dng"),
    "image/x-canon-cr2": ("cr2",),
    "image/x-canon-cr3": ("cr3",),
    "image/x-nikon-nef": ("nef",),
    "image/x-sony-arw": ("arw",),
    "image/x-adobe-dng": ("dng",),
    "image/x-fuji-raf": ("raf",),
    "image/x-olympus-orf": ("orf",),
    "image/x-panasonic-rw2": ("rw2",),
}
OF_PHOTOS: Final = frozenset(extension for several in EXTENSIONS.values() for extension in several)


def download_name(name: str, media_type: str) -> str:
    """«page.html» of a JPEG becomes «page.html.jpg», «a.png» of one «a.jpg»: nothing opens it as what it is not."""
    fitting = EXTENSIONS.get(media_type, ())
    stem, dot, extension = name.rpartition(".")
    if not fitting or (dot and extension.lower() in fitting):
        return name
    kept = stem if dot and extension.lower() in OF_PHOTOS else name
    ending = f".{fitting[0]}"
    return kept.encode()[: MAX_NAME_BYTES - len(ending)].decode("utf-8", "ignore") + ending
