"""Who is calling: a bearer token, else the session cookie with its CSRF token. Used by the API and the photo paths."""

import copy

from django.contrib.auth import get_user
from django.http import HttpRequest
from ninja.utils import check_csrf

from accounts.models import find_user_of_token
from galleries.access import Actor, actor_of
from galleries.errors import CsrfFailed

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BEARER = "bearer "


def bearer_token(header: str) -> str | None:
    return header[len(BEARER) :].strip() if header.lower().startswith(BEARER) else None


def caller_of(request: HttpRequest) -> Actor:
    """A token makes cookies count for nothing.

    Raises: SignInRequired. CsrfFailed for an unsafe call by cookie without a valid token of the page.
    """
    token = bearer_token(request.headers.get("Authorization", ""))
    if token is not None:
        return actor_of(find_user_of_token(token))
    actor = actor_of(get_user(request))
    if request.method not in SAFE_METHODS and check_csrf(request) is not None:
        raise CsrfFailed
    return actor


def caller_still(request: HttpRequest) -> Actor:
    """The caller of a request that has been going on for a while: token and session are read afresh.

    Raises: SignInRequired where either has ended.
    """
    now = copy.copy(request)
    now.session = type(request.session)(request.session.session_key)
    return caller_of(now)
