from collections.abc import Awaitable, Callable
from http import HTTPStatus

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase


class InvalidFormsAnswer422:
    """A form that comes back with errors answers 422: Turbo Drive refuses to show a 200 after a POST."""

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseBase):
            return marked(request, answer)
        return self.later(request, answer)

    async def later(self, request: HttpRequest, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return marked(request, await answer)


def marked(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if (
        request.method == "POST"
        and response.status_code == HTTPStatus.OK
        and is_page
        and not request.path.startswith("/admin/")
    ):
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    return response
