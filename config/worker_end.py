"""A worker that is to end ends. Celery waits without limit for its processes, and one of them may hang in a task."""

import logging
import os
import threading
from typing import Any, Final

from celery import Celery
from celery.bootsteps import StartStopStep

log = logging.getLogger(__name__)
# The supervisor gives it longer where a person stops the product; where it fails by itself nobody else would end it.
ENDS_WITHIN_S: Final = 60.0


class EndForCertain(StartStopStep):
    """Begins to count when the worker begins to stop, whatever for."""

    def start(self, parent: Any) -> None:
        pass

    def stop(self, parent: Any) -> None:
        pass

    def close(self, _parent: Any) -> None:
        timer = threading.Timer(ENDS_WITHIN_S, end)
        timer.daemon = True
        timer.start()


def end() -> None:
    log.critical("worker.did_not_end within_s=%.0f", ENDS_WITHIN_S)
    os._exit(1)


def ensure_end(app: Celery) -> None:
    app.steps["worker"].add(EndForCertain)
