"""The mail that says how a publication ended: once for each end, and never twice, whoever dies.

No mail tells of photos that show themselves (auto_publish): nobody asked and left, and a mail for every few photos
would teach people to delete ours unread.
"""

import logging
import smtplib
import uuid
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.template.loader import render_to_string

from accounts.addresses import is_confirmed
from uploads import clock, crash_points
from uploads.limits import MAX_MAILS_AN_HOUR, MAX_TRIES
from uploads.models import Publication
from uploads.publications import counts_of, failed_in, why_not
from uploads.wire import error_of

log = logging.getLogger(__name__)

# Longer than a mail server is waited for, EMAIL_TIMEOUT at each of its answers.
HELD_FOR: Final = timedelta(minutes=5)
RETRY_BASE: Final = timedelta(minutes=1)
HOUR_S: Final = 3_600
# RFC 5321, 4.2.1 and 3.8: may be taken later; of those, the one that ends the connection.
PASSING: Final = range(400, 500)
CLOSING: Final = 421
MAX_FAILURES_READ: Final = 1_000
MAX_REASONS: Final = 5


def claim_next() -> Publication | None:
    """The one that waits longest, held for some minutes. One query where none does."""
    now = clock.now()
    publication = Publication.objects.mail_due(now).order_by("mail_due_at", "pk").first()
    if publication is None or not is_taken(publication, now + HELD_FOR):
        return None
    return publication


def is_taken(publication: Publication, until: datetime) -> bool:
    due = Publication.objects.filter(pk=publication.pk, mail_due_at=publication.mail_due_at)
    if not due.update(mail_due_at=until, mail_tries=F("mail_tries") + 1):
        return False
    publication.mail_due_at, publication.mail_tries = until, publication.mail_tries + 1
    return True


def send(publication: Publication) -> None:
    """Raises nothing that a mail or its server is to blame for. What may be taken later is tried again.

    The row is let go of before the mail is handed over, and with the connection open: who dies in the moment between
    costs a mail, since nobody could know whether it went. The page says the same, and a second mail would be wrong.
    """
    crash_points.reached("mail.after_claim")
    message = message_about(publication)
    if message is None:
        is_let_go(publication)
        return
    connection = get_connection()
    try:
        hand_over(publication, message, connection)
    finally:
        # What it has taken it has, however it says good-bye.
        with suppress(OSError):
            connection.close()


def hand_over(
    publication: Publication, message: EmailMultiAlternatives, connection: BaseEmailBackend
) -> None:
    try:
        connection.open()
    except (OSError, ValueError) as error:
        log_not_sent(publication, error)
        put_back(publication)
        put_off_all()
        return
    if not is_one_more(publication.gallery.owner_id):
        log.warning("mail.too_many publication_id=%s", publication.pk)
        is_let_go(publication)
        return
    if not is_let_go(publication, mailed_at=clock.now()):
        return
    try:
        connection.send_messages([message])
    except (OSError, ValueError) as error:
        log_not_sent(publication, error)
        put_back(publication, give_up=not (is_away(error) or is_put_off(error)))
        if is_away(error):
            put_off_all()
        return
    crash_points.reached("mail.after_send")
    log.info("mail.sent publication_id=%s", publication.pk)


def log_not_sent(publication: Publication, error: Exception) -> None:
    log.warning("mail.not_sent publication_id=%s error=%s", publication.pk, type(error).__name__)


def is_away(error: Exception) -> bool:
    """The server, for every mail. What smtplib raises for one mail is an OSError, too."""
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code == CLOSING:
        return True
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError)


def is_put_off(error: Exception) -> bool:
    """The server may take this very mail later."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code in PASSING for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code in PASSING


def is_one_more(user_id: uuid.UUID) -> bool:
    """Takes one of the places of an hour, where one is free."""
    places = (f"mails:{user_id}:{place}" for place in range(MAX_MAILS_AN_HOUR))
    return any(cache.add(place, 1, HOUR_S) for place in places)


def is_let_go(publication: Publication, mailed_at: datetime | None = None) -> bool:
    """False when somebody else holds it by now, or when the publication goes on."""
    mine = Publication.objects.filter(pk=publication.pk, mail_due_at=publication.mail_due_at)
    return mine.update(mail_due_at=None, mailed_at=mailed_at) > 0


def put_back(publication: Publication, *, give_up: bool = False) -> None:
    is_last = give_up or publication.mail_tries >= MAX_TRIES
    due_at = None if is_last else clock.now() + RETRY_BASE * 2**publication.mail_tries
    tried = Publication.objects.filter(pk=publication.pk, version=publication.version)
    tried.update(mail_due_at=due_at, mailed_at=None)


def put_off_all() -> None:
    """Each that is due would wait as long for the same server."""
    now = clock.now()
    Publication.objects.mail_due(now).update(mail_due_at=now + RETRY_BASE)


def message_about(publication: Publication) -> EmailMultiAlternatives | None:
    """None where nobody wants one, nobody can get one, or there is nothing to tell."""
    gallery = publication.gallery
    owner = gallery.owner
    if not (owner.email and owner.wants_mail and owner.is_active) or gallery.deleted_at is not None:
        return None
    counts = counts_of(publication)
    if not counts.chosen or not is_confirmed(owner):
        return None
    about = {
        "person": owner.get_short_name() or owner.get_username(),
        "title": gallery.title,
        "counts": counts,
        "reasons": reasons_in(publication) if counts.failed else [],
        "gallery_url": f"{settings.SITE_URL}/galleries/{gallery.pk}/",
        "choice_url": f"{settings.SITE_URL}/accounts/mine/",
    }
    message = EmailMultiAlternatives(
        subject=" ".join(render_to_string("mail/published_subject.txt", about).split()),
        body=render_to_string("mail/published.txt", about),
        to=[owner.email],
        headers={
            # The same for each try, so that a mail program that gets it twice shows it once.
            "Message-ID": f"<{publication.pk}.{publication.version}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render_to_string("mail/published.html", about), "text/html")
    return message


def reasons_in(publication: Publication) -> list[tuple[str, int]]:
    """Sentence and count, the most frequent first."""
    failed = failed_in(publication)[:MAX_FAILURES_READ]
    said = Counter(str((error_of(upload) or why_not(upload).as_wire())["message"]) for upload in failed)
    return said.most_common(MAX_REASONS)
