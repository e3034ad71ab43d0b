"""Redis as Celery's broker, with a channel that closes where Redis has gone.

Kombu 5.7 first reads the answer that a channel still waits for, and leaves the channel half open where that fails.
Celery closes it a second time, by then without a transport, and the worker ends by an AttributeError instead of
connecting again. It happened whenever the loss was noticed on the channel of remote control while a task ran.
"""

from typing import Final

from kombu.transport import TRANSPORT_ALIASES, redis

SCHEMES: Final = ("redis", "rediss")


class Channel(redis.Channel):
    def close(self) -> None:
        """Raises: a connection error where Redis does not answer, and is closed all the same."""
        try:
            super().close()
        except redis.Transport.connection_errors:
            super().close()  # it waits for nothing any more


class Transport(redis.Transport):
    Channel = Channel


def use() -> None:
    """For every URL of these schemes from now on; call it before the first connection."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:Transport"))
