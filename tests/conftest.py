"""What every test may ask for: real servers, the running product, a signed-in page; and what no test may do.

A part that cannot be had is a failure, never a skip.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dev import python_packages
from dev.services import chromium as chromium_service
from dev.services import gcs as gcs_service
from dev.services import postgres as postgres_service
from dev.services import redis as redis_service
from dev.services import site as site_service
from dev.services import swift as swift_service
from tests.services.page_watch import PageWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from playwright.sync_api import Browser, BrowserContext, Page

    from dev.services.gcs import GcsServer
    from dev.services.postgres import PostgresServer
    from dev.services.redis import RedisServer
    from dev.services.site import Site
    from dev.services.swift import SwiftServer

pytest_plugins = ["tests.cast", "tests.product_clock", "tests.faults.small_product"]

WAIT_MS = 30_000
MADE_BY_MIGRATE = frozenset({"django_content_type", "auth_permission"})
DATABASE_FIXTURES = frozenset(
    {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}
)


# --- what the runs of `make test` ask for, and what no run may hide


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-database", action="store_true", help="leave out the tests that use no database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Browser tests go last: Playwright's loop stays in the thread, where asyncio and the ORM would fail."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    if config.getoption("--only-database"):
        config.hook.pytest_deselected(items=[item for item in items if not _uses_database(item)])
        items[:] = [item for item in items if _uses_database(item)]


def _uses_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not DATABASE_FIXTURES.isdisjoint(fixtures)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that left something out did not succeed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# --- no test talks to the world


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked(original: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def connect_if_near(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_near(address[0]):
                raise PermissionError(f"a test tried to reach {address[0]}")
            return original(self, address)

        return connect_if_near

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked(connect))
        patch.setattr(socket.socket, "connect_ex", checked(connect_ex))
        yield


def _is_near(host: str) -> bool:
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# --- where the product under test keeps things


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """Sockets lie here, whose paths may have 108 bytes at most; pytest's own folders are longer."""
    folder = Path(tempfile.mkdtemp(prefix="sl-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path, redis_server: RedisServer) -> Iterator[Path]:
    """Every test has an empty local store and an empty Redis."""
    from galleries.objects.base import forget_stores

    settings.DATA_DIR = tmp_path
    local = settings.STORAGES["local"]
    location = {**local["OPTIONS"], "location": tmp_path / "objects"}
    settings.STORAGES = {**settings.STORAGES, "local": {**local, "OPTIONS": location}}
    forget_stores()
    redis_server.forget_everything()
    yield tmp_path
    forget_stores()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    short_folder: Path, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """SQLite in a file, as the product has it: in memory there is no WAL, and threads block each other.

    It does not wait for the disk: these rows need not outlive the machine. Sites of the tests do wait, as the product.
    """
    from django.db import connections

    database = connections["default"].settings_dict
    if database["ENGINE"] != "django.db.backends.postgresql":
        database["TEST"]["NAME"] = str(short_folder / "test.sqlite3")
        options = database["OPTIONS"]
        options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")


@pytest.fixture(autouse=True, scope="session")
def _types_and_permissions_stay() -> Iterator[None]:
    """After a test that commits Django would make them anew, all the same: most of what emptying the tables costs."""
    from django.core.management.commands import flush

    def sql_flush(style: Any, connection: BaseDatabaseWrapper, **how: bool) -> list[str]:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        return connection.ops.sql_flush(
            style, [each for each in tables if each not in MADE_BY_MIGRATE], **how
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "sql_flush", sql_flush)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_, **__: None)
        yield


# --- real servers


@pytest.fixture(scope="session")
def redis_server(short_folder: Path) -> Iterator[RedisServer]:
    """A Redis of its own for the whole run; the product under test talks to this one."""
    from django.conf import settings

    from config.celery import app

    server = redis_service.start(short_folder / "redis", python_packages.ensure_redis())
    settings.REDIS_URL = server.url
    settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = [server.url]
    app.conf.broker_url = server.url.replace("unix://", "redis+socket://", 1)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def swift(short_folder: Path) -> Iterator[SwiftServer]:
    """A signature-checking S3 store: endpoint, access_key, secret_key, region, make_bucket(name)."""
    server = swift_service.start(short_folder / "swift", python_packages.ensure_swift())
    yield server
    server.stop()


@pytest.fixture
def swift_bucket(swift: SwiftServer) -> str:
    return swift.make_bucket(f"photos-{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def google_account(short_folder: Path) -> Path:
    """The key file of an account that nobody has ever heard of."""
    return gcs_service.write_key_file(short_folder / "google-account.json")


@pytest.fixture(scope="session")
def gcs(short_folder: Path) -> Iterator[GcsServer]:
    """An emulator of Google Cloud Storage: endpoint, key_file, make_bucket(name)."""
    server = gcs_service.start(short_folder / "gcs")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(short_folder: Path) -> Iterator[PostgresServer]:
    server = postgres_service.start(short_folder / "postgres")
    yield server
    server.stop()


# --- the running product


@pytest.fixture(scope="session")
def site_local(short_folder: Path) -> Iterator[Site]:
    """The product as `make run` starts it, photos on the local disk."""
    site = site_service.start(short_folder / "site-local")
    yield site
    site.stop()


@pytest.fixture(scope="session")
def site_swift(short_folder: Path, swift: SwiftServer) -> Iterator[Site]:
    """The product with its photos in an S3 store."""
    bucket = swift.make_bucket(f"site-{uuid4().hex[:12]}")
    site = site_service.start(short_folder / "site-swift", store=swift.environment(bucket))
    yield site
    site.stop()


@pytest.fixture(scope="session")
def site_gcs(short_folder: Path, gcs: GcsServer) -> Iterator[Site]:
    """The product with its photos in Google's store, as far as that can be had here."""
    bucket = gcs.make_bucket(f"site-{uuid4().hex[:12]}")
    site = site_service.start(short_folder / "site-gcs", store=gcs.environment(bucket))
    site.manage("setup_bucket")
    yield site
    site.stop()


@pytest.fixture
def site(site_local: Site) -> Site:
    """The site that `page` opens. A module which wants another one overrides this fixture."""
    return site_local


# --- a browser


@pytest.fixture(scope="session")
def chromium() -> Path:
    return chromium_service.ensure(Path(sys.executable))


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    # How long somebody waits is measured where it is promised; everywhere else a busy machine may take its time.
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=list(chromium_service.FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def session_of(browser: Browser) -> Callable[[Site], Any]:
    """Cookies of a signed-in visitor, by site and person; signed in again only when a test has signed out."""
    known: dict[tuple[str, str], Any] = {}

    def sign_in(site: Site) -> Any:
        who = (site.base_url, site.username)
        if who not in known or not is_signed_in(browser, site, known[who]):
            context = browser.new_context(base_url=site.base_url)
            page = context.new_page()
            page.goto("/accounts/login/")
            page.locator("input[name=login]").fill(site.username)
            page.locator("input[name=password]").fill(site.password)
            page.locator("input[name=password]").press("Enter")
            page.wait_for_url(lambda url: "/accounts/login" not in url)
            known[who] = context.storage_state()
            context.close()
        return known[who]

    return sign_in


def is_signed_in(browser: Browser, site: Site, storage_state: Any) -> bool:
    context = browser.new_context(base_url=site.base_url, storage_state=storage_state)
    try:
        return context.request.get("/api/session").json()["user"] is not None
    finally:
        context.close()


@pytest.fixture
def context(browser: Browser, site: Site, session_of: Callable[[Site], Any]) -> Iterator[BrowserContext]:
    """A signed-in browser session of its own."""
    context = browser.new_context(base_url=site.base_url, storage_state=session_of(site))
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def page_watch() -> Iterator[PageWatch]:
    """Fails the test for what went wrong unseen; `page_watch.expect(pattern)` names what is meant to."""
    watch = PageWatch()
    yield watch
    assert watch.unexpected() == []


@pytest.fixture
def page(page_watch: PageWatch, context: BrowserContext) -> Page:
    """A signed-in page of `site`. Addresses may begin with a slash."""
    page = context.new_page()
    page_watch.watch(page)
    return page
