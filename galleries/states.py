"""Pure: the state of a gallery as everybody sees it (list, page, API, admin), from one table."""

from collections.abc import Callable, Mapping
from enum import StrEnum


class GalleryState(StrEnum):
    EMPTY = "empty"
    RECEIVING = "receiving"
    PROCESSING = "processing"
    READY = "ready"
    ATTENTION = "attention"


def any_of(*states: str) -> Callable[[Mapping[str, int], int], bool]:
    return lambda files, _photos: any(files.get(state, 0) for state in states)


# The first row that holds is the state.
TABLE: tuple[tuple[GalleryState, Callable[[Mapping[str, int], int], bool]], ...] = (
    (GalleryState.RECEIVING, any_of("registered", "signed", "uploading")),
    (GalleryState.PROCESSING, any_of("uploaded", "verifying")),
    (GalleryState.ATTENTION, any_of("failed")),
    (GalleryState.READY, lambda _files, photos: photos > 0),
    (GalleryState.EMPTY, lambda _files, _photos: True),
)


def gallery_state(files: Mapping[str, int], photo_count: int) -> GalleryState:
    """`files` counts the round's uploads by state."""
    return next(state for state, holds in TABLE if holds(files, photo_count))
