"""Bells only: every task looks for work in the database, so a lost message loses nothing."""

import logging.config
import os

from celery import Celery
from celery.signals import setup_logging

from config import env

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


@setup_logging.connect
def log_as_the_site_does(**_: object) -> None:
    """Left to itself, Celery lets a worker say nothing below WARNING."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


app = Celery("safelight")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["uploads", "galleries"])
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
