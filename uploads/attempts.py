"""Pure: what one attempt at a file may leave in a store, told from the key of its original."""

import re
import uuid
from typing import Final

from galleries.objects.base import bound_key, original_key, rendition_key
from galleries.renditions import RECIPES

# The namespace of photo ids (RFC 9562, version 5). Changing it would orphan renditions of tries under way.
PHOTO_IDS: Final = uuid.UUID("6f1de6a1-0d7e-4d0b-9a3a-1d9a2b7c5f10")
ORIGINAL: Final = re.compile(r"originals/[0-9a-f]{2}/([0-9a-f-]{36})/([0-9]+)", re.ASCII)


def photo_id_of(upload_id: uuid.UUID, attempt: int) -> uuid.UUID:
    """The same for every try of an attempt, so that renditions of a try that died are written over."""
    return uuid.uuid5(PHOTO_IDS, f"{upload_id}/{attempt}")


def leftovers_of(key: str) -> list[str]:
    """The original, its bound copy and the renditions; for any other key that alone."""
    match = ORIGINAL.fullmatch(key)
    if match is None:
        return [key]
    upload_id, attempt = uuid.UUID(match[1]), int(match[2])
    photo_id = photo_id_of(upload_id, attempt)
    return [
        original_key(upload_id, attempt),
        bound_key(upload_id, attempt),
        *(rendition_key(photo_id, recipe.name, recipe.digest) for recipe in RECIPES),
    ]
