"""Bells only: every task looks for work in the database, so a lost message loses nothing."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("safelight")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["uploads", "galleries"])
app.conf.task_routes = {"uploads.tasks.sweep": {"queue": "sweep"}, "galleries.tasks.*": {"queue": "sweep"}}
SWEEP_EVERY_S = 10
app.conf.beat_schedule = {
    "sweep": {
        "task": "uploads.tasks.sweep",
        "schedule": SWEEP_EVERY_S,
        # A sweep that waited longer than its period has been overtaken by the next.
        "options": {"expires": SWEEP_EVERY_S, "queue": "sweep"},
    }
}
