"""One bucket: its clients, its signer, and the words of its errors. S3Store and S3Lanes share it."""

import logging
import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from galleries.errors import GalleryError, ObjectChanged, ObjectMissing, StorageUnavailable
from galleries.objects.base import tell_store_call
from galleries.objects.sigv4 import BucketAddress, Credentials, QuerySigner

log = logging.getLogger(__name__)

MISSING_CODES: Final = frozenset({"404", "NoSuchKey", "NotFound"})
CHANGED_CODES: Final = frozenset({"412", "PreconditionFailed"})

# Two tries of at most 3.5 seconds of silence and a pause of at most one: a store that has stalled is known
# in ten seconds, also on a busy machine.
CONNECT_TIMEOUT_S: Final = 2
READ_TIMEOUT_S: Final = 3.5
MAX_TRIES: Final = 2
# To join parts or to copy may take a store long before it says its first word.
PATIENT_READ_TIMEOUT_S: Final = 60
MAX_CONNECTIONS: Final = 128

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
PARAMETER_HEADERS: Final[Mapping[str, str]] = {
    "ACL": "x-amz-acl",
    "CacheControl": "cache-control",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "StorageClass": "x-amz-storage-class",
    "Tagging": "x-amz-tagging",
}


# Clients are safe in threads, but not the making of them.
making_clients: Final = threading.Lock()


@cache
def session_of(process_id: int) -> Any:
    """Reads boto3's own data once a process: a second client of one session costs a twentieth."""
    del process_id
    return boto3.session.Session()


class S3Bucket:
    """`options` are those of django-storages' S3Storage, in STORAGES."""

    def __init__(self, store_name: str, options: Mapping[str, Any]) -> None:
        self.store_name = store_name
        self.name = str(options["bucket_name"])
        self.region = str(options.get("region_name") or "us-east-1")
        self.parameters: dict[str, Any] = dict(options.get("object_parameters") or {})
        if unknown := self.parameters.keys() - PARAMETER_HEADERS.keys():
            raise ImproperlyConfigured(f"object_parameters can't be signed: {', '.join(sorted(unknown))}.")
        self._options = options
        self._style = str(options.get("addressing_style") or "path")
        self._signer: QuerySigner | None = None
        self._given: Credentials | None = None
        if options.get("access_key"):
            self._given = Credentials(
                options["access_key"], options["secret_key"], options.get("security_token")
            )

    @cached_property
    def client(self) -> Any:
        return self._client(READ_TIMEOUT_S)

    @cached_property
    def patient_client(self) -> Any:
        """For workers alone: for what a healthy store may take its time to answer."""
        return self._client(PATIENT_READ_TIMEOUT_S)

    @property
    def signed_parameters(self) -> dict[str, str]:
        """The object parameters as headers which the uploader has to send."""
        return {PARAMETER_HEADERS[name]: str(value) for name, value in self.parameters.items()}

    @property
    def signer(self) -> QuerySigner:
        """For the endpoint that browsers see; made anew when an instance role hands out other credentials."""
        credentials = self._credentials()
        if self._signer is None or self._signer.credentials != credentials:
            endpoint = settings.PHOTO_STORE_PUBLIC_ENDPOINTS.get(self.store_name)
            address = BucketAddress.of(
                endpoint or self.client.meta.endpoint_url, self.name, style=self._style
            )
            self._signer = QuerySigner(address, self.region, credentials)
        return self._signer

    @contextmanager
    def asked(self, verb: str) -> Generator[None]:
        """Around every request: announces it, and turns the store's errors into ours."""
        tell_store_call(self.store_name, verb)
        try:
            yield
        except ClientError as error:
            raise self._refusal(verb, error) from error
        except (BotoCoreError, ResponseParserError) as error:  # the second is no kind of the first
            log.warning(
                "storage.unreachable store=%s verb=%s %s", self.store_name, verb, type(error).__name__
            )
            raise StorageUnavailable from error

    def _refusal(self, verb: str, error: ClientError) -> GalleryError:
        code = code_of(error)
        if code in MISSING_CODES:
            return ObjectMissing()
        if code in CHANGED_CODES:
            return ObjectChanged()
        # Also 403: to be refused says nothing about the object, and a person must look at the settings.
        log.warning("storage.refused store=%s verb=%s code=%s", self.store_name, verb, code)
        return StorageUnavailable()

    def _client(self, read_timeout_s: float) -> Any:
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "virtual" if self._style == "virtual" else "path"},
            # Several stores refuse the checksums that boto3 adds of its own accord.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": MAX_TRIES},
            max_pool_connections=MAX_CONNECTIONS,
            tcp_keepalive=True,
        )
        with making_clients:
            client = session_of(os.getpid()).client(
                "s3",
                endpoint_url=self._options.get("endpoint_url"),
                region_name=self.region,
                aws_access_key_id=self._options.get("access_key"),
                aws_secret_access_key=self._options.get("secret_key"),
                aws_session_token=self._options.get("security_token"),
                config=config,
            )
        client.meta.events.register("before-call.s3", stay_in_region)
        return client

    @cached_property
    def _role(self) -> Any:
        """Those of the environment or of the host, which renew themselves."""
        with making_clients:
            found = session_of(os.getpid()).get_credentials()
        if found is None:
            raise ImproperlyConfigured(
                "No credentials for S3: set S3_ACCESS_KEY_ID, or give the host a role."
            )
        return found

    def _credentials(self) -> Credentials:
        if self._given is not None:
            return self._given
        frozen = self._role.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def stay_in_region(context: dict[str, Any], **_: object) -> None:
    """A store that redirects is wrongly addressed, and so would be every URL that is signed: no detour.

    botocore takes one; and where the answer names no region it asks for it in a request that is redirected too,
    and so on until Python's stack ends.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


def told(answer: Mapping[str, Any], name: str) -> Any:
    """What every store says in such an answer. A 200 without it comes from somebody else: a proxy, a portal.

    Raises: StorageUnavailable.
    """
    if not answer.get(name):
        log.warning("storage.not_understood missing=%s", name)
        raise StorageUnavailable
    return answer[name]


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
