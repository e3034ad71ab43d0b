"""Pure: what a person wrote, made fit for a database and for UTF-8."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

# A line break would end a header or a log line; a bidirectional override makes words read as others.
BREAKS: Final = re.compile("[\t-\r\u0085\u2028\u2029]+")
MISLEADING: Final = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def clean_text(value: str) -> str:
    """A lone surrogate from JavaScript can be neither stored nor sent; NUL is refused by PostgreSQL."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.encode("utf-8", "replace").decode().replace("\x00", "")


def clean_line(value: str) -> str:
    """One visible line. Joiners stay: Persian words and families of emoji are made with them."""
    return MISLEADING.sub("", BREAKS.sub(" ", clean_text(value))).strip()


Text = Annotated[str, BeforeValidator(lambda value: clean_text(value) if isinstance(value, str) else value)]
Line = Annotated[str, BeforeValidator(lambda value: clean_line(value) if isinstance(value, str) else value)]
