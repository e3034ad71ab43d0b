"""Pure: what a person wrote, made fit for a database and for UTF-8."""

from typing import Annotated

from pydantic import BeforeValidator


def clean_text(value: str) -> str:
    """A lone surrogate from JavaScript can be neither stored nor sent; NUL is refused by PostgreSQL."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.encode("utf-8", "replace").decode().replace("\x00", "")


Text = Annotated[str, BeforeValidator(lambda value: clean_text(value) if isinstance(value, str) else value)]
