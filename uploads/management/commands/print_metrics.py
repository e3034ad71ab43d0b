"""Prints what the processes of this machine have counted: for machines that run workers and no web server.

A file of it for node_exporter's textfile collector: `manage.py print_metrics > /var/lib/…/safelight.prom.new && mv …`.
"""

from typing import Any

from django.core.management.base import BaseCommand

from uploads.metrics import counts


class Command(BaseCommand):
    help = "Prints the counts of this machine's processes in the form of /metrics, without the gauges of the database."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(counts().decode(), ending="")
