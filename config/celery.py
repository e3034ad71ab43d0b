"""Bells only: every task looks for work in the database, so a lost message loses nothing."""

import logging.config
import os

from celery import Celery
from celery.signals import setup_logging, worker_init
from django.core.exceptions import ImproperlyConfigured

from config import broker, env
from config.worker_end import ensure_end

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
log = logging.getLogger(__name__)


@setup_logging.connect
def log_as_the_site_does(**_: object) -> None:
    """Left to itself, Celery lets a worker say nothing below WARNING."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def refuse_wrong_stores(**_: object) -> None:
    """In the words of `manage.py check`. Celery runs the checks too, and lets what they find go by."""
    from config.checks import refuse_unusable_stores

    try:
        refuse_unusable_stores()
    except ImproperlyConfigured as error:
        log.critical("worker.refused reason=%s", error)
        raise SystemExit(1) from error  # Celery would log any other exception and go on


broker.use()
app = Celery("safelight")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["uploads", "galleries"])
ensure_end(app)
app.conf.task_routes = {"uploads.tasks.sweep": {"queue": "sweep"}, "galleries.tasks.*": {"queue": "sweep"}}
SWEEP_EVERY_S = env.number("SWEEP_EVERY_S", default=10, at_least=1, at_most=60)
app.conf.beat_schedule = {
    "sweep": {
        "task": "uploads.tasks.sweep",
        "schedule": SWEEP_EVERY_S,
        # A sweep that waited longer than its period has been overtaken by the next.
        "options": {"expires": SWEEP_EVERY_S, "queue": "sweep"},
    }
}
