"""One API, one place where refusals become answers."""

import json
import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from ninja import NinjaAPI, Router, Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from galleries.api import router as galleries_router
from galleries.callers import caller_of
from galleries.errors import BadRequest, BatchTooLarge, GalleryError, NotFound, SignInRequired
from uploads.api import router as uploads_router

log = logging.getLogger(__name__)


class ObjectsOnly(Parser):
    """A body is a JSON object: of a bare string, schemas would read attributes (`"x".title`) as fields."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Raises: TypeError, ValueError: what is no object, and no JSON."""
        body = json.loads(request.body)
        if not isinstance(body, dict):
            raise TypeError(type(body).__name__)
        return body


api = NinjaAPI(title="Safelight", version="1", auth=caller_of, urls_namespace="api", parser=ObjectsOnly())
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
api.add_router("", uploads_router)


def answer(error: GalleryError) -> HttpResponse:
    response = JsonResponse({"error": error.as_wire()}, status=error.status)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
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
def on_too_much(_request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
    """More bytes than a hundred items have."""
    return answer(BatchTooLarge(limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


@api.exception_handler(Http404)
def on_unknown_path(_request: HttpRequest, _error: Http404) -> HttpResponse:
    return answer(NotFound())
