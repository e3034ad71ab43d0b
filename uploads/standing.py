"""Whether those who listen still may, asked for all of them at once: nobody outlives a right by long."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import ApiToken, User
from galleries.models import Gallery


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


# All that the right depends on, as the database has it. Equal ones mean the same answer.
Grounds = tuple[object, ...]


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
            "pk", "owner_id", "deleted_at"
        )
    )
    return {
        each: (
            sessions.get(each.credential.session_key),
            tokens.get(each.credential.token_digest),
            users.get(each.user_id),
            galleries.get(each.gallery_id),
        )
        for each in standings
    }


def mapped(rows: Iterable[tuple[Any, ...]]) -> dict[Any, tuple[Any, ...]]:
    return {first: rest for first, *rest in map(tuple, rows)}  # type: ignore[misc]


def galleries_of(user_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """Ids of the living galleries of each. One query."""
    found: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    wanted = set(user_ids)
    if wanted:
        rows = Gallery.objects.live().filter(owner_id__in=wanted).values_list("owner_id", "pk")
        for owner_id, gallery_id in rows:
            found[owner_id].add(gallery_id)
    return found
