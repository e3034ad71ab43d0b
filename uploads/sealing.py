"""Seals what the database must hold but a thief of the database must not use: session URIs, which let anybody send.

Sealed with the first secret, unsealed with any: SECRET_KEY may be replaced while uploads are on their way.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from uploads.errors import SessionGone

PURPOSE: Final = b"safelight sealed session v1"


def seal(text: str) -> str:
    """Another text each time; printable, about 4/3 as long and a hundred characters more."""
    return fernet().encrypt(text.encode()).decode()


def unseal(text: str) -> str:
    """Raises: SessionGone when it was sealed with a secret that is known no longer, or is no seal at all."""
    try:
        return fernet().decrypt(text.encode()).decode()
    except InvalidToken as error:
        raise SessionGone from error


def fernet() -> MultiFernet:
    return fernet_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def fernet_of(secrets: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key_of(secret)) for secret in secrets])


def key_of(secret: str) -> bytes:
    """A key of its own for this purpose: the same secret signs cookies and URLs too."""
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), PURPOSE, hashlib.sha256))
