"""Signed S3 URLs, byte for byte those of boto3 at a tenth of its price. Pure: the time is handed in.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urlsplit

from galleries.objects.url_life import Life

ALGORITHM: Final = "AWS4-HMAC-SHA256"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key: str
    secret_key: str
    session_token: str | None = None


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """Where a bucket answers: `base` has no slash at its end, `path_prefix` one at both."""

    base: str
    host: str
    path_prefix: str

    @classmethod
    def of(cls, endpoint: str, bucket: str, *, style: str) -> "BucketAddress":
        parts = urlsplit(endpoint)
        port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
        host = f"{parts.hostname}{port}"
        folder = parts.path.rstrip("/")
        if style == "virtual" and is_hostable(bucket, parts.scheme, parts.hostname or ""):
            host = f"{bucket}.{host}"
            return cls(f"{parts.scheme}://{host}", host, f"{folder}/")
        return cls(f"{parts.scheme}://{host}", host, f"{folder}/{bucket}/")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all URLs of one second share."""

    second: int
    amz_date: str
    scope: str
    credential: str
    signing_key: bytes


@dataclass(frozen=True, slots=True)
class SignedNames:
    """What all URLs with the same headers share: their names, sorted, with the host among them."""

    names: tuple[str, ...]
    joined: str
    quoted: str


def is_hostable(bucket: str, scheme: str, hostname: str) -> bool:
    """As boto3 decides: an address has no names below it, and no certificate covers one dot more."""
    try:
        ip_address(hostname)
    except ValueError:
        return not (scheme == "https" and "." in bucket)
    return False


class QuerySigner:
    """Signs for one bucket as one account. Safe in threads: a lost race only computes twice."""

    def __init__(self, address: BucketAddress, region: str, credentials: Credentials) -> None:
        self.credentials = credentials
        self._address = address
        self._region = region
        self._token = ""
        if credentials.session_token:
            self._token = f"&X-Amz-Security-Token={quote(credentials.session_token, safe='')}"
        self._day_key: tuple[str, bytes] = ("", b"")
        self._last_stamp = Stamp(-1, "", "", "", b"")
        self._signed_names: dict[tuple[str, ...], SignedNames] = {}

    def url(
        self,
        method: str,
        key: str,
        life: Life,
        *,
        headers: Mapping[str, str] | None = None,
        query: Sequence[tuple[str, str]] = (),
    ) -> str:
        """`headers` have lower-case names and no host; names in `query` begin in lower case, as S3's do."""
        headers = headers or {}
        stamp = self._stamp(life.begins_at_s)
        signed = self._names_of(tuple(headers))
        path = self._address.path_prefix + quote(key, safe="/~")
        asked = [f"{quote(name, safe='')}={quote(value, safe='~')}" for name, value in query]
        common = (
            f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={stamp.credential}"
            f"&X-Amz-Date={stamp.amz_date}&X-Amz-Expires={life.lasts_s}"
        )
        names = f"&X-Amz-SignedHeaders={signed.quoted}"
        # In the signed text the parameters are sorted; capital letters come first.
        canonical_query = "&".join([f"{common}{self._token}{names}", *sorted(asked)])
        lines = "".join(
            f"{name}:{self._address.host if name == 'host' else headers[name]}\n" for name in signed.names
        )
        canonical = f"{method}\n{path}\n{canonical_query}\n{lines}\n{signed.joined}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{ALGORITHM}\n{stamp.amz_date}\n{stamp.scope}\n{digest}"
        signature = hmac.digest(stamp.signing_key, to_sign.encode(), "sha256").hex()
        sent = "&".join([*asked, f"{common}{names}{self._token}"])
        return f"{self._address.base}{path}?{sent}&X-Amz-Signature={signature}"

    def _stamp(self, second: int) -> Stamp:
        last = self._last_stamp
        if last.second == second:
            return last
        amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = amz_date[:8]
        scope = f"{day}/{self._region}/s3/aws4_request"
        credential = quote(f"{self.credentials.access_key}/{scope}", safe="~")
        stamp = self._last_stamp = Stamp(second, amz_date, scope, credential, self._key_of(day))
        return stamp

    def _key_of(self, day: str) -> bytes:
        known_day, known_key = self._day_key
        if known_day == day:
            return known_key
        key = f"AWS4{self.credentials.secret_key}".encode()
        for word in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, word.encode(), "sha256")
        self._day_key = (day, key)
        return key

    def _names_of(self, names: tuple[str, ...]) -> SignedNames:
        known = self._signed_names.get(names)
        if known is None:
            ordered = tuple(sorted([*names, "host"]))
            joined = ";".join(ordered)
            known = self._signed_names[names] = SignedNames(ordered, joined, quote(joined, safe=""))
        return known
