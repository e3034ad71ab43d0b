"""Step 3: reports become ledger entries, ledger and rows become totals."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Q, Sum

from galleries.access import Actor
from galleries.ports import Totals
from uploads import ledger
from uploads.models import Upload
from uploads.states import State

Report = tuple[str, int, int]  # upload id, bytes stored, parts stored
SENT_STATES = (State.UPLOADED, State.VERIFYING, State.VERIFIED)
# What has ended without a photo no longer counts as work to do.
COUNTED_STATES = (State.REGISTERED, State.SIGNED, *SENT_STATES)


def take_report(
    actor: Actor, gallery_id: uuid.UUID, reports: Sequence[Report], sizes: dict[uuid.UUID, int]
) -> int:
    """Writes what is new to the ledger; no database write. Foreign and unknown ids are dropped.

    `sizes` remembers the uploads this caller was found to own; one query when a report names new ones.
    """
    wanted = [(parsed, stored) for upload_id, stored, _ in reports if (parsed := parse_id(upload_id))]
    learn_sizes(actor, gallery_id, {upload_id for upload_id, _ in wanted} - sizes.keys(), sizes)
    clamped = [
        (upload_id, max(0, min(stored, sizes[upload_id])))
        for upload_id, stored in wanted
        if sizes.get(upload_id)
    ]
    return ledger.report(gallery_id, clamped) if clamped else 0


def learn_sizes(
    actor: Actor, gallery_id: uuid.UUID, unknown: Iterable[uuid.UUID], sizes: dict[uuid.UUID, int]
) -> None:
    unknown = set(unknown)
    if not unknown:
        return
    rows = (
        Upload.objects.of(actor.name).filter(gallery_id=gallery_id, pk__in=unknown).values_list("pk", "size")
    )
    sizes.update(dict.fromkeys(unknown, 0) | dict(rows))


def parse_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None


def totals_of(gallery_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Totals]:
    """Two queries and one round trip to Redis at most, however many galleries."""
    wanted = list(gallery_ids)
    rows: dict[uuid.UUID, dict[str, tuple[int, int]]] = {gallery_id: {} for gallery_id in wanted}
    for gallery_id, state, count, size in of_this_round(wanted):
        rows[gallery_id][state] = (count, size)
    receiving = [gallery_id for gallery_id, states in rows.items() if State.SIGNED in states]
    moving = moving_in(receiving)
    return {
        gallery_id: totals_from(states, moving.get(gallery_id, STILL)) for gallery_id, states in rows.items()
    }


@dataclass(frozen=True)
class Moving:
    """The signed files of a gallery of which bytes have arrived."""

    files: int = 0
    bytes: int = 0
    rate: int | None = None


STILL = Moving()


def moving_in(gallery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Moving]:
    if not gallery_ids:
        return {}
    signed: dict[uuid.UUID, list[str]] = {gallery_id: [] for gallery_id in gallery_ids}
    rows = Upload.objects.filter(gallery_id__in=gallery_ids, state=State.SIGNED)
    for gallery_id, upload_id in rows.values_list("gallery_id", "pk"):
        signed[gallery_id].append(str(upload_id))
    moving = {}
    for gallery_id, progress in ledger.progress_of(gallery_ids).items():
        stored = [progress.bytes_by_upload.get(upload_id, 0) for upload_id in signed[gallery_id]]
        moving[gallery_id] = Moving(sum(map(bool, stored)), sum(stored), progress.rate)
    return moving


def of_this_round(gallery_ids: Sequence[uuid.UUID]) -> Iterable[tuple[uuid.UUID, str, int, int]]:
    return (
        Upload.objects.filter(gallery_id__in=gallery_ids)
        .filter(Q(registered_at__gte=F("gallery__round_started_at")) | Q(gallery__round_started_at=None))
        .values_list("gallery_id", "state")
        .annotate(Count("pk"), Sum("size"))
    )


def totals_from(states: Mapping[str, tuple[int, int]], moving: Moving) -> Totals:
    files = {state: count for state, (count, _) in sorted(states.items())}
    total = sum(states.get(state, (0, 0))[1] for state in COUNTED_STATES)
    stored = sum(states.get(state, (0, 0))[1] for state in SENT_STATES) + moving.bytes
    shown = split_uploading(files, moving.files)
    return Totals(stored, total, shown, moving.rate, seconds_left(total - stored, moving.rate))


def split_uploading(files: dict[str, int], uploading: int) -> dict[str, int]:
    """Signed rows whose bytes are arriving show as `uploading`."""
    if not uploading:
        return files
    shown = {**files, "signed": files["signed"] - uploading, "uploading": uploading}
    return {state: count for state, count in shown.items() if count}


def seconds_left(bytes_left: int, rate: int | None) -> int | None:
    return None if not rate else -(-bytes_left // rate)
