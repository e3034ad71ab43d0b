"""Whether those who listen still may, asked for all of them at once: nobody outlives a right by long."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import ApiToken, User
from galleries.models import Gallery
from uploads.limits import IDS_OF_A_QUERY, MAX_GALLERIES_FOLLOWED


@dataclass(frozen=True)
class Credential:
    """By what a socket was let in: the key of a session, or the digest of a token."""

    session_key: str = ""
    token_digest: str = ""


@dataclass(frozen=True)
class Standing:
    """Who listens, by what right, to which gallery; None: to all of theirs."""

    credential: Credential
    user_id: uuid.UUID
    gallery_id: uuid.UUID | None


@dataclass(frozen=True)
class Grounds:
    """All that the right depends on, as the database has it. Equal ones mean the same answer.

    The version of the gallery is of the same moment, and says nothing about the right.
    """

    found: tuple[object, ...]
    version: int = field(default=0, compare=False)


def grounds_of(standings: Sequence[Standing]) -> dict[Standing, Grounds]:
    """Four queries, however many there are."""
    now = timezone.now()
    sessions = mapped(
        Session.objects.filter(
            pk__in={each.credential.session_key for each in standings}, expire_date__gt=now
        ).values_list("pk", "session_data")
    )
    tokens = mapped(
        ApiToken.objects.filter(
            digest__in={each.credential.token_digest for each in standings}, revoked_at=None
        ).values_list("digest", "pk")
    )
    users = mapped(
        User.objects.filter(pk__in={each.user_id for each in standings}).values_list(
            "pk", "is_active", "password"
        )
    )
    galleries = mapped(
        Gallery.objects.filter(pk__in={each.gallery_id for each in standings if each.gallery_id}).values_list(
            "pk", "version", "owner_id", "deleted_at"
        )
    )
    return {
        each: Grounds(
            (
                sessions.get(each.credential.session_key),
                tokens.get(each.credential.token_digest),
                users.get(each.user_id),
                gallery,
            ),
            version,
        )
        for each in standings
        for version, *gallery in [galleries.get(each.gallery_id, (0,))]
    }


def mapped(rows: Iterable[tuple[Any, ...]]) -> dict[Any, tuple[Any, ...]]:
    return {first: rest for first, *rest in map(tuple, rows)}  # type: ignore[misc]


def galleries_of(user_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """Ids of the living galleries of each, the newest that a socket follows. One query."""
    found: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    wanted = set(user_ids)
    if wanted:
        rows = Gallery.objects.live().filter(owner_id__in=wanted).order_by("-created_at", "id")
        for owner_id, gallery_id in rows.values_list("owner_id", "pk"):
            if len(found[owner_id]) < MAX_GALLERIES_FOLLOWED:
                found[owner_id].add(gallery_id)
    return found


def versions_of(gallery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """A query for each few thousand galleries."""
    return {
        gallery_id: version
        for first in range(0, len(gallery_ids), IDS_OF_A_QUERY)
        for gallery_id, version in Gallery.objects.filter(
            pk__in=gallery_ids[first : first + IDS_OF_A_QUERY]
        ).values_list("pk", "version")
    }
