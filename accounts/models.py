import hashlib
import secrets
import uuid
from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.db import models

TOKEN_BYTES = 32  # 256 bit, far beyond guessing, so that a plain SHA-256 is a safe way to keep it


class User(AbstractUser):
    """Who owns galleries. The id is a UUID because it appears on the wire."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wants_mail = models.BooleanField("mail when publishing is done", default=True)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self, token: str) -> Self:
        return self.filter(digest=digest_of(token), revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A bearer token of one user. The token itself is shown once and never stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"token of {self.user} from {self.created_at:%Y-%m-%d}"


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue_token(user: User) -> str:
    """Makes a new token and returns it, for the only time."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    ApiToken.objects.create(user=user, digest=digest_of(token))
    return token


def find_user_of_token(token: str) -> User | None:
    """One query."""
    found = ApiToken.objects.usable(token).select_related("user").first()
    return found.user if found else None
