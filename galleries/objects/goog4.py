"""Signed URLs of Google Cloud Storage, byte for byte those of its own library. Pure: time and key are handed in.

https://docs.cloud.google.com/storage/docs/access-control/signing-urls-manually
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from galleries.objects.url_life import Life

ALGORITHM: Final = "GOOG4-RSA-SHA256"


class GoogleSigner:
    """Signs for one bucket as one service account. Safe in threads: it remembers nothing."""

    def __init__(self, endpoint: str, bucket: str, account: str, sign: Callable[[bytes], bytes]) -> None:
        """`sign` is the account's RSA signature over SHA-256. `endpoint` has no path."""
        self._base = endpoint.rstrip("/")
        self._host = urlsplit(endpoint).netloc
        self._bucket = quote(bucket, safe="~")
        self._account = account
        self._sign = sign

    def url(
        self,
        method: str,
        key: str,
        life: Life,
        *,
        headers: Mapping[str, str] | None = None,
        query: Sequence[tuple[str, str]] = (),
    ) -> str:
        """`headers` have lower-case names and no host."""
        signed = sorted({**(headers or {}), "host": self._host}.items())
        names = ";".join(name for name, _ in signed)
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(life.begins_at_s))
        scope = f"{date[:8]}/auto/storage/goog4_request"
        asked = sorted(
            [
                *query,
                ("X-Goog-Algorithm", ALGORITHM),
                ("X-Goog-Credential", f"{self._account}/{scope}"),
                ("X-Goog-Date", date),
                ("X-Goog-Expires", str(life.lasts_s)),
                ("X-Goog-SignedHeaders", names),
            ]
        )
        path = f"/{self._bucket}/{quote(key, safe='/~')}"
        canonical_query = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in asked
        )
        lines = "".join(f"{name}:{value}\n" for name, value in signed)
        canonical = f"{method}\n{path}\n{canonical_query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = self._sign(f"{ALGORITHM}\n{date}\n{scope}\n{digest}".encode()).hex()
        return f"{self._base}{path}?{canonical_query}&X-Goog-Signature={signature}"
