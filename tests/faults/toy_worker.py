"""The product's Celery with one task more, which says when it begins and ends and runs as long as a test wants."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from config.celery import app

TOYS: Final = "toys"
PLAY: Final = "toys.play"


@app.task(name=PLAY)
def play(number: int, folder: str) -> None:
    """Goes on while there is a file `held-NUMBER`."""
    (Path(folder) / f"begun-{number}").touch()
    while (Path(folder) / f"held-{number}").exists():
        time.sleep(0.01)
    (Path(folder) / f"ended-{number}").touch()
