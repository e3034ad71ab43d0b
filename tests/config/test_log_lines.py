"""Lines of the log: the fields of an event, one line an exception or not, and nothing that opens a door."""

import io
import json
import logging
import logging.config
import sys

import pytest
from django.conf import settings
from django.test import Client

from config.log_lines import JsonLine, Line, MaskedArguments, line_of_choice, masked
from tests.builders import jpeg, uploaded
from uploads.verify import claim_next, verify

TOKEN = "fHq3p0-ZxY_7bQw9LmN2aRtV5cKdE8sUjG1hOiX4yTo"
SIGNATURE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def record(message: str, *args: object, **more: object) -> logging.LogRecord:
    return logging.LogRecord("uploads.verify", logging.WARNING, __file__, 1, message, args, None, **more)


def record_of(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except type(error):
        return logging.LogRecord("x", logging.ERROR, __file__, 1, "verify.crashed", (), sys.exc_info())


def read(line: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(line)
    return body


def test_a_line_begins_with_time_level_and_place():
    line = Line().format(record("upload.stopped outcome=%s count=%d", "failed", 2))

    assert line.endswith(" WARNING uploads.verify upload.stopped outcome=failed count=2")


def test_as_json_the_fields_of_an_event_are_fields():
    body = read(JsonLine().format(record("upload.stopped outcome=%s count=%d took_s=%s", "failed", 2, 1.5)))

    at = body.pop("at")
    assert str(at).endswith("+00:00")
    assert body == {
        "level": "warning", "logger": "uploads.verify",
        "event": "upload.stopped", "outcome": "failed", "count": 2, "took_s": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("Not Found: %s", ("/x",)),
        ("storage.unreachable store=%s verb=%s %s", ("s3", "head", "x")),
        ("100 % sure", ()),
        ("%(a)s", ({"a": 1},)),
    ],
)
def test_what_is_no_event_is_a_message(message, args):
    body = read(JsonLine().format(record(message, *args)))

    assert body["message"] == record(message, *args).getMessage()
    assert "event" not in body


def test_an_exception_is_a_field_of_its_line():
    found = record_of(ValueError("no such thing"))

    line = JsonLine().format(found)

    assert "\n" not in line
    assert "ValueError: no such thing" in str(read(line)["exception"])


@pytest.mark.parametrize(("word", "kind"), [("", Line), ("words", Line), ("json", JsonLine)])
def test_the_environment_chooses(monkeypatch, word, kind):
    monkeypatch.setenv("LOG_FORMAT", word)

    assert type(line_of_choice()) is kind


@pytest.mark.parametrize(
    "text",
    [
        f"PUT /-/objects/originals/00/x/1?expires=1&signature={SIGNATURE}",
        f"https://s3.example/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SIGNATURE}",
        f"https://s3.example/b/k?X-Amz-Security-Token={SIGNATURE}&x=1",
        f"https://storage.example/b/k?X-Goog-Signature={SIGNATURE}",
        f"HTTPSConnectionPool(host='x'): Max retries exceeded with url: /upload/b?upload_id={SIGNATURE} (Caused",
        f"<a href='/k?x=1&amp;signature={SIGNATURE}'>",
        f"/-/objects/sessions/{SIGNATURE}",
        f"GET /s/{SIGNATURE} 302",
        f"{{'Authorization': 'Bearer {SIGNATURE}'}}",
        f"authorization: bearer {SIGNATURE}",
        f"Cookie: theme=dark; sessionid={SIGNATURE}; csrftoken={SIGNATURE}",
        f"{{'sessionid': '{SIGNATURE}'}}",
        f"X-CSRFToken: {SIGNATURE}",
        f"password={SIGNATURE}&login=x",
        f'{{"password": "{SIGNATURE}"}}',
        f"redis://:{SIGNATURE}@localhost:6379/0",
        f"postgres://photos:{SIGNATURE}@db/photos",
    ],
)
def test_what_opens_a_door_is_masked(text):
    assert SIGNATURE not in masked(text)
    assert SIGNATURE not in Line().format(record("%s", text))
    assert SIGNATURE not in JsonLine().format(record("%s", text))


@pytest.mark.parametrize(
    "text",
    [
        "upload.move_refused upload_id=3f0b4c52-0d7a-4f5e-9d43-9a1f6b0c7a11 from=signed to=verified",
        "storage.refused store=s3 verb=head code=SignatureDoesNotMatch",
        "GET /galleries/3f0b4c52-0d7a-4f5e-9d43-9a1f6b0c7a11?sort=name&cursor=abc",
        "https://photos.example.com/s3/bucket",
        "mailto:owner@example.com http://localhost:8000/@",
    ],
)
def test_what_helps_to_understand_stays(text):
    assert masked(text) == text


def test_a_secret_in_an_exception_is_masked():
    found = record_of(OSError(f"url: /k?upload_id={TOKEN}"))

    for line in (Line().format(found), JsonLine().format(found)):
        assert TOKEN not in line
        assert "upload_id=…" in line


@pytest.fixture
def written():
    """What the product writes, by the formatter it writes with."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(line_of_choice())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def fail_with_an_address(*_: object, **__: object) -> None:
    """As a client library fails that says what it was asked for."""
    raise OSError(f"Max retries exceeded with url: /upload/photos?upload_id={TOKEN} Bearer {TOKEN}")


@pytest.mark.django_db
def test_a_fault_of_a_page_is_written_with_its_traceback_and_without_its_secrets(
    settings, monkeypatch, written
):
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr("config.pages.exposition", fail_with_an_address)

    client = Client(raise_request_exception=False)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    text = written.getvalue()
    assert answer.status_code == 500
    assert TOKEN not in answer.content.decode()
    assert "Traceback" in text
    assert "upload_id=…" in text
    assert TOKEN not in text


@pytest.mark.django_db
def test_a_fault_of_a_worker_is_written_with_its_traceback_and_without_its_secrets(gallery, written):
    class Developer:
        develop = staticmethod(fail_with_an_address)

    upload = uploaded(gallery, jpeg(1))

    verify(claim_next(), Developer())

    text = written.getvalue()
    assert f"verify.crashed upload_id={upload.pk}" in text
    assert "upload_id=…" in text
    assert TOKEN not in text


def test_the_access_log_of_the_web_server_keeps_paths_without_signatures():
    found = record(
        '%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "PUT", f"/k?expires=1&signature={TOKEN}", "1.1", 200
    )

    assert MaskedArguments().filter(found)
    assert found.getMessage() == '1.2.3.4:5 - "PUT /k?expires=1&signature=… HTTP/1.1" 200'


def test_the_web_process_masks_its_access_log():
    import config.asgi  # noqa: F401  what the web server imports

    filters = logging.getLogger("uvicorn.access").filters
    assert any(isinstance(each, MaskedArguments) for each in filters)


def test_every_line_of_the_product_is_made_here():
    formatters = settings.LOGGING["formatters"]

    assert {each["()"] for each in formatters.values()} == {"config.log_lines.line_of_choice"}
