"""Uploading over JSON: a thin edge over the steps."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Query, Router, Schema
from pydantic import Field

from galleries.access import Action, Actor, get_gallery
from galleries.api import actor_of_call
from galleries.errors import BatchTooLarge, NotFound
from uploads import announce, control, intake, presign, progress, publish, queries, sidecars, status, wire
from uploads.control import Outcome
from uploads.intake import Intake
from uploads.limits import (
    DEFAULT_PAGE_ITEMS,
    MAX_BATCH_ITEMS,
    MAX_PAGE_ITEMS,
    MAX_SIGNATURES_PER_ANSWER,
)
from uploads.presign import Ask
from uploads.publications import publication_out
from uploads.states import State

router = Router(tags=["uploads"])


class PageQuery(Schema):
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS


class UploadsQuery(PageQuery):
    state: list[str] = []


def refuse_large(items: Sequence[object]) -> None:
    """Raises: BatchTooLarge."""
    if len(items) > MAX_BATCH_ITEMS:
        raise BatchTooLarge(item_count=len(items), limit=MAX_BATCH_ITEMS)


@router.post("/galleries/{uuid:gallery_id}/uploads/batch", response=wire.UploadsOut)
def batch(request: HttpRequest, gallery_id: UUID, body: wire.BatchIn) -> HttpResponse:
    actor = actor_of_call(request)
    refuse_large(body.files)
    gallery = get_gallery(actor, gallery_id, Action.UPLOAD)
    birth = State.SIGNED if body.sign else State.REGISTERED
    intakes = intake.register(actor, gallery.pk, body.files, birth=birth)
    origin = request.headers.get("Origin")
    signed = sign_registered(actor, intakes, origin) if body.sign else {}
    return JsonResponse({"uploads": [intake_out(each, signed) for each in intakes]})


def sign_registered(
    actor: Actor, intakes: Sequence[Intake], origin: str | None
) -> dict[UUID, dict[str, object]]:
    """New rows of the `put` lane were born signed; sessions and known rows take the longer way."""
    taken = {each.upload.pk: each.upload for each in intakes if each.upload and not each.refusal}
    new = {each.upload.pk for each in intakes if each.upload and each.is_new}
    newborn = [upload for upload in taken.values() if upload.pk in new and upload.state == State.SIGNED]
    answers = {
        upload.pk: wire.upload_out(upload, transfer=presign.first_transfer(upload)) for upload in newborn
    }
    rest = [Ask(pk) for pk in taken if pk not in answers]
    room = MAX_SIGNATURES_PER_ANSWER - len(newborn)
    signed = presign.sign(actor, rest, origin=origin, room=room) if rest else []
    return answers | {each.upload.pk: presign.signed_out(each) for each in signed if each.upload}


def intake_out(taken: Intake, signed: dict[UUID, dict[str, object]]) -> dict[str, object]:
    if taken.upload is None:
        return wire.refused_out(taken.file, taken.refusal or NotFound())
    if not taken.refusal and taken.upload.pk in signed:
        return signed[taken.upload.pk]
    return wire.upload_out(taken.upload, error=taken.refusal)


@router.post("/uploads/sign", response=wire.UploadsOut)
def sign(request: HttpRequest, body: wire.SignIn) -> HttpResponse:
    refuse_large(body.uploads)
    asks = [(each, ask_of(each)) for each in body.uploads]
    origin = request.headers.get("Origin")
    signed = presign.sign(actor_of_call(request), [ask for _, ask in asks if ask], origin=origin)
    answers, missing = iter(signed), NotFound()
    return JsonResponse(
        {
            "uploads": [
                presign.signed_out(next(answers)) if ask else wire.unknown_out(each.id, missing)
                for each, ask in asks
            ]
        }
    )


def ask_of(item: wire.SignAsk) -> Ask | None:
    upload_id = progress.parse_id(item.id)
    if upload_id is None:
        return None
    parts = None if item.parts is None else {part.number: part.crc32 or "" for part in item.parts}
    return Ask(upload_id, crc32=item.crc32 or "", after_failure=item.after_failure, part_crcs=parts)


@router.post("/uploads/complete", response={202: wire.UploadsOut})
def complete(request: HttpRequest, body: wire.CompleteIn) -> HttpResponse:
    refuse_large(body.uploads)
    crcs: dict[UUID, str] = {}
    for each in body.uploads:
        if parsed := progress.parse_id(each.id):  # named twice, the checksum may be with either
            crcs[parsed] = each.crc32 or crcs.get(parsed, "")
    outcomes = control.complete(actor_of_call(request), crcs)
    return JsonResponse(outcomes_out([each.id for each in body.uploads], outcomes), status=202)


@router.post("/uploads/cancel", response=wire.UploadsOut)
def cancel(request: HttpRequest, body: wire.IdsIn) -> HttpResponse:
    refuse_large(body.ids)
    outcomes = control.cancel(actor_of_call(request), parsed_ids(body.ids))
    return JsonResponse(outcomes_out(body.ids, outcomes))


@router.post("/uploads/retry", response=wire.UploadsOut)
def retry(request: HttpRequest, body: wire.IdsIn) -> HttpResponse:
    refuse_large(body.ids)
    actor = actor_of_call(request)
    outcomes = control.retry(actor, parsed_ids(body.ids))
    waiting = [Ask(each.upload.pk) for each in outcomes if each.upload and control.needs_bytes(each)]
    origin = request.headers.get("Origin")
    asked = presign.sign(actor, waiting, origin=origin) if waiting else []
    signed = {each.upload_id: presign.signed_out(each) for each in asked}
    answer = outcomes_out(body.ids, outcomes)
    answer["uploads"] = [signed.get(str(each["id"]), each) for each in answer["uploads"]]
    return JsonResponse(answer)


def parsed_ids(texts: Sequence[str]) -> list[UUID]:
    return [parsed for text in texts if (parsed := progress.parse_id(text))]


def outcomes_out(asked: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, object]]]:
    """In the order of the request; what is no id at all is an unknown id."""
    found = {each.upload_id: outcome_out(each) for each in outcomes}
    missing = NotFound()
    return {
        "uploads": [
            found.get(str(progress.parse_id(text))) or wire.unknown_out(text, missing) for text in asked
        ]
    }


def outcome_out(outcome: Outcome) -> dict[str, object]:
    if outcome.upload is None:
        return wire.unknown_out(outcome.upload_id, outcome.refusal or NotFound())
    return wire.upload_out(outcome.upload, error=outcome.refusal)


@router.get("/uploads/{uuid:upload_id}", response=wire.UploadStatusOut)
def upload_status(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    upload = queries.get_upload(actor_of_call(request), upload_id)
    shown = queries.shown_states(upload.gallery_id, [upload]).get(upload.pk)
    return JsonResponse({**wire.upload_out(upload, state=shown), "stored": status.stored_of(upload)})


@router.post("/uploads/{uuid:upload_id}/sidecars", response={201: wire.SidecarOut})
def attach_sidecar(request: HttpRequest, upload_id: UUID, body: wire.SidecarIn) -> HttpResponse:
    attached = sidecars.attach(actor_of_call(request), upload_id, name=body.name, text=body.text)
    return JsonResponse(sidecars.sidecar_out(attached), status=201)


@router.get("/uploads/{uuid:upload_id}/sidecars", response=wire.SidecarsOut)
def list_sidecars(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    listed = sidecars.list_sidecars(actor_of_call(request), upload_id)
    return JsonResponse({"sidecars": [sidecars.sidecar_out(each) for each in listed]})


@router.get("/galleries/{uuid:gallery_id}/sidecars", response=wire.SidecarPageOut)
def list_all_sidecars(request: HttpRequest, gallery_id: UUID, page: Query[PageQuery]) -> HttpResponse:
    actor = actor_of_call(request)
    gallery = get_gallery(actor, gallery_id, Action.FETCH_ORIGINAL)
    listed = sidecars.list_all_sidecars(gallery, actor, cursor=page.cursor, limit=page.limit)
    rows = [sidecars.sidecar_out(each) for each in listed.sidecars]
    return JsonResponse({"sidecars": rows, "next_cursor": listed.next_cursor})


@router.get("/uploads/{uuid:upload_id}/sidecars/{uuid:sidecar_id}")
def sidecar(request: HttpRequest, upload_id: UUID, sidecar_id: UUID) -> HttpResponse:
    """Always a download: it is a stranger's text."""
    kept = sidecars.get_sidecar(actor_of_call(request), upload_id, sidecar_id)
    return HttpResponse(
        bytes(kept.content),
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(kept.name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        },
    )


@router.get("/galleries/{uuid:gallery_id}/uploads", response=wire.UploadPageOut)
def uploads(request: HttpRequest, gallery_id: UUID, page: Query[UploadsQuery]) -> HttpResponse:
    actor = actor_of_call(request)
    gallery = get_gallery(actor, gallery_id, Action.UPLOAD)
    listed = queries.list_uploads(gallery, states=page.state, cursor=page.cursor, limit=page.limit)
    rows = [wire.upload_out(each, state=listed.shown_states.get(each.pk)) for each in listed.uploads]
    return JsonResponse({"uploads": rows, "next_cursor": listed.next_cursor, "version": listed.version})


@router.post("/galleries/{uuid:gallery_id}/progress", response={204: None})
def report_progress(request: HttpRequest, gallery_id: UUID, body: wire.ProgressIn) -> HttpResponse:
    actor = actor_of_call(request)
    gallery = get_gallery(actor, gallery_id, Action.UPLOAD)
    refuse_large(body.uploads)
    # Redis may be away: nobody waits for progress.
    announce.quietly(lambda: progress.take_report(actor, gallery.pk, body.uploads))
    return HttpResponse(status=204)


@router.post("/galleries/{uuid:gallery_id}/publications", response={202: wire.PublicationOut})
def publish_gallery(request: HttpRequest, gallery_id: UUID, body: wire.PublishIn) -> HttpResponse:
    actor = actor_of_call(request)
    gallery = get_gallery(actor, gallery_id, Action.PUBLISH)
    published = publish.publish(
        actor, gallery.pk, idempotency_key=body.idempotency_key, upload_ids=named_ids(body.upload_ids)
    )
    return JsonResponse(publication_out(published), status=202)


def named_ids(texts: Sequence[str] | None) -> list[UUID] | None:
    """Raises: NotFound for what is no id at all."""
    if texts is None:
        return None
    parsed = parsed_ids(texts)
    if len(parsed) != len(texts):
        raise NotFound
    return parsed


@router.get("/publications/{uuid:publication_id}", response=wire.PublicationOut)
def publication(request: HttpRequest, publication_id: UUID) -> HttpResponse:
    return JsonResponse(publication_out(publish.get_publication(actor_of_call(request), publication_id)))


@router.post("/publications/{uuid:publication_id}/retry", response={202: wire.PublicationOut})
def retry_publication(request: HttpRequest, publication_id: UUID) -> HttpResponse:
    actor = actor_of_call(request)
    retried = publish.retry(actor, publish.get_publication(actor, publication_id))
    return JsonResponse(publication_out(retried), status=202)
