"""The page that browser tests are given: signed in, and watched."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.services]


def test_a_page_is_signed_in(page) -> None:
    page.goto("/galleries/")

    session = page.evaluate("async () => (await fetch('/api/session')).json()")

    assert session["user"]["name"] == "demo"


def test_an_error_in_the_console_is_seen(page, page_watch) -> None:
    page_watch.expect("planted")
    page.goto("/galleries/")

    page.evaluate("console.error('planted error')")

    assert any("planted error" in trouble for trouble in page_watch.troubles)
    assert page_watch.unexpected() == []


def test_an_exception_nobody_caught_is_seen(page, page_watch) -> None:
    page_watch.expect("planted")
    page.goto("/galleries/")

    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('planted exception') })")

    assert any("planted exception" in trouble for trouble in page_watch.troubles)


def test_a_site_on_swift_is_one_fixture_away(site_swift) -> None:
    assert site_swift.environment["PHOTO_STORE"] == "s3"
    assert "Safelight is ready" in site_swift.log()
