"""Session URIs at rest: nobody who reads the database can use them, and replacing the secret loses none."""

import pytest
from cryptography.fernet import Fernet

from uploads.errors import SessionGone
from uploads.sealing import key_of, seal, unseal

URI = "https://storage.googleapis.com/upload/storage/v1/b/photos/o?upload_id=ABgVH8_é"


def test_what_is_sealed_comes_back():
    assert unseal(seal(URI)) == URI


def test_a_seal_shows_nothing_and_is_never_the_same_twice():
    first, second = seal(URI), seal(URI)

    assert first != second
    assert "upload_id" not in first


def test_a_replaced_secret_still_opens_what_was_sealed_before(settings):
    sealed = seal(URI)
    settings.SECRET_KEY_FALLBACKS = ["older still", settings.SECRET_KEY]
    settings.SECRET_KEY = "the next secret"

    assert unseal(sealed) == URI


def test_the_first_secret_seals(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the next secret", [settings.SECRET_KEY]
    sealed = seal(URI)
    settings.SECRET_KEY_FALLBACKS = []

    assert unseal(sealed) == URI


def test_a_seal_of_a_forgotten_secret_is_a_session_that_is_gone(settings):
    sealed = seal(URI)
    settings.SECRET_KEY = "the next secret"

    with pytest.raises(SessionGone):
        unseal(sealed)


@pytest.mark.parametrize("text", ["", "é", "no seal", URI])
def test_what_was_never_sealed_is_refused(text):
    with pytest.raises(SessionGone):
        unseal(text)


def test_a_seal_that_was_changed_is_refused():
    sealed = seal(URI)

    with pytest.raises(SessionGone):
        unseal(sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:])


def test_what_another_secret_sealed_is_refused():
    sealed = Fernet(key_of("another")).encrypt(URI.encode()).decode()

    with pytest.raises(SessionGone):
        unseal(sealed)
