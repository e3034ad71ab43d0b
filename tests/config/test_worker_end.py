"""A worker whose end hangs, as where one of its processes hangs in a task."""

from __future__ import annotations

import subprocess
import sys

from config import worker_end
from config.celery import app
from dev.places import ROOT

HANGING = """
import time
from config import worker_end

worker_end.ENDS_WITHIN_S = 0.2
worker_end.EndForCertain.close(object.__new__(worker_end.EndForCertain), None)
time.sleep(60)
"""


def test_a_worker_whose_end_hangs_ends_all_the_same() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert "worker.did_not_end" in ended.stderr


def test_every_worker_begins_to_count_when_it_begins_to_stop() -> None:
    assert worker_end.EndForCertain in app.steps["worker"]
