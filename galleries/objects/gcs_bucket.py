"""One bucket of Google Cloud Storage: its client, its signer, and the words of its errors. Store and lanes share it."""

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from google.api_core.exceptions import (
    BadRequest,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
    RetryError,
)
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.auth.transport.requests import Request as TokenRequest
from google.cloud.storage import Blob, Bucket, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from google.oauth2.service_account import Credentials
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from galleries.errors import GalleryError, ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.objects.base import CACHE_CONTROL, tell_store_call
from galleries.objects.goog4 import GoogleSigner

log = logging.getLogger(__name__)

# Else the library asks for the bucket in threads of its own, for traces that nobody takes: untold, and for minutes.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")

SomeSession = TypeVar("SomeSession", bound=requests.Session)

DEFAULT_ENDPOINT: Final = "https://storage.googleapis.com"
SCOPE: Final = "https://www.googleapis.com/auth/devstorage.full_control"
MAX_CONNECTIONS: Final = 128

# To connect, and to wait for the next byte. A second try begins only while the first seconds last: a store that has
# stalled is known in ten.
TIMEOUT_S: Final = (2.0, 3.0)
RETRY: Final = DEFAULT_RETRY.with_timeout(3.5).with_delay(initial=0.2, maximum=1.0)
# For workers alone: to copy or to take a rendition may take a healthy store its time.
PATIENT_TIMEOUT_S: Final = (2.0, 60.0)
PATIENT_RETRY: Final = DEFAULT_RETRY.with_timeout(90.0).with_delay(initial=0.5, maximum=8.0)

# Object parameters by the names that django-storages has for them, and as headers of a signed PUT. No ACL: a bucket of
# ours has uniform access.
# https://docs.cloud.google.com/storage/docs/xml-api/reference-headers
PARAMETER_HEADERS: Final[Mapping[str, str]] = {
    "cache_control": "cache-control",
    "kms_key_name": "x-goog-encryption-kms-key-name",
    "storage_class": "x-goog-storage-class",
}

UNREACHABLE: Final = (
    RetryError,
    GoogleAuthError,
    DataCorruption,
    InvalidResponse,
    requests.RequestException,
    HTTPError,
    ConnectionError,
    TimeoutError,
)


class GcsBucket:
    """`options` are those of django-storages' GoogleCloudStorage, in STORAGES.

    The service account's key file is named in `settings.PHOTO_STORE_KEY_FILES`; `custom_endpoint` is where the
    server finds the store, and an http one is an emulator: it is asked without a token, which must not travel in clear.
    """

    def __init__(self, store_name: str, options: Mapping[str, Any]) -> None:
        self.store_name = store_name
        self.name = str(options["bucket_name"])
        self.endpoint = str(options.get("custom_endpoint") or DEFAULT_ENDPOINT).rstrip("/")
        self.public_endpoint = str(
            settings.PHOTO_STORE_PUBLIC_ENDPOINTS.get(store_name) or self.endpoint
        ).rstrip("/")
        self.parameters: dict[str, str] = {
            "cache_control": CACHE_CONTROL,
            **dict(options.get("object_parameters") or {}),
        }
        if unknown := self.parameters.keys() - PARAMETER_HEADERS.keys():
            raise ImproperlyConfigured(f"object_parameters can't be signed: {', '.join(sorted(unknown))}.")
        self._key = key_of(settings.PHOTO_STORE_KEY_FILES.get(store_name, ""))
        self.project = str(options.get("project_id") or self._key.project_id or "") or None

    @property
    def signed_parameters(self) -> dict[str, str]:
        """The object parameters as headers which the uploader has to send."""
        return {PARAMETER_HEADERS[name]: str(value) for name, value in self.parameters.items()}

    @cached_property
    def signer(self) -> GoogleSigner:
        """For the endpoint that browsers see."""
        key = self._key
        return GoogleSigner(self.public_endpoint, self.name, key.signer_email, key.sign_bytes)

    @cached_property
    def http(self) -> AuthorizedSession:
        credentials = AnonymousCredentials() if is_plain(self.endpoint) else self._key.with_scopes([SCOPE])
        session = AuthorizedSession(
            credentials, refresh_timeout=TIMEOUT_S[1], auth_request=TokenRequest(plain_session())
        )
        return with_connections(session)

    @cached_property
    def keyless(self) -> requests.Session:
        """For session URIs, which are their own authority: no token goes along."""
        return plain_session()

    @cached_property
    def client(self) -> Client:
        return Client(
            project=self.project,
            credentials=self.http.credentials,
            client_options={"api_endpoint": self.endpoint},
            _http=self.http,
        )

    @cached_property
    def handle(self) -> Bucket:
        return self.client.bucket(self.name)

    def blob(self, key: str) -> Blob:
        return self.handle.blob(key)

    def new_blob(self, key: str) -> Blob:
        """One that is about to be written, with the object parameters."""
        blob = self.handle.blob(key, kms_key_name=self.parameters.get("kms_key_name"))
        blob.cache_control = self.parameters["cache_control"]
        if storage_class := self.parameters.get("storage_class"):
            blob.storage_class = storage_class
        return blob

    def for_browsers(self, url: str) -> str:
        """A URL that the store has answered, under the host that browsers reach it by."""
        return with_origin(url, self.public_endpoint) if self.public_endpoint != self.endpoint else url

    def for_server(self, url: str) -> str:
        return with_origin(url, self.endpoint) if self.public_endpoint != self.endpoint else url

    @contextmanager
    def asked(self, verb: str) -> Generator[None]:
        """Around every request: announces it, and turns the store's errors into ours."""
        tell_store_call(self.store_name, verb)
        try:
            yield
        except GalleryError:
            raise
        except GoogleAPICallError as error:
            raise self._refusal(verb, error) from error
        except UNREACHABLE as error:
            # The error's own words may hold a session URI.
            log.warning(
                "storage.unreachable store=%s verb=%s %s", self.store_name, verb, type(error).__name__
            )
            raise StorageUnavailable from error

    def _refusal(self, verb: str, error: GoogleAPICallError) -> GalleryError:
        if isinstance(error, NotFound):
            return ObjectMissing()
        if isinstance(error, PreconditionFailed):
            return ObjectChanged()
        # Also 403: to be refused says nothing about the object, and a person must look at the settings.
        level = logging.ERROR if isinstance(error, BadRequest) else logging.WARNING
        log.log(level, "storage.refused store=%s verb=%s code=%s", self.store_name, verb, error.code)
        return StorageUnavailable()


def key_of(path: str) -> Credentials:
    """A service account with its private key: nothing else can sign URLs without asking Google for each.

    Raises: ImproperlyConfigured.
    """
    if not path:
        raise ImproperlyConfigured(
            "No credentials for Google Cloud Storage: GCS_CREDENTIALS must name the key file of a service account."
        )
    try:
        key: Credentials = Credentials.from_service_account_file(path)
    except OSError as error:
        raise ImproperlyConfigured(f"The key file {Path(path)} can't be read: {error.strerror}.") from error
    except (ValueError, GoogleAuthError) as error:
        raise ImproperlyConfigured(f"The file {Path(path)} holds no key of a service account.") from error
    return key


def plain_session() -> requests.Session:
    return with_connections(requests.Session())


def with_connections(session: SomeSession) -> SomeSession:
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=MAX_CONNECTIONS)
    # A wrong endpoint must not be healed for the server alone: it is also in every URL that is signed.
    session.max_redirects = 0
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def is_plain(endpoint: str) -> bool:
    return urlsplit(endpoint).scheme == "http"


def with_origin(url: str, origin: str) -> str:
    asked = urlsplit(url)
    there = urlsplit(origin)
    return asked._replace(scheme=there.scheme, netloc=there.netloc).geturl()
