"""What the janitor would do, said before it is done: a dry run prints the same list that a sweep works off."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings

from galleries.objects.base import STORE_CLASSES

# What one look finds at most, of each store: the locks and the memory of a sweep stay small.
AT_A_TIME: Final = 200


@dataclass(frozen=True)
class Deed:
    """`act` does it and says how much of it was done; what was overtaken meanwhile counts as done."""

    verb: str
    subjects: Sequence[str]
    act: Callable[[], int]


# Finds what is to be done at that moment. Changes nothing; may ask stores.
Step = Callable[[datetime], Iterator[Deed]]


def known_stores() -> list[str]:
    """Aliases of photo stores. Rows of one that is gone from the settings wait until it is back."""
    return [alias for alias, each in settings.STORAGES.items() if each["BACKEND"] in STORE_CLASSES]
