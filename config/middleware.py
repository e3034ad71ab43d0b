"""What holds for every answer, whichever view it came from."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from config.pages import error_answer, wants_json
from galleries.errors import MethodNotAllowed

Answer = HttpResponseBase | Awaitable[HttpResponseBase]
View = Callable[[HttpRequest], Answer]
KEEPS_SECRETS: Final = ("text/html", "application/json")


@sync_and_async_middleware
def every_answer(get_response: View) -> View:
    """In the order of these words: refusals of the API in its own shape, then nothing personal kept by anybody."""
    if not iscoroutinefunction(get_response):
        return lambda request: finished(request, cast("HttpResponseBase", get_response(request)))

    async def answer_later(request: HttpRequest) -> HttpResponseBase:
        return finished(request, await cast("Awaitable[HttpResponseBase]", get_response(request)))

    return answer_later


def finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response = in_shape(request, response)
    if is_personal(request, response):
        response["Cache-Control"] = "private, no-store"
    return response


def in_shape(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or not wants_json(request):
        return response
    answer = error_answer(MethodNotAllowed())
    answer["Allow"] = response.get("Allow", "")
    return answer


def is_personal(request: HttpRequest, response: HttpResponseBase) -> bool:
    """A page or an answer to somebody with a session or a token, of which its view has said nothing else."""
    return (
        not response.has_header("Cache-Control")
        and response.get("Content-Type", "").startswith(KEEPS_SECRETS)
        and (settings.SESSION_COOKIE_NAME in request.COOKIES or "Authorization" in request.headers)
    )
