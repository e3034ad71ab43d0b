"""What the site answers, as this client reads it (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]
# The row takes bytes.
TAKES_BYTES: Final = frozenset({"registered", "signed", "uploading"})
# Every byte is there; workers have the word.
IN_HAND: Final = frozenset({"uploaded", "verifying"})


@dataclass(frozen=True, slots=True)
class Trouble:
    code: str
    message: str
    is_retryable: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """`id` is empty where the file was refused and has no row."""

    id: str
    client_id: str
    state: str
    trouble: Trouble | None
    photo_id: str | None
    transfer: Json | None


def upload_from(row: Json) -> Upload:
    return Upload(
        id=row.get("id") or "",
        client_id=row.get("client_id", ""),
        state=row.get("state", ""),
        trouble=trouble_from(row.get("error")),
        photo_id=row.get("photo_id"),
        transfer=row.get("transfer"),
    )


def trouble_from(error: Json | None) -> Trouble | None:
    if error is None:
        return None
    return Trouble(error["code"], error.get("message", error["code"]), bool(error.get("retryable")))
