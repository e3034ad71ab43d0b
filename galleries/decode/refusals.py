"""In the child: what a decoder raised, as the code its owner will read."""

import re
from typing import Final

import pyvips

from galleries.decode.codes import code_for
from galleries.decode.loaders import Refused
from galleries.decode.wire import Refusal

# What decoders raise for the bytes of a stranger; `loaders` turns the errors of the others into Refused.
ANSWERED: Final = (Refused, pyvips.Error, MemoryError)

_MAX_REASON_CHARS: Final = 200
_UNPRINTABLE: Final = re.compile("[^\x20-\x7e]+")


def refusal_for(error: Exception) -> Refusal:
    if isinstance(error, Refused):
        return Refusal(error.code, _line(error.reason), error.width_px, error.height_px)
    if isinstance(error, MemoryError):
        return Refusal("memory", "", 0, 0)
    words = str(error.detail if isinstance(error, pyvips.Error) else error)
    return Refusal(code_for(words), _line(words), 0, 0)


def _line(words: str) -> str:
    return _UNPRINTABLE.sub(" ", words).strip()[:_MAX_REASON_CHARS]
