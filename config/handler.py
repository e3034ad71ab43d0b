"""Django's own handler, with the whole chain of middleware in one thread."""

from typing import Any

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler


class OneThreadHandler(ASGIHandler):
    """Most middleware here, and most views, are synchronous.

    Django's handler keeps the chain on the loop and goes to a thread and back at every step of it, which costs a call
    more than what it is about. Here the chain is one call in the request's thread; views that are coroutines still run
    on the loop, and so do the bodies that they stream.
    """

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()
        self._middleware_chain: Any = sync_to_async(self._middleware_chain, thread_sensitive=True)


def new_application() -> ASGIHandler:
    """After Django is set up."""
    get_asgi_application()
    return OneThreadHandler()
