"""Pure: what a broken invariant looks like, and the report of a whole check."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_EXAMPLES: Final = 20

# What each rule says when it is broken, by its invariant.
RULES: Final[dict[str, dict[str, str]]] = {
    "I1": {
        "verified_without_photo": "an acknowledged upload has no photo, and none can be forgotten yet",
        "photo_is_another": "the photo of an acknowledged upload is not of the bytes that were acknowledged",
        "original_missing": "a photo's original is not in the store, or is not of its size",
        "original_altered": "a photo's original does not have the checksum that was verified",
    },
    "I3": {
        "counters_differ": "a gallery does not count the photos it shows",
        "photos_of_one_upload": "one upload has become more than one photo",
        "bytes_twice": "a gallery has the same bytes twice, and nobody asked for it",
    },
    "I5": {
        "waiting_for_nobody": "an upload waits, and no worker has claimed anything for longer than a lease",
        "lease_lost": "a worker that has gone still holds an upload",
        "publication_without_end": "a publication waits for nothing any more and has not ended",
        "past_its_life": "an upload without a sign of life for six days has not expired",
    },
    "I6": {
        "shown_without_rendition": "a photo is shown that lacks a smaller picture",
        "rendition_missing": "a smaller picture is not in the store, or is not of its size",
        "shown_without_upload": "a photo is shown that no upload has brought",
        "deleted_and_kept": "a photo deleted more than a day ago is still there",
    },
    "I8": {"illegal_history": "an upload's history is no legal way to its state, attempt and version"},
    "I9": {
        "object_without_row": "an object is in the store that no row names, past every grace",
        "session_without_row": "parts are kept in the store that no row names, past every grace",
        "discard_overdue": "the janitor should have thrown an object away long ago",
        "store_unknown": "a row names a store that no setting describes",
    },
    "I11": {
        "gallery_overfull": "a gallery holds or has promised more photos or bytes than it may",
        "user_overfull": "somebody's galleries hold or have promised more photos or bytes than one person may",
        "upload_too_large": "an upload is larger, or has more parts, than any may be",
        "photo_too_large": "a photo has more pixels, or a longer side, than any may have",
    },
}


@dataclass(frozen=True)
class Breach:
    rule: str
    subject: str


@dataclass(frozen=True)
class Report:
    """`unanswered` names stores that could not be looked into: what they hold is not known."""

    breaches: Sequence[Breach] = ()
    unanswered: Sequence[str] = field(default=())

    @property
    def is_whole(self) -> bool:
        return not self.breaches

    def as_json(self) -> dict[str, object]:
        return {
            "ok": self.is_whole and not self.unanswered,
            "checked": list(RULES),
            "broken": list(grouped(self.breaches)),
            "unanswered": list(self.unanswered),
        }


def grouped(breaches: Sequence[Breach]) -> Iterable[dict[str, object]]:
    for invariant, rules in RULES.items():
        for rule, means in rules.items():
            subjects = [breach.subject for breach in breaches if breach.rule == rule]
            if subjects:
                yield {
                    "invariant": invariant,
                    "rule": rule,
                    "means": means,
                    "count": len(subjects),
                    "examples": subjects[:MAX_EXAMPLES],
                }
