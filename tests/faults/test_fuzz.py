"""Whatever is sent, the API answers with a code of its own: never an error of ours, never a page."""

import base64
import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import MIB, make_photo, make_upload
from uploads.states import State
from uploads.wire import known_errors

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

numbers = st.one_of(
    st.integers(), st.sampled_from([0, -1, 2**31, 2**53, 2**63 - 1, 2**63, 10**40]), st.floats()
)
texts = st.one_of(
    st.text(max_size=80),
    st.sampled_from(["\x00", "\ud800", "é" * 70, "../..", "null", "\u202e", "x" * 5_000]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
crcs = st.one_of(st.text(alphabet="0123456789abcdef", min_size=8, max_size=8), scalars)
NO_IDS = ("", "x", "\x00", "00000000-0000-0000-0000-000000000000")


def mostly(good: st.SearchStrategy) -> st.SearchStrategy:
    """The right kind, now and then anything at all."""
    return st.one_of(good, good, good, anything)


def files_from(known: list[str], sizes: list[int]) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "client_id": mostly(st.one_of(texts, st.sampled_from(known))),
            "name": mostly(st.one_of(texts, st.sampled_from(["a.jpg", "b.heic", "c", "d.CR3"]))),
            "size": mostly(st.one_of(st.integers(-1, 3 * 1024**3), st.sampled_from(sizes))),
        },
        optional={
            "type": mostly(st.sampled_from(["image/jpeg", "", "text/html"])),
            "last_modified": mostly(st.integers(-(2**63), 2**63 - 1)),
            "relative_path": mostly(texts),
            "crc32": crcs,
            "allow_duplicate": mostly(st.booleans()),
            "lane": mostly(st.sampled_from(["put", "multipart", "resumable", None])),
        },
    )


@pytest.fixture
def world(gallery):
    """One of each state, a photo, and a large file: what ids may name."""
    uploads = [make_upload(gallery, state, client_id=f"known-{state}") for state in State]
    uploads.append(make_upload(gallery, State.SIGNED, size=9 * MIB, client_id="large"))
    photo = make_photo(gallery)
    return {"gallery": gallery, "uploads": [str(each.pk) for each in uploads], "photo": str(photo.pk),
            "known": [each.client_id for each in uploads], "sizes": [each.size for each in uploads]}  # fmt: skip


def assert_is_an_answer(answer) -> None:
    assert answer.status < 500, (answer.status, answer.body)
    if answer.status >= 400 and answer.status != 405:
        assert answer.body["error"]["code"] in known_errors(), answer.body
    if answer.body and "uploads" in answer.body:
        for row in answer.body["uploads"]:
            assert "error" in row
            if row["error"]:
                assert row["error"]["code"] in known_errors()
                assert known_errors()[row["error"]["code"]].retryable == row["error"]["retryable"]


def ids(world) -> st.SearchStrategy:
    return st.sampled_from([*world["uploads"], world["photo"], str(world["gallery"].pk), *NO_IDS])


@SETTINGS
@given(data=st.data())
def test_batches(api, world, data):
    item = files_from(world["known"], world["sizes"])
    body = data.draw(
        mostly(
            st.fixed_dictionaries(
                {"files": mostly(st.lists(item, max_size=6))}, optional={"sign": mostly(st.booleans())}
            )
        )
    )

    answer = api.post(f"/galleries/{world['gallery'].pk}/uploads/batch", body)

    assert_is_an_answer(answer)
    if answer.status == 200:
        assert len(answer.body["uploads"]) == len(body["files"])


@SETTINGS
@given(data=st.data())
def test_signing(api, world, data):
    part = st.fixed_dictionaries({"number": mostly(st.integers(-1, 4))}, optional={"crc32": crcs})
    ask = st.fixed_dictionaries(
        {"id": mostly(ids(world))},
        optional={
            "crc32": crcs,
            "after_failure": mostly(st.booleans()),
            "parts": mostly(st.lists(part, max_size=4)),
        },
    )
    body = data.draw(mostly(st.fixed_dictionaries({"uploads": mostly(st.lists(ask, max_size=6))})))

    answer = api.post("/uploads/sign", body)

    assert_is_an_answer(answer)
    if answer.status == 200:
        assert len(answer.body["uploads"]) == len(body["uploads"])


@SETTINGS
@given(data=st.data())
def test_complete_cancel_retry_delete_and_restore(api, world, data):
    verb = data.draw(
        st.sampled_from(
            ["uploads/complete", "uploads/cancel", "uploads/retry", "photos/delete", "photos/restore"]
        )
    )
    some = data.draw(st.lists(mostly(ids(world)), max_size=6))
    asks = [{"id": each, "crc32": data.draw(crcs)} for each in some]
    body = data.draw(mostly(st.just({"uploads": asks} if verb.endswith("complete") else {"ids": some})))

    assert_is_an_answer(api.post(f"/{verb}", body))


@SETTINGS
@given(data=st.data())
def test_galleries(api, world, data):
    fields = st.fixed_dictionaries(
        {},
        optional={
            "title": mostly(texts), "auto_publish": mostly(st.booleans()),
            "cover_photo_id": mostly(st.just(world["photo"])),
            "sort": mostly(st.sampled_from(["name", "added", "captured"])), "keep_location": mostly(st.booleans()),
            "idempotency_key": mostly(texts),
        },
    )  # fmt: skip
    body = data.draw(mostly(fields))

    assert_is_an_answer(api.post("/galleries", body))
    assert_is_an_answer(api.patch(f"/galleries/{world['gallery'].pk}", body))
    assert_is_an_answer(api.get("/galleries"))


@SETTINGS
@given(data=st.data())
def test_reports_of_progress(api, world, data):
    row = st.tuples(mostly(ids(world)), mostly(st.integers()), mostly(st.integers()))
    body = data.draw(mostly(st.fixed_dictionaries({"uploads": mostly(st.lists(mostly(row), max_size=5))})))

    assert_is_an_answer(api.post(f"/galleries/{world['gallery'].pk}/progress", body))


QUERY = string.ascii_letters + string.digits + "%&=+-_.~\x7f\xff"


@SETTINGS
@given(data=st.data())
def test_lists(api, world, data):
    cursor = base64.urlsafe_b64encode(json.dumps(data.draw(anything)).encode("utf-8", "replace")).decode()
    query = data.draw(
        st.one_of(
            st.text(alphabet=QUERY, max_size=60),
            st.just(f"cursor={cursor}"),
            st.builds("limit={}".format, st.integers()),
            st.builds(
                "state={}&status={}".format,
                st.sampled_from(["failed", "%00", ""]),
                st.sampled_from(["ready", "%ff"]),
            ),
        )
    )

    for of in ("photos", "uploads"):
        assert_is_an_answer(api.get(f"/galleries/{world['gallery'].pk}/{of}?{query}"))


@SETTINGS
@given(
    raw=st.binary(max_size=200),
    path=st.sampled_from(["/galleries", "/uploads/sign", "/uploads/cancel", "/photos/delete"]),
)
def test_bytes_that_are_no_json(api, raw, path):
    assert_is_an_answer(api.call("POST", path, raw=raw))


@SETTINGS
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]),
    path=st.text(alphabet=string.ascii_lowercase + "/%0.-{}", max_size=40),
)
def test_paths_and_methods(api, method, path):
    answer = api.call(method, f"/{path}")

    assert answer.status < 500
    if method != "HEAD":  # which has no body
        assert_is_an_answer(answer)
