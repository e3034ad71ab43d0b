"""Beside a product: for each line, a number of hours, it sweeps as of then and says what is there."""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.utils import timezone  # noqa: E402

from uploads import clock, sweep  # noqa: E402
from uploads.lanes.base import lanes_of  # noqa: E402
from uploads.models import Discard, Upload  # noqa: E402
from uploads.ops.invariants import verify_invariants  # noqa: E402
from uploads.states import OPEN_STATES  # noqa: E402

print("ready", flush=True)  # noqa: T201
for line in sys.stdin:
    ahead = timedelta(hours=float(line))
    clock.now = lambda ahead=ahead: timezone.now() + ahead
    sweep.sweep_everything()
    report = verify_invariants(read_bytes=True)
    said = {
        "broken": [f"{each.rule} {each.subject}" for each in report.breaches],
        "unanswered": list(report.unanswered),
        "open_sessions": [each.key for each in lanes_of("local").list_sessions("originals/")],
        "discards": Discard.objects.count(),
        "open_uploads": Upload.objects.filter(state__in=OPEN_STATES).count(),
    }
    print(json.dumps(said), flush=True)  # noqa: T201
