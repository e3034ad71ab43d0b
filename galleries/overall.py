"""Pure: what the galleries of one person come to together, as one round."""

from collections import Counter
from collections.abc import Iterable

from galleries.ports import Totals


def overall_of(each: Iterable[Totals]) -> Totals:
    """The galleries that were filled at the same time as the one filled last, or as one still being filled.

    What was over before any of those began is another round: it would make every percent of this one invisible.
    """
    rounds = sorted(
        (totals for totals in each if totals.files and totals.began_at is not None),
        key=lambda totals: (totals.ended_at is None, totals.ended_at or totals.began_at),
        reverse=True,
    )
    counted: list[Totals] = []
    for totals in rounds:
        if counted and not overlaps(totals, counted):
            break
        counted.append(totals)
    return sum_of(counted)


def overlaps(totals: Totals, later: Iterable[Totals]) -> bool:
    """`later` ended later: they overlap where one of them began before this one's end."""
    begins = [each.began_at for each in later if each.began_at is not None]
    return totals.ended_at is None or totals.ended_at >= min(begins)


def sum_of(each: list[Totals]) -> Totals:
    stored, total = sum(totals.bytes for totals in each), sum(totals.bytes_total for totals in each)
    rates = [totals.rate for totals in each if totals.rate is not None]
    files: Counter[str] = Counter()
    for totals in each:
        files.update(totals.files)
    rate = sum(rates) if rates else None
    seconds_left = -(-(total - stored) // rate) if rate else None
    return Totals(
        *(stored, total, dict(files), rate, seconds_left),
        staged=sum(totals.staged for totals in each),
        photo_count=sum(totals.photo_count for totals in each),
        byte_count=sum(totals.byte_count for totals in each),
    )
