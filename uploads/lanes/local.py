"""The ways into the local store. The lane signs and keeps sessions; config/local_door.py takes the bytes."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from django.conf import settings

from galleries.errors import ObjectMissing
from galleries.objects.base import ObjectStore, StoredObject, tell_store_call
from galleries.objects.local import (
    IncomingFile,
    LocalStore,
    etag_of,
    sorted_entries,
    storage_errors,
    sync_folder,
)
from uploads.errors import AlreadyStored, BodyCorrupted, PartsMissing, SessionGone
from uploads.lanes.base import (
    CHECKSUM_HEADER,
    Capabilities,
    OpenSession,
    Received,
    SignedRequest,
    StoredPart,
    UploadLanes,
    Wanted,
    checksum_header,
)
from uploads.lanes.local_sessions import LocalSessions
from uploads.lanes.local_urls import UrlSigner, WriteTerms
from uploads.limits import SIGNED_URL_LIFE

SESSION: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
PART_NAME: Final = re.compile(r"[0-9]{5}", re.ASCII)
PLAN_NAME: Final = "plan.json"
URL_LIFE_S: Final = int(SIGNED_URL_LIFE.total_seconds())
# Parts may still land while a session is being emptied; they can't once its folder has another name.
ENDED_SUFFIX: Final = ".ended"
# A session that a killed process has half opened never has a session's name.
OPENING_SUFFIX: Final = ".opening"


class LocalLanes(UploadLanes):
    store: LocalStore
    capabilities = Capabilities(
        put="proven",
        multipart="proven",
        resumable="proven",
        conditional_put="proven",
        signed_checksum="proven",
        signed_part_checksum="proven",
    )

    def __init__(self, store: ObjectStore) -> None:
        if not isinstance(store, LocalStore):
            raise TypeError(store)
        self.store = store
        self.signer = UrlSigner([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS])
        self.sessions = LocalSessions(store)
        self._sessions_folder = store.root / ".multipart"

    def sign_put(self, key: str, *, size_bytes: int, content_type: str, crc32: str | None) -> SignedRequest:
        headers = {"content-type": content_type, "if-none-match": "*"}
        if crc32 is not None:
            headers[CHECKSUM_HEADER] = checksum_header(crc32)
        terms = WriteTerms(
            key=key,
            expires_at_s=int(self.clock()) + URL_LIFE_S,
            size_bytes=size_bytes,
            content_type=content_type,
            crc32_base64=headers.get(CHECKSUM_HEADER, ""),
            if_none_match="*",
        )
        return self._signed(terms, headers, {})

    def sign_part(
        self, key: str, session: str, *, number: int, size_bytes: int, crc32: str | None
    ) -> SignedRequest:
        headers = {} if crc32 is None else {CHECKSUM_HEADER: checksum_header(crc32)}
        terms = WriteTerms(
            key=key,
            expires_at_s=int(self.clock()) + URL_LIFE_S,
            size_bytes=size_bytes,
            crc32_base64=headers.get(CHECKSUM_HEADER, ""),
            session=session,
            part_number=number,
        )
        return self._signed(terms, headers, {"session": session, "part": str(number)})

    def create_multipart(self, key: str, *, content_type: str) -> str:
        tell_store_call(self.store.name, "create_multipart")
        session = secrets.token_hex(16)
        opening = self._sessions_folder / f"{session}{OPENING_SUFFIX}"
        plan = json.dumps({"key": key, "content_type": content_type}).encode()
        with storage_errors(), self.store.incoming() as incoming:
            opening.mkdir(parents=True, mode=0o700)
            incoming.write([plan])
            incoming.settle_into(opening, PLAN_NAME)
            opening.rename(self._sessions_folder / session)
            for folder in (self._sessions_folder, self.store.root):
                sync_folder(folder)
        return session

    def list_parts(self, key: str, session: str) -> list[StoredPart]:
        tell_store_call(self.store.name, "list_parts")
        folder = self._folder_of(key, session)
        entries = [entry for entry in sorted_entries(folder) if PART_NAME.fullmatch(entry.name)]
        with storage_errors():
            return [part_of(int(entry.name), entry.stat()) for entry in entries]

    def list_sessions(self, prefix: str) -> Iterator[OpenSession]:
        tell_store_call(self.store.name, "list_sessions")
        for entry in sorted_entries(self._sessions_folder):
            with suppress(ObjectMissing, ValueError), storage_errors():
                key = planned_key(Path(entry.path))
                if SESSION.fullmatch(entry.name) and key.startswith(prefix):
                    yield OpenSession(key, entry.name, datetime.fromtimestamp(entry.stat().st_ctime, UTC))

    def complete_multipart(self, key: str, session: str, parts: Iterable[StoredPart]) -> StoredObject:
        tell_store_call(self.store.name, "complete_multipart")
        chosen = sorted(parts, key=lambda part: part.number)
        size_bytes = sum(part.size_bytes for part in chosen)
        stored = self.store.find(key)
        if stored is None or stored.size_bytes != size_bytes:
            self._join(key, self._folder_of(key, session), chosen)
            stored = self.store.head(key)
        self._end(session)
        return stored

    def abort_multipart(self, key: str, session: str) -> None:
        tell_store_call(self.store.name, "abort_multipart")
        with suppress(SessionGone):
            self._folder_of(key, session)
            self._end(session)

    def begin_resumable(self, wanted: Wanted) -> str:
        tell_store_call(self.store.name, "begin_resumable")
        return self.sessions.begin(wanted, now_s=self.clock())

    def probe_resumable(self, session_uri: str, *, size_bytes: int) -> Received:
        tell_store_call(self.store.name, "probe_resumable")
        session = self.sessions.find(session_uri, now_s=self.clock())
        if session.plan.size_bytes != size_bytes:
            raise SessionGone
        return session.received()

    def cancel_resumable(self, session_uri: str) -> None:
        tell_store_call(self.store.name, "cancel_resumable")
        with suppress(SessionGone):
            self.sessions.find(session_uri, now_s=self.clock()).cancel()

    def drop_abandoned(self, *, older_than: timedelta) -> int:
        """Bodies never settled, sessions half opened or half ended, and resumable ones past their week; how many."""
        before_s = self.clock() - older_than.total_seconds()
        bodies = sorted_entries(self.store.incoming_folder)
        folders = [
            entry for entry in sorted_entries(self._sessions_folder) if not SESSION.fullmatch(entry.name)
        ]
        abandoned = [entry for entry in bodies + folders if is_older(entry, before_s)]
        for entry in abandoned:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)
        return len(abandoned) + self.sessions.drop_ended(now_s=self.clock(), half_made_before_s=before_s)

    def take(self, terms: WriteTerms) -> IncomingFile:
        """The file for a body whose URL has been checked.

        Raises: AlreadyStored, SessionGone: before a byte is read for nothing.
        """
        if terms.session:
            self._folder_of(terms.key, terms.session)
        elif self.store.find(terms.key) is not None:
            raise AlreadyStored
        return self.store.incoming()

    def settle(self, incoming: IncomingFile, terms: WriteTerms) -> str:
        """Keeps the body for good and answers its ETag.

        Raises: BodyCorrupted. AlreadyStored, SessionGone when another request was faster.
        """
        if incoming.size_bytes != terms.size_bytes:
            raise BodyCorrupted
        if terms.crc32_base64 and terms.crc32_base64 != checksum_header(f"{incoming.crc32:08x}"):
            raise BodyCorrupted
        if terms.session:
            self._settle_part(incoming, terms)
        else:
            self._settle_put(incoming, terms)
        return incoming.etag

    def _settle_put(self, incoming: IncomingFile, terms: WriteTerms) -> None:
        try:
            incoming.settle_new(self.store.path_of(terms.key), root=self.store.root)
        except FileExistsError as error:
            raise AlreadyStored from error

    def _settle_part(self, incoming: IncomingFile, terms: WriteTerms) -> None:
        try:
            incoming.settle_into(self._sessions_folder / terms.session, f"{terms.part_number:05d}")
        except ObjectMissing as error:
            raise SessionGone from error

    def _signed(self, terms: WriteTerms, headers: dict[str, str], query: dict[str, str]) -> SignedRequest:
        asked = query | {"expires": str(terms.expires_at_s), "signature": self.signer.sign(terms)}
        return SignedRequest("PUT", f"{self.store.base_url}{terms.key}?{urlencode(asked)}", headers)

    def _folder_of(self, key: str, session: str) -> Path:
        """Raises: SessionGone, also for a session of another key."""
        folder = self._sessions_folder / session
        try:
            if SESSION.fullmatch(session) and planned_key(folder) == key:
                return folder
        except ObjectMissing as error:
            raise SessionGone from error
        raise SessionGone

    def _join(self, key: str, folder: Path, parts: Sequence[StoredPart]) -> None:
        with self.store.incoming() as incoming:
            for part in parts:
                append_part(incoming, folder, part)
            target = self.store.path_of(key)
            try:
                incoming.settle_new(target, root=self.store.root)
            except FileExistsError:
                # Somebody else has completed meanwhile; the caller compares what is there.
                if target.stat().st_size != incoming.size_bytes:
                    incoming.settle_over(target, root=self.store.root)

    def _end(self, session: str) -> None:
        folder = self._sessions_folder / session
        ended = folder.with_suffix(ENDED_SUFFIX)
        with storage_errors(), suppress(FileNotFoundError):
            folder.rename(ended)
        shutil.rmtree(ended, ignore_errors=True)


def is_older(entry: os.DirEntry[str], before_s: float) -> bool:
    """False for what is gone meanwhile: its owner has settled or ended it."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime < before_s
    except FileNotFoundError:
        return False


def planned_key(folder: Path) -> str:
    """Raises: ObjectMissing when there is no such session."""
    with storage_errors():
        return str(json.loads((folder / PLAN_NAME).read_text())["key"])


def part_of(number: int, status: os.stat_result) -> StoredPart:
    stored_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return StoredPart(number, status.st_size, etag_of(status), stored_at)


def append_part(incoming: IncomingFile, folder: Path, part: StoredPart) -> None:
    """Raises: PartsMissing when it is not the part that was listed."""
    try:
        with storage_errors(), (folder / f"{part.number:05d}").open("rb", buffering=0) as source:
            if part_of(part.number, os.fstat(source.fileno())) != part:
                raise PartsMissing
            incoming.append(source.fileno(), part.size_bytes)
    except ObjectMissing as error:
        raise PartsMissing from error
