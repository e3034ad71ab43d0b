"""Pure: who a file is, so that the same folder from any device meets the same rows (tests/vectors/client_id.json)."""

import hashlib
import unicodedata
from typing import Final

# 128 bits, as every client has it.
ID_HEX_DIGITS: Final = 32


def client_id_of(path: str, size_bytes: int, last_modified_ms: int) -> str:
    facts = (unicodedata.normalize("NFC", path), str(size_bytes), str(last_modified_ms))
    return hashlib.sha256("\0".join(facts).encode(errors="surrogatepass")).hexdigest()[:ID_HEX_DIGITS]


def client_id_of_pipe(name: str, sha256: str) -> str:
    """A pipe has neither path nor time: the same bytes under the same name are the same file."""
    facts = (unicodedata.normalize("NFC", name), sha256)
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:ID_HEX_DIGITS]
