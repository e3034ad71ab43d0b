"""Who asks for which archive: asked before the first byte, and again and again until the last one is out."""

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from galleries.access import Action, Actor, get_gallery
from galleries.archive.manifest import Archive, Variant, archive_of
from galleries.archive.selections import get_selection
from galleries.callers import caller_of, caller_still
from galleries.errors import BadRequest
from galleries.models import Gallery

MAY_FETCH: Final = {Variant.ORIGINAL: Action.FETCH_ORIGINAL, Variant.WEB: Action.VIEW}
# A full gallery takes about five megabytes.
REMEMBERED_ARCHIVES: Final = 4

Key = tuple[object, ...]


@dataclass(frozen=True)
class Asked:
    request: HttpRequest
    gallery_id: uuid.UUID
    variant: Variant
    selection_id: str | None

    @classmethod
    def of(cls, request: HttpRequest, gallery_id: uuid.UUID) -> "Asked":
        """Raises: BadRequest for an unknown variant."""
        try:
            variant = Variant(request.GET.get("variant", Variant.ORIGINAL))
        except ValueError as error:
            raise BadRequest(fields=["variant"]) from error
        return cls(request, gallery_id, variant, request.GET.get("selection"))

    def find(self) -> tuple[Actor, Archive]:
        """Raises: SignInRequired, NotFound, GalleryDeleted."""
        actor = caller_of(self.request)
        gallery = self._allowed(actor)
        return actor, self._archive(gallery, is_owner=actor.owns(gallery))

    def refuse_if_revoked(self) -> None:
        """Three queries. Raises: SignInRequired, NotFound, GalleryDeleted."""
        self._allowed(caller_still(self.request))

    def _allowed(self, actor: Actor) -> Gallery:
        return get_gallery(actor, self.gallery_id, MAY_FETCH[self.variant])

    def _archive(self, gallery: Gallery, *, is_owner: bool) -> Archive:
        key = (gallery.pk, gallery.version, self.variant, is_owner, self.selection_id)
        archive = Remembered.find(key)
        if archive is None:
            chosen = (
                None if self.selection_id is None else get_selection(gallery, self.selection_id).photo_ids
            )
            archive = archive_of(gallery, self.variant, is_owner=is_owner, chosen_ids=chosen)
            Remembered.add(key, archive)
        return archive


class Remembered:
    """The archives asked for last, so that a hundred ranges of one, or a hundred people, share it.

    Whatever changes a gallery raises its version, so what is remembered under one never changes.
    """

    _archives: OrderedDict[Key, Archive] = OrderedDict()
    _lock = threading.Lock()

    @classmethod
    def find(cls, key: Key) -> Archive | None:
        with cls._lock:
            archive = cls._archives.get(key)
            if archive is not None:
                cls._archives.move_to_end(key)
            return archive

    @classmethod
    def add(cls, key: Key, archive: Archive) -> None:
        with cls._lock:
            cls._archives[key] = archive
            if len(cls._archives) > REMEMBERED_ARCHIVES:
                cls._archives.popitem(last=False)

    @classmethod
    def forget(cls, archive: Archive) -> None:
        """Its objects are not what its rows said."""
        with cls._lock:
            for key in [key for key, each in cls._archives.items() if each is archive]:
                del cls._archives[key]
