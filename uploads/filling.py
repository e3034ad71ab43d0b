"""What galleries learn from, and tell, uploads: the other end of galleries/ports.py."""

import uuid
from collections.abc import Iterable, Mapping

from galleries.models import Gallery
from galleries.ports import Profile, Room, Totals
from uploads import announce, control, profile, progress, quotas


class UploadsFiller:
    def profile_of(self, gallery: Gallery) -> Profile:
        return profile.profile_of(gallery)

    def progress_of(self, gallery_ids: Iterable[uuid.UUID]) -> Mapping[uuid.UUID, Totals]:
        return progress.totals_of(gallery_ids)

    def room_in(self, gallery_id: uuid.UUID) -> Room:
        return quotas.room_in(Gallery.objects.get(pk=gallery_id))

    def photos_changed(self, gallery_id: uuid.UUID, *, version: int, photo_ids: Iterable[uuid.UUID]) -> None:
        announce.photos_changed(gallery_id, version=version, photo_ids=photo_ids)

    def gallery_deleted(self, gallery_id: uuid.UUID) -> None:
        control.cancel_gallery(gallery_id)

    def galleries_changed(self, owner_id: uuid.UUID) -> None:
        announce.galleries_changed(owner_id)
