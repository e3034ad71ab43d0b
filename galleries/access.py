"""Who may do what: one table, asked by every edge. A stranger learns nothing, not even that a gallery exists."""

import uuid
from dataclasses import dataclass
from enum import StrEnum

from accounts.models import User
from galleries.errors import GalleryDeleted, NotFound, SignInRequired
from galleries.models import Gallery, Photo, PhotoStatus


class Action(StrEnum):
    VIEW = "view"
    EDIT = "edit"
    DELETE = "delete"
    UPLOAD = "upload"
    PUBLISH = "publish"
    FETCH_ORIGINAL = "fetch_original"


class Role(StrEnum):
    OWNER = "owner"
    STRANGER = "stranger"


MAY: dict[Role, frozenset[Action]] = {
    Role.OWNER: frozenset(Action),
    Role.STRANGER: frozenset(),
}


# Which photos are there to be seen, and by whom: what is not published, by who may publish it.
SEEN_BY: dict[str, Action] = {PhotoStatus.READY: Action.VIEW, PhotoStatus.STAGED: Action.PUBLISH}


@dataclass(frozen=True)
class Actor:
    """Who asks. `name` is what rows keep: it says who sent a file."""

    user: User

    @property
    def name(self) -> str:
        return f"user:{self.user.pk}"

    def role_in(self, gallery: Gallery) -> Role:
        return Role.OWNER if gallery.owner_id == self.user.pk else Role.STRANGER

    def owns(self, gallery: Gallery) -> bool:
        return self.role_in(gallery) == Role.OWNER

    def may(self, action: Action, gallery: Gallery) -> bool:
        return action in MAY[self.role_in(gallery)]


def actor_of(user: object) -> Actor:
    """Raises: SignInRequired for anybody who is not signed in."""
    if not isinstance(user, User) or not user.is_active:
        raise SignInRequired
    return Actor(user)


def get_gallery(actor: Actor, gallery_id: uuid.UUID, action: Action) -> Gallery:
    """One query.

    Raises: NotFound for what the actor may not see. GalleryDeleted when it is gone and the actor could see it.
    """
    gallery = Gallery.objects.filter(pk=gallery_id).first()
    return allowed(actor, gallery, action)


def get_gallery_or_deleted(actor: Actor, gallery_id: uuid.UUID, action: Action) -> Gallery:
    """One query. Raises: NotFound."""
    gallery = Gallery.objects.filter(pk=gallery_id).first()
    if gallery is None or not actor.may(action, gallery):
        raise NotFound
    return gallery


def allowed(actor: Actor, gallery: Gallery | None, action: Action) -> Gallery:
    if gallery is None or not actor.may(action, gallery):
        raise NotFound
    if gallery.deleted_at is not None:
        raise GalleryDeleted(id=str(gallery.pk))
    return gallery


def get_photo(actor: Actor, photo_id: uuid.UUID, action: Action) -> Photo:
    """One query. Raises: NotFound, GalleryDeleted."""
    photo = Photo.objects.select_related("gallery").filter(pk=photo_id).first()
    if photo is None:
        raise NotFound
    allowed(actor, photo.gallery, action)
    return photo


def get_shown_photo(actor: Actor, photo_id: uuid.UUID, action: Action) -> Photo:
    """One query. Raises: NotFound for what is not there to be seen by this actor, GalleryDeleted."""
    photo = get_photo(actor, photo_id, action)
    seen_by = SEEN_BY.get(photo.status)
    if seen_by is None or not actor.may(seen_by, photo.gallery):
        raise NotFound
    return photo
