"""Signing up and in by the pages, also for staff."""

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.cast import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_guesses_yet():
    cache.clear()
    yield
    cache.clear()


def test_the_admin_has_no_sign_in_of_its_own(client, staff):
    staff.set_password(PASSWORD)
    staff.save()

    shown = client.get("/admin/login/?next=/admin/")
    sent = client.post("/admin/login/?next=/admin/", {"username": "staff", "password": PASSWORD})

    for answer in (shown, sent):
        assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/login/?next=%2Fadmin%2F")
    assert client.get("/api/session").json()["user"] is None


def test_guesses_for_a_staff_account_are_counted(staff):
    staff.set_password(PASSWORD)
    staff.save()
    client = Client()
    for _ in range(5):
        client.post("/accounts/login/?next=/admin/", {"login": "staff", "password": "wrong"})

    client.post("/accounts/login/?next=/admin/", {"login": "staff", "password": PASSWORD})

    assert client.get("/api/session").json()["user"] is None


def test_staff_come_to_the_admin_by_the_sign_in_of_the_site(client, staff):
    staff.set_password(PASSWORD)
    staff.save()

    answer = client.post("/accounts/login/?next=/admin/", {"login": "staff", "password": PASSWORD})

    assert answer.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("lookalike", ["\uff4f\uff57\uff4e\uff45\uff52", "OWNER", "own\u1d49r"])
def test_nobody_takes_a_name_that_is_written_like_another_s(client, lookalike):
    make_user("owner")

    answer = client.post("/accounts/signup/", {"username": lookalike, "password1": PASSWORD})

    assert answer.status_code == 422
    assert User.objects.count() == 1


def test_a_name_written_another_way_signs_up_and_in(client):
    client.post("/accounts/signup/", {"username": "\ufb01ona", "password1": PASSWORD})

    other = Client()
    other.post("/accounts/login/", {"login": "\ufb01ona", "password": PASSWORD})

    assert other.get("/api/session").json()["user"]["name"] == "fiona"


def test_the_icon_that_browsers_ask_for_is_the_site_s(client):
    answer = client.get("/favicon.ico")

    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("/img/lamp.svg")
