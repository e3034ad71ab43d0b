"""URLs for Google Cloud Storage, compared with those of Google's own library, signature and all."""

from urllib.parse import quote

import pytest
from google.cloud.storage import _signing
from google.oauth2.service_account import Credentials

from galleries.objects.goog4 import GoogleSigner
from galleries.objects.url_life import Life

SECOND = 1_800_000_000
DATE = "20270115T080000Z"
HEADERS = {
    "content-type": "image/jpeg",
    "x-goog-content-length-range": "10,10",
    "x-goog-if-generation-match": "0",
    "cache-control": "private, max-age=31536000, immutable",
}


@pytest.fixture(scope="module")
def account(google_account):
    return Credentials.from_service_account_file(google_account)


def ours(account, endpoint, asked):
    method, key, headers, query = asked
    signer = GoogleSigner(endpoint, "photos", account.signer_email, account.sign_bytes)
    return signer.url(method, key, Life(SECOND, 900), headers=headers, query=query)


def theirs(account, endpoint, asked):
    method, key, headers, query = asked
    return _signing.generate_signed_url_v4(
        account,
        f"/photos/{quote(key, safe='/~')}",
        900,
        api_access_endpoint=endpoint,
        method=method,
        headers=dict(headers),
        query_parameters=dict(query),
        _request_timestamp=DATE,
    )


@pytest.mark.parametrize(
    "asked",
    [
        ("GET", "originals/0a/1", {}, []),
        ("PUT", "originals/0a/1", HEADERS, []),
        ("PUT", "a key/with spaces+and~ü", HEADERS, []),
        (
            "GET",
            "renditions/0a/1",
            {},
            [
                ("response-content-disposition", "attachment; filename*=utf-8''Zo%C3%AB%201.jpg"),
                ("response-content-type", "image/png"),
            ],
        ),
    ],
)
@pytest.mark.parametrize("endpoint", ["https://storage.googleapis.com", "http://127.0.0.1:9023"])
def test_urls_are_those_of_the_library(account, endpoint, asked):
    assert ours(account, endpoint, asked) == theirs(account, endpoint, asked)


def test_another_second_is_another_signature(account):
    signer = GoogleSigner(
        "https://storage.googleapis.com", "photos", account.signer_email, account.sign_bytes
    )

    assert signer.url("GET", "key", Life(SECOND, 900)) != signer.url("GET", "key", Life(SECOND + 1, 900))
