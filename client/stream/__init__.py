"""A multipart stream: bytes of unknown length into a store that takes parts, with pause and resume across processes.

Standard library only. The store is a port (`PartStore`); the product's lanes and the public API each have one.
"""

from .errors import GaveUp, Refused, SourceChanged, StreamEnded, StreamError, Transient
from .events import Cancelled, Event, Failed, PartSent, Paused, Pausing, Ready, Resumed, Uploaded
from .multipart import MultipartStream, Settings
from .pieces import in_pieces
from .port import ListedPart, PartStore, Stored
from .retry import Retry
from .session import SentPart, Session
from .sizes import Fixed, Growing, PartSizes

__all__ = [
    "Cancelled",
    "Event",
    "Failed",
    "Fixed",
    "GaveUp",
    "Growing",
    "ListedPart",
    "MultipartStream",
    "PartSent",
    "PartSizes",
    "PartStore",
    "Paused",
    "Pausing",
    "Ready",
    "Refused",
    "Resumed",
    "Retry",
    "SentPart",
    "Session",
    "Settings",
    "SourceChanged",
    "Stored",
    "StreamEnded",
    "StreamError",
    "Transient",
    "Uploaded",
    "in_pieces",
]
