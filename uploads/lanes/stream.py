"""A lane as the store of a stream: an object of unknown length, in parts, from a program beside the product."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final, ParamSpec, TypeVar

import httpx

from client.stream import GaveUp, ListedPart, Refused, SentPart, Stored, Transient, in_pieces
from galleries.errors import GalleryError, StorageUnavailable
from uploads.errors import PartsMissing
from uploads.lanes.base import SignedRequest, StoredPart, UploadLanes

P = ParamSpec("P")
T = TypeVar("T")
# Of a part, unless the store encrypts with keys of its own: then it is no MD5 of the part, and equals none.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
MD5: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
NO_CRC32: Final = "00000000"  # of no byte


class LaneParts:
    """One key of a store. `http` knows the site's address where the store's URLs begin with a slash."""

    checks_whole = False

    def __init__(self, lanes: UploadLanes, key: str, http: httpx.AsyncClient, *, content_type: str) -> None:
        self._lanes, self._key, self._http, self._content_type = lanes, key, http, content_type

    async def open(self) -> str:
        return await asked(self._lanes.create_multipart, self._key, content_type=self._content_type)

    async def put_part(self, upload_id: str, number: int, body: bytes | memoryview, crc32: str) -> str:
        signed = self._lanes.sign_part(self._key, upload_id, number=number, size_bytes=len(body), crc32=crc32)
        return await self._sent(signed, body)

    async def list_parts(self, upload_id: str) -> list[ListedPart]:
        listed = await asked(self._lanes.list_parts, self._key, upload_id)
        return [
            ListedPart(part.number, part.size_bytes, part.etag, part.etag if MD5.fullmatch(part.etag) else "")
            for part in listed
        ]

    async def complete(self, upload_id: str, parts: Sequence[SentPart]) -> Stored:
        named = [StoredPart(part.number, part.size_bytes, part.etag) for part in parts]
        stored = await asked(self._lanes.complete_multipart, self._key, upload_id, named)
        return Stored(stored.size_bytes, stored.etag)

    async def put_empty(self) -> Stored:
        signed = self._lanes.sign_put(
            self._key, size_bytes=0, content_type=self._content_type, crc32=NO_CRC32
        )
        return Stored(0, await self._sent(signed, b""))

    async def abort(self, upload_id: str) -> None:
        await asked(self._lanes.abort_multipart, self._key, upload_id)

    async def _sent(self, signed: SignedRequest, body: bytes | memoryview) -> str:
        """The ETag.

        A refusal is tried again like anything else: each try is signed anew, so one that was too old is mended by it.
        """
        headers = {**signed.headers, "content-length": str(len(body))}
        try:
            answer = await self._http.request(
                signed.method, signed.url, content=in_pieces(body), headers=headers
            )
        except httpx.TransportError as error:
            raise Transient(repr(error)) from error
        if not answer.is_success:
            raise Transient(f"the store answered {answer.status_code}")
        return str(answer.headers.get("etag", "")).strip('"')


async def asked(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Of the store, in a thread. Raises: Transient, GaveUp, Refused."""
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except StorageUnavailable as error:
        raise Transient(error.message) from error
    except PartsMissing as error:  # another process has replaced some: what is there can be gone on with
        raise GaveUp(error.message) from error
    except GalleryError as error:
        raise Refused(error.message, code=error.code) from error
