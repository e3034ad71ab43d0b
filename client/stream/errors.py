"""What can go wrong with a stream. Whether the session outlives it is what tells them apart."""


class StreamError(Exception):
    """The stream has come to an end without an object."""


class Transient(StreamError):
    """Raised by stores: the same request may succeed in a moment. `after_s`: not sooner than that."""

    def __init__(self, message: str, *, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Refused(StreamError):
    """Raised by stores: no repetition will help. The session is aborted. `code` is a word for machines."""

    def __init__(self, message: str, *, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


class GaveUp(StreamError):
    """A passing fault did not pass. The session stays as it is, for a later process."""


class SourceChanged(StreamError):
    """The bytes fed are not those that were sent before. The session stays: perhaps it is the wrong source."""


class StreamEnded(StreamError):
    """Written to after the end, or cancelled."""
