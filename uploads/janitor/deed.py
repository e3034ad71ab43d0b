"""What the janitor would do, said before it is done: a dry run prints the same list that a sweep works off."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import Model, QuerySet

from galleries.objects.base import STORE_CLASSES

# What one look finds at most, of each store: the locks and the memory of a sweep stay small.
AT_A_TIME: Final = 200


Row = TypeVar("Row", bound=Model)


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


def some_of(due: QuerySet[Row], order: str) -> list[Row]:
    """The first by `order`, and as many from a chance place: what a store refuses for good keeps none waiting."""
    half = AT_A_TIME // 2
    first = list(due.order_by(order)[: AT_A_TIME - half])
    if len(first) < AT_A_TIME - half:
        return first
    others = due.exclude(pk__in=[row.pk for row in first]).order_by("pk")
    keys = others.values_list("pk", flat=True)
    lowest, highest = keys.first(), keys.last()
    if lowest is None or highest is None:
        return first
    after = list(others.filter(pk__gte=key_between(lowest, highest))[:half])
    before = others.exclude(pk__in=[row.pk for row in after])[: half - len(after)]
    return [*first, *after, *before]


def key_between(lowest: int | UUID, highest: int | UUID) -> int | UUID:
    """By chance, both included."""
    number = random.randint(int(lowest), int(highest))  # noqa: S311 - a place in a list
    return UUID(int=number) if isinstance(lowest, UUID) else number
