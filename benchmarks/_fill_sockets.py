"""Galleries with an upload for each socket, and a token for each owner, in the database that the environment names.

Prints JSON: `{"tokens": […], "galleries": [[id, token number, [upload ids]]…]}`. Argument: sockets of each gallery, in
order of the galleries.
"""

from __future__ import annotations

import json
import os
import sys
import uuid

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.utils import timezone  # noqa: E402  only after Django is set up

from accounts.models import User, issue_token  # noqa: E402
from galleries.models import Gallery  # noqa: E402
from uploads.limits import MAX_SOCKETS_OF_ONE  # noqa: E402
from uploads.models import Upload  # noqa: E402


def fill(sockets: list[int]) -> dict[str, object]:
    tokens: list[str] = []
    galleries = []
    room = 0
    owner = None
    for count in sockets:
        if owner is None or room < count:
            owner = User.objects.create_user(f"owner-{uuid.uuid4().hex[:8]}", None, None)
            tokens.append(issue_token(owner))
            room = MAX_SOCKETS_OF_ONE
        room -= count
        gallery = Gallery.objects.create(owner=owner, title="Bench", round_started_at=timezone.now())
        uploads = Upload.objects.bulk_create([upload_of(gallery, owner) for _ in range(count)])
        galleries.append([str(gallery.pk), len(tokens) - 1, [str(upload.pk) for upload in uploads]])
    return {"tokens": tokens, "galleries": galleries}


def upload_of(gallery: Gallery, owner: User) -> Upload:
    now, upload_id = timezone.now(), uuid.uuid4()
    return Upload(
        id=upload_id,
        gallery=gallery,
        owner=owner,
        actor=f"user:{owner.pk}",
        client_id=str(upload_id),
        name="IMG_0001.JPG",
        size=1_000_000,
        media_type="image/jpeg",
        state="signed",
        store="local",
        lane="put",
        key=f"originals/00/{upload_id}/1",
        registered_at=now,
        active_at=now,
        try_after=now,
    )


print(json.dumps(fill([int(word) for word in sys.argv[1].split(",")])))
