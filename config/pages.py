"""Pages of the site itself: is it alive, is it healthy, and what is said when something is not there."""

import logging
from collections.abc import Callable
from http import HTTPStatus

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from galleries.callers import bearer_token, caller_of
from galleries.errors import CsrfFailed, GalleryError, NotFound
from galleries.objects.base import default_store
from uploads import clock
from uploads.heartbeats import live_workers
from uploads.metrics import CONTENT_TYPE, exposition

log = logging.getLogger(__name__)


def livez(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def healthz(_request: HttpRequest) -> HttpResponse:
    """200 when database, Redis, worker and storage answer; else 503 naming what does not."""
    failing = [name for name, probe in PROBES.items() if not answers(name, probe)]
    status = HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK
    body = {"status": "failing" if failing else "ok", "failing": failing, "checked": list(PROBES)}
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def answers(name: str, probe: Callable[[], object]) -> bool:
    try:
        return probe() is not False
    except Exception as err:  # noqa: BLE001  whatever a client library raises: it does not answer
        log.warning("health.failing part=%s error=%s", name, type(err).__name__)
        return False


def probe_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def probe_redis() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


def probe_worker() -> bool:
    return bool(live_workers(clock.now()))


def probe_storage() -> None:
    next(iter(default_store().list("originals/00/")), None)


PROBES: dict[str, Callable[[], object]] = {
    "database": probe_database,
    "redis": probe_redis,
    "worker": probe_worker,
    "storage": probe_storage,
}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For staff, and for a scraper with the token of METRICS_TOKEN."""
    try:
        refuse_to_measure(request)
    except GalleryError as refusal:
        return error_answer(refusal)
    return HttpResponse(
        exposition(), content_type=CONTENT_TYPE, headers={"Cache-Control": "private, no-store"}
    )


def refuse_to_measure(request: HttpRequest) -> None:
    """Raises: SignInRequired for nobody known. NotFound for whoever is not staff."""
    token = bearer_token(request.headers.get("Authorization", ""))
    if token and settings.METRICS_TOKEN and constant_time_compare(token, settings.METRICS_TOKEN):
        return
    if not caller_of(request).user.is_staff:
        raise NotFound


def wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    del exception
    if wants_json(request):
        return error_answer(NotFound())
    return render(request, "404.html", status=HTTPStatus.NOT_FOUND)


def error_answer(error: GalleryError) -> HttpResponse:
    return JsonResponse({"error": error.as_wire()}, status=error.status)


def server_error(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        body = {
            "code": "internal_error",
            "message": "Something went wrong here. Please try again.",
            "retryable": True,
        }
        return JsonResponse({"error": body}, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return render(request, "500.html", status=HTTPStatus.INTERNAL_SERVER_ERROR)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    del reason
    if wants_json(request):
        return error_answer(CsrfFailed())
    return render(request, "out_of_date.html", status=HTTPStatus.FORBIDDEN)
