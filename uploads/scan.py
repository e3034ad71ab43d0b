"""The port to a scanner for malware. Off unless SCANNER_URL names one; what it can't look at is not let in."""

from functools import cache
from typing import BinaryIO, Protocol

from django.conf import settings

from uploads.scan_clamav import ClamAv


class Scanner(Protocol):
    def scan(self, file: BinaryIO) -> None:
        """Returns for a clean file, read from its beginning; its position is not kept.

        Raises: Infected. ScannerUnavailable for anything that is no verdict.
        """


def scan(file: BinaryIO) -> None:
    """Raises: as `Scanner.scan`. Nothing is asked where no scanner is set."""
    if settings.SCANNER_URL:
        scanner_at(settings.SCANNER_URL).scan(file)


@cache
def scanner_at(url: str) -> Scanner:
    """`env.scanner` has refused any other kind."""
    return ClamAv.at(url)
