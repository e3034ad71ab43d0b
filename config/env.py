"""Typed readers of the environment. Each refuses a bad value with one sentence that names the variable."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
BYTES_IN = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
# As many as requests run at once in a web process before they wait for each other.
POOL_CONNECTIONS = 16
MIN_SECRET_CHARS = 20


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """Empty when it is not given.

    Raises: ImproperlyConfigured for one that could be guessed.
    """
    value = text(name)
    if value and len(value) < MIN_SECRET_CHARS:
        raise ImproperlyConfigured(f"{name} must have at least {MIN_SECRET_CHARS} characters.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Raises: ImproperlyConfigured for any word that is neither yes nor no."""
    word = text(name).lower()
    if not word:
        return default
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {word!r}.")


def number(name: str, *, default: int, at_least: int, at_most: int) -> int:
    """Raises: ImproperlyConfigured when it is no whole number within the bounds."""
    word = text(name)
    if not word:
        return default
    if not word.isascii() or not word.isdigit() or not at_least <= int(word) <= at_most:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {at_least} to {at_most}, not {word!r}."
        )
    return int(word)


def byte_count(name: str, *, default: int) -> int:
    """A whole number of bytes, or of KiB, MiB, GiB or TiB: `500GiB`.

    Raises: ImproperlyConfigured for anything else, and for nothing at all.
    """
    word = text(name)
    if not word:
        return default
    digits = word.rstrip("KMGTiB ")
    unit = word[len(digits) :].strip()
    if not digits.isascii() or not digits.isdigit() or unit not in BYTES_IN or not int(digits):
        raise ImproperlyConfigured(f"{name} must be a number of bytes like 1000000 or 500GiB, not {word!r}.")
    return int(digits) * BYTES_IN[unit]


def rates(name: str, default: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """`off`, or `kind=calls a second/calls at once`, several with commas; kinds not named keep their default.

    Raises: ImproperlyConfigured for an unknown kind, and for what is no such pair of numbers.
    """
    given = words(name)
    if given == ["off"]:
        return {}
    found = dict(default)
    for word in given:
        match = re.fullmatch(r"(\w+) *= *([1-9][0-9]{0,5}) */ *([1-9][0-9]{0,5})", word, re.ASCII)
        if match is None or match[1] not in default:
            raise ImproperlyConfigured(
                f"{name} must be off, or like batch=100/2000 for one of {', '.join(default)}; not {word!r}."
            )
        found[match[1]] = (int(match[2]), int(match[3]))
    return found


def one_of(name: str, words: tuple[str, ...], *, default: str) -> str:
    word = text(name, default)
    if word not in words:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(words)}, not {word!r}.")
    return word


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A comma-separated list, without empty entries."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or list(default)


def pairs(name: str) -> dict[str, str]:
    """`Name=value; Name=value`: a value may hold commas.

    Raises: ImproperlyConfigured for an entry without a name or a value.
    """
    found = {}
    for entry in filter(None, map(str.strip, text(name).split(";"))):
        key, _, value = map(str.strip, entry.partition("="))
        if not key or not value:
            raise ImproperlyConfigured(f"{name} must look like Name=value; Name=value, not {entry!r}.")
        found[key] = value
    return found


def scanner(name: str) -> str:
    """`clamd://host:port` or `clamd:///path/of/a/socket`; empty for none.

    Raises: ImproperlyConfigured for anything else.
    """
    value = text(name)
    if not value:
        return ""
    try:
        parsed = urlsplit(value)
        is_host = bool(parsed.hostname) and parsed.path in {"", "/"} and parsed.port != 0
    except ValueError:
        is_host = False
        parsed = urlsplit("")
    is_socket = not parsed.netloc and parsed.path.startswith("/")
    if parsed.scheme != "clamd" or not (is_host or is_socket):
        raise ImproperlyConfigured(
            f"{name} must look like clamd://host:3310 or clamd:///run/clamd.sock, not {value!r}."
        )
    return value


def origin(name: str, default: str) -> str:
    """`scheme://host[:port]` and nothing after it."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
        raise ImproperlyConfigured(f"{name} must look like https://photos.example.com, not {value!r}.")
    return value


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def database(name: str, default_file: Path, *, is_pooled: bool = False) -> dict[str, object]:
    """`postgres://user:password@host:port/name`, `sqlite:///path`, or nothing for SQLite below DATA_DIR.

    A socket directory goes into the query: `postgres:///name?host=/run/postgresql`.
    """
    url = text(name)
    if not url:
        return sqlite(default_file)
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must begin with postgres:// or sqlite:/// and name a database.")
    return pooled(postgres(url)) if is_pooled else postgres(url)


def sqlite(file: Path) -> dict[str, object]:
    # IMMEDIATE: a read-then-write transaction never dies of an instant "database is locked".
    # FULL: what was answered survives a power cut.
    return {
        "ENGINE": "config.sqlite",
        "NAME": str(file),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; "
                "PRAGMA mmap_size=134217728; PRAGMA temp_store=MEMORY;"
            ),
        },
    }


def postgres(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.pop("host", parts.hostname or "")),
        "PORT": query.pop("port", str(parts.port or "")),
        "OPTIONS": {key: unquote(value) for key, value in query.items()},
    }


def pooled(database: dict[str, object]) -> dict[str, object]:
    """With connections that outlive a request, each asked whether it still lives before it is used."""
    options = database["OPTIONS"]
    kept = options if isinstance(options, dict) else {}
    return {
        **database,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**kept, "pool": {"min_size": 2, "max_size": POOL_CONNECTIONS, "timeout": 10}},
    }
