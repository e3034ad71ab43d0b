"""What uvicorn says, in words that do not frighten whoever pressed Ctrl-C."""

from __future__ import annotations

import logging


class PlainWords(logging.Filter):
    """Requests that were still running at the end are no error: the pages behind them go on after the next start."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str) and record.msg.startswith("Cancel %s running task"):
            record.msg = "open requests cut off: %s; their pages go on after the next start"
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True
