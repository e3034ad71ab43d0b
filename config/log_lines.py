"""Lines of the log: words or JSON, by LOG_FORMAT, without what would let a reader act as somebody else."""

import json
import logging
import os
import re
from datetime import UTC, datetime
from typing import Any, Final

# Nothing of ours logs these. Libraries put what they were asked for into their errors, and errors are logged.
SECRETS: Final = (
    # Signed URLs of every store, and the URIs of resumable sessions.
    re.compile(
        r"(?i)([?&](?:amp;)?(?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|upload_?id|session"
        r"|token)=)[^&\s\"'<>\\]+"
    ),
    re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{8,}"),
    re.compile(
        r"(?i)(\b(?:sessionid|csrftoken|csrfmiddlewaretoken|x-csrftoken)['\"]?\s*[=:]\s*['\"]?)[\w-]{8,}"
    ),
    re.compile(r"(?i)(\bpassword['\"]?\s*[=:]\s*['\"]?)[^\s&,'\"}\])]+"),
    re.compile(r"(\w://[^\s/@:]*:)[^\s/@]+(?=@)"),
    # Paths that open something to whoever knows them: shared links, sessions of the local store.
    re.compile(r"(/(?:s|sessions)/)[\w-]{16,}"),
)
# Without one of these there is nothing to look for; most lines have none.
SUSPECT: Final = re.compile(r"[?&@]|/s/|(?i:bearer|session|csrf|password)")
MASK: Final = r"\1…"
# An event of the house: its name, then fields.
EVENT_LINE: Final = re.compile(r"([a-z_]+\.[a-z_]+)((?: \w+=%[sd])*)")
FIELD: Final = re.compile(r"(\w+)=%[sd]")


def masked(text: str) -> str:
    if not SUSPECT.search(text):
        return text
    for secret in SECRETS:
        text = secret.sub(MASK, text)
    return text


class Line(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class JsonLine(Line):
    """One object a line; the fields of an event are fields of it."""

    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **said_by(record),
        }
        if record.exc_info:
            body["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            body["stack"] = self.formatStack(record.stack_info)
        # Before they are quoted: a quoted secret looks like something else.
        clean = {name: masked(value) if isinstance(value, str) else value for name, value in body.items()}
        return json.dumps(clean, ensure_ascii=False)


def said_by(record: logging.LogRecord) -> dict[str, object]:
    """An event with its fields; whatever else is logged as a message."""
    found = EVENT_LINE.fullmatch(record.msg) if isinstance(record.msg, str) else None
    if found is None:
        return {"message": record.getMessage()}
    values = record.args if isinstance(record.args, tuple) else ()
    fields = zip(FIELD.findall(found[2]), map(plain, values), strict=True)
    return {"event": found[1]} | dict(fields)


def plain(value: object) -> object:
    return value if isinstance(value, (int, float)) else str(value)


def line_of_choice() -> Line:
    """Read here, not in the settings: the web server makes its own lines before there are any."""
    return JsonLine() if os.environ.get("LOG_FORMAT", "").strip() == "json" else Line()


class MaskedArguments(logging.Filter):
    """For a logger whose lines others lay out: a path stays a path, without the signature in its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(masked(each) if isinstance(each, str) else each for each in record.args)
        return True
