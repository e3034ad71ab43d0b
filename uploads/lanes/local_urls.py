"""The signed URLs of the local store. Pure: the lane signs with them, the door checks them."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from uploads.errors import UrlExpired, UrlRefused

PURPOSE: Final = b"safelight local store url v1"


@dataclass(frozen=True, slots=True)
class WriteTerms:
    """Everything one signature allows. A part has a session and a number; a put has neither."""

    key: str
    expires_at_s: int
    size_bytes: int
    content_type: str = ""
    crc32_base64: str = ""
    if_none_match: str = ""
    session: str = ""
    part_number: int = 0

    def canonical(self) -> bytes:
        """One field a line: none of them can hold a line break, as headers and paths can't."""
        fields = (
            "PUT",
            self.key,
            self.expires_at_s,
            self.size_bytes,
            self.content_type,
            self.crc32_base64,
            self.if_none_match,
            self.session,
            self.part_number,
        )
        return "\n".join(map(str, fields)).encode()


class UrlSigner:
    """Signs with the first secret and believes all of them: replacing one refuses no open URL."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [hmac.digest(secret.encode(), PURPOSE, hashlib.sha256) for secret in secrets]

    def sign(self, terms: WriteTerms) -> str:
        return signature_of(self._keys[0], terms)

    def check(self, terms: WriteTerms, signature: str, *, now_s: float) -> None:
        """Raises: UrlRefused, UrlExpired."""
        # As bytes: text is compared only when it is ASCII.
        given = signature.encode("utf-8", "replace")
        matching = [hmac.compare_digest(signature_of(key, terms).encode(), given) for key in self._keys]
        if not any(matching):
            raise UrlRefused
        if now_s >= terms.expires_at_s:
            raise UrlExpired


def signature_of(key: bytes, terms: WriteTerms) -> str:
    return hmac.digest(key, terms.canonical(), hashlib.sha256).hex()
