"""What a stream tells whoever listens, in the order in which it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .port import Stored
    from .session import SentPart, Session


@dataclass(frozen=True, slots=True)
class Ready:
    """A session is open, now or since an earlier process."""

    upload_id: str


@dataclass(frozen=True, slots=True)
class PartSent:
    """`is_found`: it was there already, and the bytes fed are the same. `sent_bytes`: of all parts that are stored."""

    part: SentPart
    is_found: bool
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Pausing:
    """Nothing more goes out; so many parts are on their way still."""

    pending: int


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing is on its way. `session` is all that another process needs."""

    session: Session


@dataclass(frozen=True, slots=True)
class Resumed:
    session: Session


@dataclass(frozen=True, slots=True)
class Uploaded:
    stored: Stored


@dataclass(frozen=True, slots=True)
class Failed:
    """`session` can be gone on with unless the store has refused it."""

    error: Exception
    session: Session


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


Event = Ready | PartSent | Pausing | Paused | Resumed | Uploaded | Failed | Cancelled
