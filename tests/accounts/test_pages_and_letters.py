"""Every page and every letter about an account speaks as the rest of the product does."""

import re
from http import HTTPStatus

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.cast import PASSWORD
from tests.ui.test_pages import assert_nothing_inline, signed_in

pytestmark = pytest.mark.django_db
ADDRESS = "owner@example.org"
# What allauth's own pages and letters say.
OTHER_WORDS = re.compile(
    r"reauthenticate|Bad Token|Email Address|Verif|Unconfirmed|Hello from|Thank you for using|receiving this",
    re.IGNORECASE,
)


@pytest.fixture(autouse=True)
def no_limits_yet():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def address(owner: User) -> EmailAddress:
    owner.email = ADDRESS
    owner.set_password(PASSWORD)
    owner.save()
    return EmailAddress.objects.create(user=owner, email=ADDRESS, primary=True)


def assert_ours(page: str, heading: str) -> None:
    [shown] = re.findall(r"<main.*</main>", page, re.DOTALL)
    assert f"<h1>{heading}</h1>" in shown
    assert OTHER_WORDS.search(re.sub(r"<[^>]*>", "", shown)) is None
    assert_nothing_inline(page)


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("password/change/", "Change your password"),
        ("email/", "Your e-mail addresses"),
        ("inactive/", "This account is closed"),
        ("confirm-email/", "Look at your mail"),
        ("confirm-email/unknown/", "This link is spent"),
        ("password/reset/key/done/", "Your password is set"),
        ("password/reset/key/1-unknown/", "This link is spent"),
    ],
)
def test_each_page_is_ours(owner, address, path, heading):
    page = signed_in(owner).get(f"/accounts/{path}", follow=True)

    assert_ours(page.text, heading)


def test_each_page_about_a_forgotten_password_is_ours(client, address):
    client.post("/accounts/password/reset/", {"email": ADDRESS})
    [link] = re.findall(r"http\S+", mail.outbox[0].body)

    asked = client.get(link, follow=True)
    short = client.post(asked.request["PATH_INFO"], {"password1": "short", "password2": "short"})
    new = {"password1": "another long password", "password2": "another long password"}
    answered = client.post(asked.request["PATH_INFO"], new, follow=True)

    assert_ours(asked.text, "Set a new password")
    assert_ours(short.text, "Set a new password")
    assert short.text.count("field-error") == 1
    assert_ours(answered.text, "Your password is set")
    assert client.login(username=address.user.username, password="another long password")


def test_who_has_no_password_sets_one(owner):
    owner.set_unusable_password()
    owner.save()

    page = signed_in(owner).get("/accounts/password/change/", follow=True)

    assert_ours(page.text, "Set a password")


def test_an_address_is_confirmed_and_no_second_account_takes_it(owner, address, stranger):
    key = EmailConfirmationHMAC.create(address).key
    theirs = EmailAddress.objects.create(user=stranger, email=ADDRESS)

    asked = signed_in(owner).get(f"/accounts/confirm-email/{key}/")
    answered = signed_in(owner).post(f"/accounts/confirm-email/{key}/")
    taken = signed_in(stranger).get(f"/accounts/confirm-email/{EmailConfirmationHMAC.create(theirs).key}/")

    assert_ours(asked.text, "Is this address yours?")
    address.refresh_from_db()
    assert (answered.status_code, address.verified) == (HTTPStatus.FOUND, True)
    assert_ours(taken.text, "This address is taken")


def test_what_concerns_the_account_asks_for_the_password_again(owner, address, settings):
    settings.ACCOUNT_REAUTHENTICATION_REQUIRED = True

    page = signed_in(owner).post(
        "/accounts/email/", {"action_add": "", "email": "new@example.org"}, follow=True
    )

    assert_ours(page.text, "Your password, please")


def letters() -> list[tuple[str, str]]:
    return [(letter.subject, letter.body) for letter in mail.outbox]


def test_each_letter_is_ours(client: Client, owner, address):
    client.post("/accounts/password/reset/", {"email": ADDRESS})
    client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    signed_in(owner).post("/accounts/email/", {"action_send": "", "email": ADDRESS})

    subjects = [subject for subject, _ in letters()]
    assert subjects == ["Set a new password", "No account with this address", "Is this address yours?"]
    for _, body in letters():
        assert OTHER_WORDS.search(body) is None
        assert body.rstrip().splitlines()[-2:] == ["Safelight", "testserver"]
        assert "&amp;" not in body
        assert "http://testserver/accounts/" in body


def test_a_letter_about_an_account_that_is_there_already_is_ours(client: Client, address, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    client.post(
        "/accounts/signup/",
        {"username": "somebody-else", "email": ADDRESS, "password1": "a very long password"},
    )

    [(subject, body)] = letters()
    assert subject == "You have an account already"
    assert f"with {ADDRESS}, which belongs to an account already" in body
    assert OTHER_WORDS.search(body) is None
