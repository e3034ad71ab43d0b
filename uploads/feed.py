"""Pure: what a listener of one gallery is told. Changes of a moment become one message of each kind.

`previous` is the version the listener has; where a change was lost on the way, it is one that nobody has, and the
listener reads the list. Messages of two workers may overtake each other: a version that is missing is waited for once.
"""

from collections.abc import Mapping
from typing import Any

# In this order: whoever hears of a publication's end has its photos already.
KINDS = ("uploads", "photos", "publication")
# For who does not read what is said: more is not kept for anybody, the list is there.
MAX_ROWS_KEPT = 1_000

# Where what a row is to its owner is something else to others.
TO_OTHERS = "to_others"


def told_to(event: Mapping[str, Any], *, is_owner: bool) -> Mapping[str, Any]:
    """What announce.tell sends, as somebody may know it."""
    if not any(TO_OTHERS in row for row in event["rows"]):
        return event
    rows = []
    for row in event["rows"]:
        kept = {name: value for name, value in row.items() if name != TO_OTHERS}
        rows.append(kept if is_owner else kept | row.get(TO_OTHERS, {}))
    return {**event, "rows": rows}


class Feed:
    def __init__(self, version: int) -> None:
        self.begin(version)
        self.seen = version

    def begin(self, version: int) -> None:
        self.said = version
        self.heard: set[int] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.is_cut = False
        self.has_waited = False

    @property
    def has_news(self) -> bool:
        return bool(self.rows)

    def hear(self, event: Mapping[str, Any]) -> None:
        """`event` is what announce.tell sends. Repeated and late ones do no harm."""
        if event["version"] > self.said:
            self.heard.add(event["version"])
        self.is_cut = self.is_cut or event["is_cut"]
        self.rows.setdefault(event["kind"], {}).update({row["id"]: row for row in event["rows"]})
        if sum(map(len, self.rows.values())) > MAX_ROWS_KEPT:
            self.rows, self.is_cut = {kind: {} for kind in self.rows}, True

    def see(self, version: int) -> None:
        """The gallery's version, now and then. One that is not heard of until the next time was told to nobody."""
        if max(self.heard, default=self.said) < self.seen:
            self.hear({"kind": "photos", "version": version, "rows": (), "is_cut": True})
        self.seen = version

    def messages(self) -> list[dict[str, Any]]:
        """What to say now; nothing, once, while a version in the middle is missing."""
        newest = max(self.heard, default=self.said)
        is_missing = len(self.heard) < newest - self.said
        if is_missing and not self.is_cut and not self.has_waited:
            self.has_waited = True
            return []
        previous = newest if is_missing or self.is_cut else self.said
        told = [
            {"type": kind, "previous": previous, "version": newest, **body}
            for kind in KINDS
            if kind in self.rows
            for body in bodies_of(kind, list(self.rows[kind].values()))
        ]
        self.begin(newest)
        return told


def bodies_of(kind: str, rows: list[Any]) -> list[dict[str, Any]]:
    """Uploads and photos are lists; each publication is told alone."""
    return [{kind: row} for row in rows] if kind == "publication" else [{kind: rows}]
