"""docs/protocol.md says what the code does: its calls, its codes, its shapes, and a client that works."""

import random
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest
from django.db import connections

from accounts.models import issue_token
from config.api import api as ninja_api
from galleries import photo_wire
from galleries.decode.developer import Developer
from galleries.models import Photo
from galleries.objects.base import store_named
from tests.builders import MIB, file_out, jpeg, make_upload
from tests.cast import bearer_api
from tests.serving import serving
from uploads import consumers, wire
from uploads.models import Upload
from uploads.states import State
from uploads.verify import claim_next, verify

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
CODE_ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \| (yes|no) \| (.+) \|$", re.MULTILINE)
CALL_ROW = re.compile(r"^\| `(GET|POST|PATCH|DELETE) (/api/[^` ]*)`", re.MULTILINE)
CLOSE_ROW = re.compile(r"^\| (\d{4}) \|", re.MULTILINE)
SHAPE_ROW = re.compile(r"^\| (\w+)(?: \(`progress`\))? \| `\{(.+?)\}`", re.MULTILINE)


def test_the_table_of_codes_is_that_of_the_code():
    shown = {
        code: (int(status), word == "yes", message) for code, status, word, message in CODE_ROW.findall(PAGE)
    }

    known = {
        code: (int(error.status), error.retryable, error.message)
        for code, error in wire.known_errors().items()
    }
    assert shown == known


def test_the_table_of_closes_is_that_of_the_code():
    shown = {int(code) for code in CLOSE_ROW.findall(PAGE)}

    assert shown == {code for name, code in vars(consumers).items() if name.startswith("CLOSE_")}


def test_the_table_of_calls_is_that_of_openapi():
    documented = {
        (method.upper(), path)
        for path, methods in ninja_api.get_openapi_schema()["paths"].items()
        for method in methods
    }

    assert set(CALL_ROW.findall(PAGE)) == documented


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("gallery", photo_wire.GalleryOut),
        ("upload", wire.UploadOut),
        ("stored", wire.StoredOut),
        ("sidecar", wire.SidecarOut),
        ("photo", photo_wire.PhotoOut),
        ("rendition", photo_wire.RenditionOut),
        ("totals", photo_wire.TotalsOut),
        ("publication", wire.PublicationOut),
    ],
)
def test_the_shapes_are_those_of_the_answers(name, schema):
    section = PAGE.partition("## Shapes")[2].partition("\n## ")[0]
    shown = dict(SHAPE_ROW.findall(section))[name]
    outermost = re.sub(r"[\[{][^\[\]{}]*[\]}]", "", re.sub(r"\{[^{}]*\}", "", shown))

    fields = {word.strip().partition(":")[0].rstrip("?") for word in outermost.split(",")}
    assert fields == set(schema.model_fields)


@pytest.mark.django_db
@pytest.mark.parametrize("code", sorted(wire.known_errors()))
def test_every_code_on_a_row_is_told_with_its_own_words(gallery, code):
    upload = make_upload(gallery, State.FAILED, error_code=code, error_details={"reason": "x"})

    error = wire.upload_out(upload)["error"]

    known = wire.known_errors()[code]
    assert error == {
        "code": code, "message": known.message, "retryable": known.retryable, "details": {"reason": "x"},
    }  # fmt: skip


def test_no_message_says_less_than_a_sentence():
    for error in wire.known_errors().values():
        assert re.fullmatch(r"[A-Z].{5,}\.", error.message), error


@pytest.mark.django_db(transaction=True)
def test_the_client_on_the_page_sends_a_folder_and_may_be_run_again(gallery, owner, tmp_path):
    client = tmp_path / "client.py"
    client.write_text(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    (folder / "notes.txt").write_text("no photo")
    token = issue_token(owner)
    is_done = threading.Event()

    def work() -> None:
        with Developer() as developer:  # its child lives as long as the thread that uses it
            while not is_done.wait(0.05):
                while (upload := claim_next()) is not None:
                    verify(upload, developer)
        connections.close_all()

    def run(site: str) -> list[str]:
        command = [sys.executable, str(client), site, token, str(gallery.pk), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with serving() as site:
            first, again = run(site), run(site)
    finally:
        is_done.set()
        worker.join()

    refused = "notes.txt This is not a kind of photo that can be shown here."
    assert first == again == ["0.jpg sent", "1.jpg sent", "2.jpg sent", refused]
    assert Photo.objects.ready().count() == Upload.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_sender_on_the_page_goes_on_where_a_session_stands(gallery, owner, tmp_path):
    content = random.Random(7).randbytes(9 * MIB)
    (tmp_path / "large.jpg").write_bytes(content)
    api = bearer_api(owner)
    [row] = api.batch(gallery, file_out(size=len(content), lane="resumable"))
    section = PAGE.partition("### Resumable")[2]
    with serving() as site:
        page = {"urllib": urllib, "urljoin": urljoin, "site": site}
        exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], page)  # noqa: S102  it is our own page
        with pytest.raises(urllib.error.HTTPError, match="409"):
            page["send"](tmp_path / "large.jpg", {**row["transfer"], "offset": 1}, len(content))
        page["send"](tmp_path / "large.jpg", row["transfer"], len(content))

    [signed] = api.sign({"id": row["id"]})

    assert signed["state"] == "uploaded"
    assert b"".join(store_named("local").read(Upload.objects.get().key)) == content
