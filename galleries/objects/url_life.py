"""How long signed URLs are good, whichever store they lead to."""

from typing import Final, NamedTuple

# The same URL for six hours, so that a browser finds its own copy again; the youngest still lives as long.
SIGNED_GET_ROUND_S: Final = 6 * 3600
SIGNED_GET_LIFE_S: Final = 12 * 3600


class Life(NamedTuple):
    """From when a URL is good (seconds since the epoch), and for how long."""

    begins_at_s: int
    lasts_s: int


def reading_life(now_s: float) -> Life:
    whole_s = int(now_s)
    return Life(whole_s - whole_s % SIGNED_GET_ROUND_S, SIGNED_GET_LIFE_S)
