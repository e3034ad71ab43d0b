"""One API, one place where refusals become answers."""

import json
import logging
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from ninja import NinjaAPI, Router, Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from config.body_limit import MAX_BODY_BYTES, takes_sidecars
from galleries.access import Actor
from galleries.api import router as galleries_router
from galleries.archive.api import router as archives_router
from galleries.callers import SAFE_METHODS, caller_of
from galleries.errors import (
    BadRequest,
    BatchTooLarge,
    DatabaseBusy,
    GalleryError,
    NotFound,
    SignInRequired,
    TooManyRequests,
)
from uploads import events
from uploads.api import router as uploads_router
from uploads.errors import FileTooLarge
from uploads.limits import MAX_SIDECAR_BYTES
from uploads.rate_limits import Calls, spend

log = logging.getLogger(__name__)

JSON: Final = "application/json"
FORMS: Final = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
# SQLite's BUSY, LOCKED and FULL: https://www.sqlite.org/rescode.html
PASSING_IN_SQLITE: Final = frozenset({5, 6, 13})
PRIMARY_CODE: Final = 0xFF


class ObjectsOnly(Parser):
    """A body is a JSON object: of a bare string, schemas would read attributes (`"x".title`) as fields."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Raises: TypeError, ValueError: what is no object, and no JSON."""
        body = json.loads(request.body)
        if not isinstance(body, dict):
            raise TypeError(type(body).__name__)
        return body


def caller_with_json(request: HttpRequest) -> Actor:
    """Before anybody reads the body: looking for a CSRF token in a form would eat it.

    Raises: BadRequest for a body that says it is no JSON. SignInRequired. CsrfFailed.
    """
    if request.method not in SAFE_METHODS and is_other_than_json(request):
        raise BadRequest(problems=[{"where": "Content-Type", "what": "must be application/json"}])
    return caller_of(request)


def caller_within_limits(request: HttpRequest) -> Actor:
    """Raises: TooManyRequests, and what `caller_with_json` raises."""
    actor = caller_with_json(request)
    spend(actor.name, calls_of(request))
    return actor


# What uploading calls in numbers has a limit of its own, by the end of its path; the rest is reading or writing.
CALLS_BY_END: Final = {
    "/uploads/batch": Calls.BATCH,
    "/uploads/sign": Calls.SIGN,
    "/uploads/complete": Calls.COMPLETE,
    "/uploads/cancel": Calls.CONTROL,
    "/uploads/retry": Calls.CONTROL,
    "/progress": Calls.PROGRESS,
}


def calls_of(request: HttpRequest) -> Calls:
    if request.method in SAFE_METHODS:
        return Calls.READ
    return next((calls for end, calls in CALLS_BY_END.items() if request.path.endswith(end)), Calls.WRITE)


def is_other_than_json(request: HttpRequest) -> bool:
    """Forms always are; for the rest it matters only where there is a body."""
    if request.content_type == JSON:
        return False
    has_body = (
        request.META.get("CONTENT_LENGTH", "") not in {"", "0"} or "Transfer-Encoding" in request.headers
    )
    return has_body or request.content_type in FORMS


api = NinjaAPI(
    title="Safelight", version="1", auth=caller_within_limits, urls_namespace="api", parser=ObjectsOnly()
)
session_router = Router(tags=["session"], auth=None)


class UserOut(Schema):
    id: str
    name: str


class SessionOut(Schema):
    user: UserOut | None
    csrf_token: str


@session_router.get("/session", response=SessionOut)
def session(request: HttpRequest) -> HttpResponse:
    """Who is signed in, and the token that unsafe calls by cookie must carry as X-CSRFToken."""
    try:
        user = caller_of(request).user
    except SignInRequired:
        user = None
    body = {
        "user": {"id": str(user.pk), "name": user.get_username()} if user else None,
        "csrf_token": get_token(request),
    }
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


api.add_router("", session_router)
api.add_router("", galleries_router)
api.add_router("", archives_router)
api.add_router("", uploads_router)


def answer(error: GalleryError) -> HttpResponse:
    events.call_refused(error)
    response = JsonResponse({"error": error.as_wire()}, status=error.status)
    if isinstance(error, TooManyRequests):
        response["Retry-After"] = str(error.details["retry_after_s"])
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "2"
    return response


@api.exception_handler(GalleryError)
def on_refusal(_request: HttpRequest, error: GalleryError) -> HttpResponse:
    return answer(error)


@api.exception_handler(ValidationError)
def on_malformed(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    problems = [{"where": ".".join(map(str, each["loc"])), "what": each["msg"]} for each in error.errors[:20]]
    return answer(BadRequest(problems=problems))


@api.exception_handler(HttpError)
def on_http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    """Not JSON at all."""
    return answer(BadRequest(problems=[{"where": "body", "what": str(error)}]))


@api.exception_handler(RequestDataTooBig)
def on_too_much(request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
    """More bytes than a hundred items have, or an editor's notes."""
    if takes_sidecars(request.path):
        return answer(FileTooLarge(limit_bytes=MAX_SIDECAR_BYTES))
    return answer(BatchTooLarge(limit_bytes=MAX_BODY_BYTES))


@api.exception_handler(TooManyFieldsSent)
def on_too_many_fields(_request: HttpRequest, _error: TooManyFieldsSent) -> HttpResponse:
    return answer(BadRequest(problems=[{"where": "query", "what": "too many fields"}]))


@api.exception_handler(OperationalError)
def on_database_away(_request: HttpRequest, error: OperationalError) -> HttpResponse:
    """Raises: OperationalError again for what waiting does not mend."""
    if not is_passing(error):
        raise error
    log.warning("database.busy error=%s", error)
    return answer(DatabaseBusy())


def is_passing(error: OperationalError) -> bool:
    """PostgreSQL raises it for locks, lost connections and full disks alone; SQLite for faults of ours too."""
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code is None or code & PRIMARY_CODE in PASSING_IN_SQLITE


@api.exception_handler(Http404)
def on_unknown_path(_request: HttpRequest, _error: Http404) -> HttpResponse:
    return answer(NotFound())
