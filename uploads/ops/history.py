"""I8: every upload's history, replayed over the table of moves, leads to its row."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from django.db import transaction

from uploads.models import Upload, UploadEvent
from uploads.ops.breach import Breach
from uploads.states import Event, sources_of, target_of

UPLOADS_AT_A_TIME: Final = 500
BIRTH: Final = "register"
BORN_AS: Final = frozenset({"registered", "signed"})


@dataclass(frozen=True)
class Step:
    event: str
    source: str
    target: str
    attempt: int


@dataclass(frozen=True)
class Now:
    """Where the row stands."""

    state: str
    version: int
    attempt: int


def illegal_histories() -> Iterator[Breach]:
    """Two queries for each 500 uploads. Suspects are read again under a lock: moves may come between."""
    last = uuid.UUID(int=0)
    while rows := rows_after(last):
        last = rows[-1][0]
        steps = steps_of([pk for pk, _ in rows])
        for pk, now in rows:
            if problem_of(now, steps.get(pk, ())) and (problem := problem_when_locked(pk)):
                yield Breach("illegal_history", f"{pk}: {problem}")


def rows_after(last: uuid.UUID) -> list[tuple[uuid.UUID, Now]]:
    rows = Upload.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "state", "version", "attempt")
    return [(pk, Now(state, version, attempt)) for pk, state, version, attempt in rows[:UPLOADS_AT_A_TIME]]


def steps_of(upload_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Sequence[Step]]:
    rows = (
        UploadEvent.objects.filter(upload_id__in=upload_ids)
        .order_by("upload_id", "id")
        .values_list("upload_id", "event", "source", "target", "attempt")
    )
    return {pk: [Step(*row[1:]) for row in of_one] for pk, of_one in groupby(rows, key=lambda row: row[0])}


def problem_when_locked(upload_id: uuid.UUID) -> str:
    with transaction.atomic():
        upload = Upload.objects.select_for_update().filter(pk=upload_id).first()
        if upload is None:
            return ""
        steps = steps_of([upload_id]).get(upload_id, ())
        return problem_of(Now(upload.state, upload.version, upload.attempt), steps)


def problem_of(now: Now, steps: Sequence[Step]) -> str:
    """Empty where all is well."""
    if not steps or steps[0].event != BIRTH or steps[0].target not in BORN_AS:
        return "no birth"
    for before, step in pairwise(steps):
        if problem := problem_between(before, step):
            return problem
    last = steps[-1]
    if (last.target, last.attempt) != (now.state, now.attempt):
        return f"history ends {last.target} (attempt {last.attempt}), the row is {now.state} ({now.attempt})"
    if len(steps) != now.version:
        return f"{len(steps)} changes, but version {now.version}"
    return ""


def problem_between(before: Step, step: Step) -> str:
    if step.event not in [*Event]:
        return f"unknown event {step.event}"
    event = Event(step.event)
    if step.source != before.target:
        return f"{event} begins at {step.source}, where nothing led"
    if step.source not in sources_of(event) or step.target != target_of(event):
        return f"{event} may not lead from {step.source} to {step.target}"
    if step.attempt < before.attempt:
        return f"{event} goes back to attempt {step.attempt}"
    return ""
