"""The mail that says how a publication ended: once for each end, in plain words, to who wants it."""

from __future__ import annotations

import smtplib
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as outbox
from django.core.mail import BadHeaderError
from django.core.mail.backends.locmem import EmailBackend

from tests.builders import jpeg, make_gallery, make_photo, make_upload, uploaded
from uploads import clock, crash_points, mail, sweep, tasks
from uploads.limits import MAX_MAILS_AN_HOUR, MAX_TRIES
from uploads.models import Publication
from uploads.states import State
from uploads.verify import claim_next as claim_upload
from uploads.verify import verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def quiet(owner):
    """A gallery whose photos wait to be published."""
    return make_gallery(owner, title="By the <sea>", auto_publish=False)


def publish(api, gallery) -> str:
    return api.post(f"/galleries/{gallery.pk}/publications", {"idempotency_key": "k"}).body["id"]


def staged(gallery, count: int = 1):
    return [make_photo(gallery, status="staged") for _ in range(count)]


def deliver() -> int:
    """What workers do; how many mails there are then."""
    while (publication := mail.claim_next()) is not None:
        mail.send(publication)
    return len(outbox.outbox)


# --- it works


def test_the_owner_is_told_once_that_all_is_published(api, quiet):
    staged(quiet, 3)
    publish(api, quiet)

    assert deliver() == 1
    assert deliver() == 1

    [message] = outbox.outbox
    assert message.to == ["owner@example.com"]
    assert message.subject == "Your 3 photos are published in By the <sea>"
    assert "all 3 photos are now in “By the <sea>”" in message.body
    assert f"http://localhost:8000/galleries/{quiet.pk}/" in message.body
    assert "/accounts/mine/" in message.body


def test_the_same_is_said_in_html_which_a_title_cannot_break(api, quiet):
    staged(quiet, 3)
    publish(api, quiet)
    deliver()

    [(html, kind)] = outbox.outbox[0].alternatives
    assert kind == "text/html"
    assert "all 3 photos are now in <strong>By the &lt;sea&gt;</strong>" in html
    assert f'href="http://localhost:8000/galleries/{quiet.pk}/"' in html
    assert "<sea>" not in html


def test_failures_are_told_with_their_reasons(api, quiet):
    staged(quiet, 2)
    make_upload(quiet, State.SIGNED)
    damaged = make_upload(quiet, State.FAILED, error_code="damaged_photo")
    uploads = [str(each.pk) for each in quiet.uploads.filter(state__in=["verified", "failed"])]
    api.post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": "k", "upload_ids": uploads})

    deliver()

    [message] = outbox.outbox
    assert str(damaged.pk) in uploads
    assert message.subject == "2 of 3 photos are published in By the <sea>"
    assert "- 1 photo: The file is damaged or incomplete." in message.body
    assert "<li>1 photo: The file is damaged or incomplete.</li>" in message.alternatives[0][0]


def test_when_nothing_could_be_published_it_says_so(api, quiet):
    upload = make_upload(quiet, State.FAILED, error_code="damaged_photo")
    body = {"idempotency_key": "k", "upload_ids": [str(upload.pk)]}
    api.post(f"/galleries/{quiet.pk}/publications", body)

    deliver()

    assert outbox.outbox[0].subject == "No photo could be published in By the <sea>"
    assert "the photo you wanted to publish in “By the <sea>” could not be:" in outbox.outbox[0].body


def test_nothing_is_said_before_the_end(api, quiet):
    make_upload(quiet, State.SIGNED)
    publish(api, quiet)

    assert deliver() == 0


def test_a_worker_that_has_nothing_else_to_do_sends_it(api, quiet):
    staged(quiet)
    publish(api, quiet)

    assert tasks.work_once()
    assert len(outbox.outbox) == 1


def test_the_end_of_a_retry_is_told_again_and_the_end_before_it_only_if_it_was(api, quiet):
    upload = make_upload(quiet, State.FAILED, error_code="gave_up")
    body = {"idempotency_key": "k", "upload_ids": [str(upload.pk)]}
    publication = api.post(f"/galleries/{quiet.pk}/publications", body).body["id"]

    api.post(f"/publications/{publication}/retry", {})
    assert deliver() == 0

    api.cancel(upload.pk)
    assert deliver() == 1


# --- nobody who does not want it


def test_who_wants_none_gets_none(api, quiet, page_client):
    staged(quiet)
    page_client.post("/accounts/mine/", {})
    publish(api, quiet)

    assert deliver() == 0
    assert Publication.objects.get().mail_due_at is None


@pytest.fixture
def page_client(owner, client):
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_choice_is_shown_and_can_be_changed_back(page_client, owner):
    assert " checked" in page_client.get("/accounts/mine/").content.decode()

    page_client.post("/accounts/mine/", {})
    assert " checked" not in page_client.get("/accounts/mine/").content.decode()

    page_client.post("/accounts/mine/", {"wants_mail": "on"})
    owner.refresh_from_db()
    assert owner.wants_mail


def test_a_stranger_is_asked_to_sign_in_first(client):
    assert client.get("/accounts/mine/").status_code == 302


def test_a_site_can_send_none(api, quiet, settings):
    settings.PUBLICATION_MAIL = False
    staged(quiet)
    publish(api, quiet)

    assert deliver() == 0


@pytest.mark.parametrize("columns", [{"email": ""}, {"is_active": False}])
def test_who_cannot_get_one_is_no_fault(api, quiet, owner, columns):
    staged(quiet)
    publish(api, quiet)
    type(owner).objects.update(**columns)

    assert deliver() == 0
    assert mail.claim_next() is None


def test_a_deleted_gallery_is_told_of_no_more(api, quiet):
    make_upload(quiet, State.SIGNED)
    publish(api, quiet)
    api.delete(f"/galleries/{quiet.pk}")

    assert deliver() == 0


def test_a_publication_of_nothing_is_told_to_nobody(api, quiet):
    publish(api, quiet)

    assert deliver() == 0
    assert Publication.objects.get().mail_due_at is None


@pytest.mark.parametrize(("is_verified", "mails"), [(False, 0), (True, 1)])
def test_an_address_entered_at_sign_up_gets_mails_once_it_is_confirmed(api, quiet, owner, is_verified, mails):
    EmailAddress.objects.create(user=owner, email=owner.email.upper(), primary=True, verified=is_verified)
    staged(quiet)
    publish(api, quiet)

    assert deliver() == mails


@pytest.mark.parametrize("is_verified", [False, True])
def test_who_gets_none_for_want_of_a_confirmation_is_told(page_client, owner, is_verified):
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True, verified=is_verified)

    page = page_client.get("/accounts/mine/").content.decode()

    assert ("Confirm it" in page) == (not is_verified)


def test_a_person_gets_so_many_mails_an_hour_and_no_more(api, quiet):
    for n in range(MAX_MAILS_AN_HOUR + 2):
        staged(quiet)
        api.post(f"/galleries/{quiet.pk}/publications", {"idempotency_key": str(n)})

    assert deliver() == MAX_MAILS_AN_HOUR
    assert mail.claim_next() is None


def test_ends_of_one_publication_count_as_often_as_they_are_told(api, quiet):
    staged(quiet)
    publish(api, quiet)

    for _ in range(MAX_MAILS_AN_HOUR + 1):
        Publication.objects.update(mail_due_at=clock.now(), mailed_at=None)
        deliver()

    assert len(outbox.outbox) == MAX_MAILS_AN_HOUR


def test_photos_that_show_themselves_send_no_mail(gallery, developer):
    uploaded(gallery, jpeg(1))
    verify(claim_upload(), developer)

    assert deliver() == 0


# --- faults


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", ["mail.after_claim", "mail.after_send"])
def test_a_worker_that_dies_costs_no_mail_and_doubles_none(api, quiet, monkeypatch, later, point):
    staged(quiet)
    publish(api, quiet)

    def reached(name: str) -> None:
        if name == point:
            monkeypatch.setattr(crash_points, "reached", lambda _name: None)
            raise Killed

    monkeypatch.setattr(crash_points, "reached", reached)
    with pytest.raises(Killed):
        deliver()
    assert mail.claim_next() is None, "held"
    later(mail.HELD_FOR + timedelta(seconds=1))
    sweep.sweep()

    assert deliver() == 1


def test_one_that_was_taken_for_dead_sends_none_when_it_comes_back(api, quiet, later):
    staged(quiet)
    publish(api, quiet)
    late = mail.claim_next()
    later(mail.HELD_FOR + timedelta(seconds=1))
    deliver()

    mail.send(late)

    assert len(outbox.outbox) == 1


class Away(EmailBackend):
    fault: Exception = ConnectionRefusedError()

    def open(self) -> None:
        raise self.fault


class Refusing(EmailBackend):
    def send_messages(self, _messages) -> int:
        raise smtplib.SMTPServerDisconnected


@pytest.mark.parametrize("backend", [Away, Refusing])
def test_a_server_that_does_not_take_it_is_asked_again_later(api, quiet, settings, later, backend):
    staged(quiet)
    publish(api, quiet)
    usual, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.{backend.__name__}"
    mail.send(mail.claim_next())
    assert mail.claim_next() is None

    settings.EMAIL_BACKEND = usual
    later(timedelta(minutes=2, seconds=1))

    assert deliver() == 1


class Choosy(EmailBackend):
    """Has something against one of the mails."""

    fault: Exception | None = None

    def send_messages(self, messages) -> int:
        if self.fault and "first" in messages[0].subject:
            raise self.fault
        return super().send_messages(messages)


@pytest.fixture
def choosy(settings, monkeypatch):
    def has(fault: Exception) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.Choosy"
        monkeypatch.setattr(Choosy, "fault", fault)

    return has


def two_due(api, owner) -> None:
    for title in ("first", "second"):
        gallery = make_gallery(owner, title=title, auto_publish=False)
        staged(gallery)
        publish(api, gallery)


@pytest.mark.parametrize(
    "fault",
    [
        smtplib.SMTPRecipientsRefused({"owner@example.com": (550, b"no such user")}),
        smtplib.SMTPSenderRefused(553, b"not you", "photos@localhost"),
        smtplib.SMTPDataError(554, b"spam"),
        smtplib.SMTPNotSupportedError(),
        BadHeaderError(),
        UnicodeEncodeError("ascii", "ä", 0, 1, "no"),
        ValueError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_mail_that_is_refused_is_given_up_and_holds_up_no_other(api, owner, choosy, later, fault):
    two_due(api, owner)
    choosy(fault)

    assert deliver() == 1

    later(timedelta(hours=3))
    assert mail.claim_next() is None
    assert Publication.objects.get(gallery__title="first").mailed_at is None


@pytest.mark.parametrize(
    "fault",
    [
        smtplib.SMTPRecipientsRefused({"owner@example.com": (450, b"greylisted")}),
        smtplib.SMTPDataError(451, b"later"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_mail_that_is_put_off_is_sent_later_and_holds_up_no_other(api, owner, choosy, later, fault):
    two_due(api, owner)
    choosy(fault)
    assert deliver() == 1

    Choosy.fault = None
    later(timedelta(minutes=2, seconds=1))

    assert deliver() == 2


@pytest.mark.parametrize(
    "fault",
    [
        smtplib.SMTPConnectError(421, b"busy"),
        smtplib.SMTPServerDisconnected(),
        smtplib.SMTPSenderRefused(421, b"closing", "photos@localhost"),
        TimeoutError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_server_that_is_away_is_left_alone_by_every_mail(api, owner, choosy, fault):
    two_due(api, owner)
    choosy(fault)

    assert deliver() == 0
    assert Publication.objects.exclude(mail_due_at=None).count() == 2


class Rude(EmailBackend):
    def close(self) -> None:
        raise smtplib.SMTPResponseException(500, b"what?")


def test_a_server_that_says_no_good_bye_has_the_mail(api, quiet, settings):
    staged(quiet)
    publish(api, quiet)
    settings.EMAIL_BACKEND = f"{__name__}.Rude"

    assert deliver() == 1
    assert Publication.objects.get().mailed_at is not None


def test_a_server_that_never_takes_it_is_let_be(api, quiet, settings):
    staged(quiet)
    publish(api, quiet)
    settings.EMAIL_BACKEND = f"{__name__}.Away"

    for _ in range(MAX_TRIES):
        Publication.objects.update(mail_due_at=clock.now())
        mail.send(mail.claim_next())

    assert Publication.objects.get().mail_due_at is None


def test_the_name_of_a_mail_is_that_of_its_end(api, quiet):
    staged(quiet)
    publication = publish(api, quiet)
    deliver()

    headers = outbox.outbox[0].message()
    assert headers["Message-ID"] == f"<{publication}.2@localhost>"
    assert headers["Auto-Submitted"] == "auto-generated"
