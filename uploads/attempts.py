"""Pure: what one attempt at a file may leave in a store, told from the key of its original."""

import re
import uuid
from dataclasses import dataclass
from typing import Final

from galleries.objects.base import bound_key, original_key, rendition_key
from galleries.renditions import RECIPES

# The namespace of photo ids (RFC 9562, version 5). Changing it would orphan renditions of tries under way.
PHOTO_IDS: Final = uuid.UUID("6f1de6a1-0d7e-4d0b-9a3a-1d9a2b7c5f10")
ORIGINAL: Final = re.compile(r"originals/[0-9a-f]{2}/([0-9a-f-]{36})/([0-9]+)(/bound)?", re.ASCII)
RENDITION: Final = re.compile(r"renditions/[0-9a-f]{2}/([0-9a-f-]{36})/.+", re.ASCII)


@dataclass(frozen=True)
class Attempt:
    upload_id: uuid.UUID
    number: int


def photo_id_of(upload_id: uuid.UUID, attempt: int) -> uuid.UUID:
    """The same for every try of an attempt, so that renditions of a try that died are written over."""
    return uuid.uuid5(PHOTO_IDS, f"{upload_id}/{attempt}")


def attempt_of(key: str) -> Attempt | None:
    """Whose original, or bound copy, lies under that key; None for any other key."""
    match = ORIGINAL.fullmatch(key)
    return Attempt(uuid.UUID(match[1]), int(match[2])) if match else None


def photo_of_rendition(key: str) -> uuid.UUID | None:
    """Whose rendition lies under that key; None for any other key."""
    match = RENDITION.fullmatch(key)
    return uuid.UUID(match[1]) if match else None


def leftovers_of(key: str) -> list[str]:
    """The original, its bound copy and the renditions; for the key of no original that alone."""
    attempt = attempt_of(key)
    return [key] if attempt is None or key.endswith("/bound") else leftovers_of_attempt(attempt)


def leftovers_of_attempt(attempt: Attempt) -> list[str]:
    photo_id = photo_id_of(attempt.upload_id, attempt.number)
    return [
        original_key(attempt.upload_id, attempt.number),
        bound_key(attempt.upload_id, attempt.number),
        *(rendition_key(photo_id, recipe.name, recipe.digest) for recipe in RECIPES),
    ]
